# FreeRDP's WinPR on top of libpcsclite.so.1, which it loads by name.
# long: yes
# seconds: 200
# incumbent: not
# needs: clients all
. /mnt/repo/tests/vm/guest/clients.sh
both winpr.sh host reset
output_has '^12341234123412349000$' ours.out
