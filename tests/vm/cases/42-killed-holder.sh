# A program killed inside its transaction: whoever waits goes on, and is told that the card was reset. One thread, no helper process.
# incumbent: with pcscd
mkfifo go
with_lib "$BIN/await" >await.out <go &
await=$!
exec 7>go
within 20 grep -q connected await.out
with_lib "$BIN/hold" transaction >hold.out &
within 20 grep -q holding hold.out
holder=$(pgrep -x hold)
[ "$(ls "/proc/$holder/task" | wc -l)" = 1 ]
echo >&7
within 20 grep -q beginning await.out
sleep 0.5
! grep 'begin gave' await.out
kill -9 "$holder"
wait "$await" || { cat await.out; false; }
output_has '^begin gave 0x80100068' await.out
output_has '^done' await.out
