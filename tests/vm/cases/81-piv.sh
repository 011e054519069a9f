# yubico-piv-tool, OpenSC's tools, p11tool, ssh-add and ssh with a PIV card nobody here wrote: key and certificate made, listed, PIN, signatures, login.
# long: yes
# seconds: 1200
# incumbent: not
# needs: clients
. /mnt/repo/tests/vm/guest/clients.sh
both piv.sh token
output_has '^Verified OK$' ours.out
output_has '^Good "test" signature for tester' ours.out
output_has '^in$' ours.out
