# Two programs in turn on the reader, six times.
# incumbent: with pcscd
for turn in 1 2 3; do
  with_lib "$BIN/traffic" 1 10
  with_lib "$BIN/traffic" 2 10
done
