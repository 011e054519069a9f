# Four programs in random traffic; random ones killed and replaced, the card taken out and the reader unplugged meanwhile. No answer of another's
# command, no call that hangs, and afterwards the reader works for everybody.
# A minute with WINSCARD_VM_LONG=1.
# seconds: 240
# incumbent: not
LENGTH=14 KILLS=3
moves=('3 card remove' '3.7 card insert' '6 reader unplug' '7 reader plug')
if [ -n "${WINSCARD_VM_LONG:-}" ]; then
  LENGTH=60 KILLS=20
  for second in 11 25 39; do
    moves+=("$second card remove" "$second.2 card insert" "$((second + 3)) reader unplug" "$((second + 4)) reader plug")
  done
fi
RANDOM=4711
[ -z "${WINSCARD_LOG:-}" ] || trap 'mkdir -p /mnt/work/out/44; cp stress.* /mnt/work/out/44/' EXIT
# Cards and readers come and go meanwhile, by the host's clock: the guest is too busy to ask for it then.
unplugged() { dmesg | grep -c 'USB disconnect' || true; }
before=$(unplugged)
for move in "${moves[@]}"; do
  host "later $move"
done
declare -A running=()
starts=0 kills=0
start() {
  starts=$((starts + 1))
  env "${library[@]}" "$BIN/stress" "$starts" $((end - SECONDS)) >"stress.$starts" 2>&1 &
  running[$starts]=$!
}
end=$((SECONDS + LENGTH))
for number in 1 2 3 4; do start; done

while [ $((SECONDS + 2)) -lt $end ]; do
  sleep 0.$((RANDOM % 8))
  alive=("${!running[@]}")
  which=${alive[RANDOM % ${#alive[@]}]}
  if kill -9 "${running[$which]}" 2>/dev/null; then
    kills=$((kills + 1))
    wait "${running[$which]}" 2>/dev/null || true
    unset "running[$which]"
    start
  else # It ended by itself: too early.
    wait "${running[$which]}" || { tail -n 3 "stress.$which"; false; }
    break
  fi
done
for which in "${!running[@]}"; do
  wait "${running[$which]}" || { tail -n 3 "stress.$which"; false; }
  cat "stress.$which"
done
echo "$kills killed; the reader was unplugged $(($(unplugged) - before)) times, and the card taken out as often"
[ "$kills" -ge "$KILLS" ]
[ $(($(unplugged) - before)) = $((${#moves[@]} / 4)) ]
! pgrep -x stress
# A word of complaint of one that was killed later counts as well.
! grep -E '^program [0-9]+: .*(stuck|gave)|^line [0-9]+:' stress.*
within 20 eval 'with_lib "$BIN/connect" | grep -q "APDU answered"'
with_lib "$BIN/traffic" 1 5
