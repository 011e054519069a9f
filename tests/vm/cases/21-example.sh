# The example program, built against our headers and linked with the library, and once preloaded.
# modes: path preload
# incumbent: with pcscd
[ -x "$BIN/first_light" ] || { cat "$BIN/first_light.log"; false; }
with_lib "$BIN/first_light" >out 2>&1 || { cat out; false; }
output_has "$NAME" out
