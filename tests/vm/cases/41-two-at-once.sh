# Two programs at once on the reader, transactions and single APDUs: no byte of one reaches the other, and they really overlap.
# modes: path preload
# incumbent: with pcscd
mkfifo go
with_lib "$BIN/traffic" 1 150 go >one &
one=$!
with_lib "$BIN/traffic" 2 150 go >two &
two=$!
within 20 grep -q ready one
within 20 grep -q ready two
exec 7>go
wait "$one" || { cat one; false; }
wait "$two" || { cat two; false; }
cat one two
awk '/every answer its own/ { from[++n] = $(NF - 2); to[n] = $NF } END { exit !(n == 2 && from[1] < to[2] && from[2] < to[1]) }' one two
