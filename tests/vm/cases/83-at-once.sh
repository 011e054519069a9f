# Long ones at once on one reader: GnuPG signs, a PKCS #11 session (ssh-agent's) signs, pcsc_scan watches. Everybody gets right answers; then the same with
# pcscd.
# long: yes
# seconds: 1200
# incumbent: not
# needs: clients
. /mnt/repo/tests/vm/guest/clients.sh
both at-once.sh token
output_has '^10 signatures by gpg$' ours.out
output_has '^10 signatures by ssh-agent$' ours.out
