# Long ones at once on one reader: GnuPG signs, a PKCS #11 session logs in and lists, pcsc_scan watches. Everybody gets right answers; then the same
# with pcscd.
# long: yes
# seconds: 1200
# incumbent: not
# needs: clients
. /mnt/repo/tests/vm/guest/clients.sh
exec 3>tries
both at-once.sh token
cat tries
output_has '^4 signatures$' ours.out
output_has '^4 sessions$' ours.out
