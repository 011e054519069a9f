# Firefox without a window logs in to a TLS server with the key of a PIV card, by opensc-pkcs11.
# long: yes
# seconds: 3000
# incumbent: not
# needs: clients all
. /mnt/repo/tests/vm/guest/clients.sh
both firefox.sh token
output_has '^logged in: true$' ours.out
output_has 'ubject.*tester' ours.out
