# yubico-piv-tool, OpenSC's tools, p11tool and ssh with a PIV card nobody here wrote: keys and certificate made, listed, PIN, signatures, pkcs11-tool's test.
# long: yes
# seconds: 600
# incumbent: not
# needs: clients
. /mnt/repo/tests/vm/guest/clients.sh
both piv.sh token
output_has '^No errors$' ours.out
