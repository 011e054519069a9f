# A second reader gets the next number; both work, and the first keeps its name when the second goes.
# incumbent: with pcscd
host reader2 plug
listed() { [ "$(with_lib opensc-tool -l | grep -cE "Yes .* 0[01] 00\$")" = "$1" ]; }
within 20 listed 2
with_lib opensc-tool -l >out
output_has "$NAME" out
output_has ' 01 00$' out
with_lib "$BIN/connect" >out || { cat out; false; }
[ "$(grep -c ': 0x00000000$' out)" = 2 ]
[ "$(grep -c 'APDU answered' out)" = 2 ]
host reader2 unplug
within 20 listed 1
with_lib opensc-tool -l >out
output_has "$NAME" out
