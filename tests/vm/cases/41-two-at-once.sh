# Two programs at once on the reader, transactions and single APDUs: no byte of one reaches the other, and they really overlap.
# modes: path preload
# incumbent: with pcscd
with_lib "$BIN/traffic" 1 150 >one &
one=$!
with_lib "$BIN/traffic" 2 150 >two &
two=$!
wait "$one" || { cat one; false; }
wait "$two" || { cat two; false; }
cat one two
awk '{ from[NR] = $(NF - 2); to[NR] = $NF } END { exit !(NR == 2 && from[1] < to[2] && from[2] < to[1]) }' one two
