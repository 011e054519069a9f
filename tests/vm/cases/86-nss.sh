# NSS, as browsers use it, with opensc-pkcs11 and a PIV card: module, token, certificate, signature.
# long: yes
# seconds: 700
# incumbent: not
# needs: clients all
. /mnt/repo/tests/vm/guest/clients.sh
both nss.sh token
output_has '^tester:Certificate' ours.out
output_has 'CMS Verification successful' ours.out
