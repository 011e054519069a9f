# A Windows program on Wine's winscard, which is linked with libpcsclite.so.1.
# long: yes
# seconds: 1000
# incumbent: not
# needs: clients all
. /mnt/repo/tests/vm/guest/clients.sh
both wine.sh host reset
output_has '^12341234123412349000$' ours.out
