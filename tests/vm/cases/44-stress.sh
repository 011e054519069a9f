# Four programs in random traffic; random ones killed and replaced, the card taken out and the reader unplugged meanwhile. No answer of another's
# command, no call that hangs, and afterwards the reader works for everybody.
# seconds: 150
# incumbent: not
LENGTH=25
RANDOM=4711
[ -z "${WINSCARD_LOG:-}" ] || trap 'mkdir -p /mnt/work/out/44; cp stress.* moves /mnt/work/out/44/' EXIT
declare -A running=()
starts=0 kills=0
start() {
  starts=$((starts + 1))
  env "${library[@]}" "$BIN/stress" "$starts" $((end - SECONDS)) >"stress.$starts" 2>&1 &
  running[$starts]=$!
}
end=$((SECONDS + LENGTH))
for number in 1 2 3 4; do start; done

# Cards and readers come and go beside the killing.
( RANDOM=815
  while [ $((SECONDS + 3)) -lt $end ]; do
    sleep 0.$((RANDOM % 10))
    if ((RANDOM % 3)); then host card remove; sleep 0.$((RANDOM % 9)); host card insert; else host reader unplug; sleep 0.$((RANDOM % 9)); host reader plug; fi
    echo "moved at $SECONDS"
  done ) >moves &
mover=$!
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
wait "$mover"
for which in "${!running[@]}"; do
  wait "${running[$which]}" || { tail -n 3 "stress.$which"; false; }
  cat "stress.$which"
done
echo "$kills killed, $(wc -l <moves) cards and readers moved"
[ "$kills" -ge 10 ] && [ "$(wc -l <moves)" -ge 4 ]
! pgrep -x stress
# A word of complaint of one that was killed later counts as well.
! grep -lE 'stuck|gave|not so' stress.*
within 20 eval 'with_lib "$BIN/connect" | grep -q "APDU answered"'
with_lib "$BIN/traffic" 1 5
