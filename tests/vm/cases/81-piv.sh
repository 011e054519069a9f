# yubico-piv-tool, OpenSC's tools, p11tool, ssh-add and ssh with a PIV card nobody here wrote: keys and certificates made, listed, PIN, signatures, a secret
# derived, login.
# long: yes
# seconds: 1200
# incumbent: not
# needs: clients
. /mnt/repo/tests/vm/guest/clients.sh
both piv.sh token
output_has '^Verified OK$' ours.out
output_has '^the same secret$' ours.out
output_has '^Good "test" signature for tester' ours.out
output_has '^in$' ours.out
