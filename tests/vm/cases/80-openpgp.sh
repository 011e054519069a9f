# GnuPG with an OpenPGP card nobody here wrote: status, keys made on the card, sign, decrypt, authenticate (ssh), another PIN.
# long: yes
# seconds: 900
# incumbent: not
# needs: clients
. /mnt/repo/tests/vm/guest/clients.sh
both openpgp.sh token
output_has '^three keys$' ours.out
[ "$(grep -c '^1$' ours.out)" = 3 ]
output_has '^Good "test" signature for tester' ours.out
