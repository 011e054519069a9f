# node's pcsc-mini and @pokusew/pcsclite, and the Rust crate pcsc.
# long: yes
# seconds: 400
# incumbent: not
# needs: clients all
. /mnt/repo/tests/vm/guest/clients.sh
both bindings.sh host reset
[ "$(grep -c '^done$' ours.out)" = 2 ]
