# A process that waits costs nothing: no thread, no helper, no wake-up in ten seconds, at most 1 MiB of memory; and it hears of a card at once, as
# does a second one. The same figures of pcscd are printed beside.
# seconds: 120
# incumbent: not
file=$LIBDIR/libpcsclite.so.1
"$BIN/waiter" "$file" >ours &
waiter=$!
within 20 grep -q waiting ours || { cat ours; false; }
cat ours
field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$waiter/status"; }
sleep 1
before=$(field voluntary_ctxt_switches) forced=$(field nonvoluntary_ctxt_switches)
sleep 10
after=$(field voluntary_ctxt_switches)
echo "switches in 10 s: $((after - before)) voluntary, $(($(field nonvoluntary_ctxt_switches) - forced)) others; threads: $(field Threads)"
[ "$after" = "$before" ]
[ "$(field Threads)" = 1 ]
! pgrep -P "$waiter"
read -r anonymous files < <(sed -nE 's/^memory added: (-?[0-9]+) KiB anonymous, (-?[0-9]+) KiB of files$/\1 \2/p' ours)
# It waits, and is not deaf.
host card remove
within 10 grep -q 'woken' ours
kill "$waiter"
host card insert

with_lib "$BIN/latency" 20 >latency.ours || { cat latency.ours; false; }

pcscd -f >/tmp/pcscd.log 2>&1 &
within 20 test -S /run/pcscd/pcscd.comm
within 20 eval "opensc-tool -a | grep -q '$ATR'"
"$BIN/waiter" libpcsclite.so.1 >theirs &
within 20 grep -q waiting theirs || { cat theirs; false; }
"$BIN/latency" 20 >latency.theirs || { cat latency.theirs; false; }
echo "pcscd: $(head -n 1 theirs); the daemon itself: $(sed -n 's/^VmRSS:[[:space:]]*//p' "/proc/$(pgrep -x pcscd)/status"), $(sed -n 's/^Threads:[[:space:]]*//p' "/proc/$(pgrep -x pcscd)/status") threads"
echo "insertion to wake-up in µs, least and median: ours $(cat latency.ours), pcscd $(cat latency.theirs)"
[ $((anonymous + files)) -le 1024 ] || { echo "more than 1 MiB of memory"; false; }
