# scriptor, opensc-explorer, pcsc_scan, ATR_analysis, pyscard's monitors and exclusive connections, Java's smartcardio.
# long: yes
# seconds: 500
# incumbent: not
# needs: clients
. /mnt/repo/tests/vm/guest/clients.sh
both simple.sh host reset
[ "$(grep -c '^done$' ours.out)" = 1 ]
output_has '^9000 9ABC9ABC$' ours.out
