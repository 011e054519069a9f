# pcsc_scan shows the ATR, then sees the card go and come.
# modes: path preload
# incumbent: with pcscd
with_lib stdbuf -oL pcsc_scan -n >out 2>&1 &
scan=$!
atr=$(tr a-f: 'A-F ' <<<"$ATR")
count() { [ "$(grep -c "$1" out)" -ge "$2" ]; }
within 30 count "$atr" 1
host card remove
within 30 count 'Card removed' 1
host card insert
within 30 count "$atr" 2
output_has "0: $NAME" out
pkill -INT -x pcsc_scan
wait "$scan" || true
within 10 eval '! pgrep -x pcsc_scan'
