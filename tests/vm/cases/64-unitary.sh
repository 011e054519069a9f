# The topics of pcsc-lite's own UnitaryTests, each a test that holds for any PC/SC library (programs/unitary.c): here with this library, and with
# LIB=incumbent with pcscd.
# seconds: 240
# incumbent: with pcscd
for topic in $("$BIN/unitary"); do
  timeout $((60 * PATIENCE)) env "${library[@]}" "$BIN/unitary" "$topic" || { echo "$topic failed"; false; }
done
