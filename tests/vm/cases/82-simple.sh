# scriptor, opensc-explorer, pcsc_scan, ATR_analysis, pyscard's monitors and exclusive connections, Java's smartcardio.
# long: yes
# seconds: 500
# incumbent: not
# needs: clients
. /mnt/repo/tests/vm/guest/clients.sh
# Both count a card's moves from when the reader was plugged in; pcscd, which is started anew, from then.
fresh() {
  host reader unplug && host reset
  within 20 eval 'grep -qsx 08e6 /sys/bus/usb/devices/*/idVendor'
  udevadm settle --timeout=20
}
both simple.sh fresh
[ "$(grep -c '^done$' ours.out)" = 1 ]
output_has '^9000 9ABC9ABC$' ours.out
