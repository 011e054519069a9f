# pcscd has the reader: SCARD_E_SHARING_VIOLATION, a log line that names pcscd; and work again after it is stopped.
# modes: path preload
# incumbent: not
with_lib "$BIN/connect" >out
output_has 'APDU answered' out
pcscd -f >/tmp/pcscd.log 2>&1 &
within 20 test -S /run/pcscd/pcscd.comm
within 20 eval "opensc-tool -a | grep -q '$ATR'"
WINSCARD_LOG=debug with_lib "$BIN/connect" >out 2>log || { cat out log; false; }
output_has ': 0x8010000B$' out
output_has 'pcscd' log
# Its own clients are not disturbed by that.
opensc-tool -a >out
output_has "^$ATR\$" out
pkill -x pcscd
within 20 eval '! pgrep -x pcscd'
rm -rf /run/pcscd
with_lib "$BIN/connect" >out || { cat out; false; }
output_has 'APDU answered' out
with_lib opensc-tool -a >out 2>&1
output_has "^$ATR\$" out
