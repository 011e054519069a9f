# A program that has the reader is killed, and a child it forked lives on: nothing of the claim or of the locks is left with the child.
# incumbent: not
for mode in shared exclusive transaction; do
  with_lib "$BIN/hold" "$mode" fork >hold.out &
  within 20 grep -q holding hold.out || { cat hold.out; false; }
  parent=$(pgrep -o -x hold) child=$(pgrep -n -x hold)
  [ "$parent" != "$child" ]
  if ls -l "/proc/$child/fd" | grep -E '/dev/bus/usb|winscard|inotify|eventfd'; then false; fi
  kill -9 "$parent"
  free() { with_lib "$BIN/connect" | grep -q 'APDU answered'; }
  within 5 free || { echo "$mode: the reader is not free while the child lives"; with_lib "$BIN/connect"; false; }
  kill -0 "$child"
  kill -9 "$child"
done
