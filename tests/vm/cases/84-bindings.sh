# node's pcsc-mini and @pokusew/pcsclite, the Rust crate pcsc, and gscriptor's menus.
# long: yes
# seconds: 400
# incumbent: not
# needs: clients all
. /mnt/repo/tests/vm/guest/clients.sh
both bindings.sh host reset
[ "$(grep -c '^done$' ours.out)" = 2 ]
[ "$(grep -c '^Script was executed without error' ours.out)" = 3 ]
