# A program that holds the card exclusively keeps another one out, and killing it frees the card.
# incumbent: with pcscd
with_lib "$BIN/hold" exclusive >hold.out &
within 20 grep -q holding hold.out
with_lib "$BIN/connect" >out
output_has ': 0x8010000B$' out
pkill -9 -x hold
free() { with_lib "$BIN/connect" | grep -q 'APDU answered'; }
within 20 free
