# Every observable result of a long list of calls (programs/conf_*.c) with this library and with pcscd, over the same reader in one boot. Where they
# differ, 63-conformance.differences says so and why; anything else fails, and so does an explanation that explains nothing any more.
# seconds: 420
# incumbent: not
for part in args card events; do
  with_lib "$BIN/conf_$part" >"ours.$part" || { tail -n 3 "ours.$part"; false; }
done
pcscd -f >/tmp/pcscd.log 2>&1 &
within 20 test -S /run/pcscd/pcscd.comm
within 20 eval "opensc-tool -a | grep -q '$ATR'"
for part in args card events; do
  timeout $((120 * PATIENCE)) "$BIN/conf_$part" >"theirs.$part" || { tail -n 3 "theirs.$part"; false; }
done
cp ours.* theirs.* /mnt/work/out/
compare "$CASES/63-conformance.differences" ours.args theirs.args ours.card theirs.card ours.events theirs.events
cat ours.* | wc -l
