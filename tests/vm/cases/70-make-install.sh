# make install: beside the distribution's library, used by nobody; activate: by everybody; uninstall: as if it had never been.
# seconds: 900
# long: yes
# incumbent: not
built=/run/built
mkdir -p "$built"
cp "$LIBDIR/libpcsclite.so.1" "$built/libwinscard.so"
cp "$BIN/winscard" "$built/winscard"
make=(make -s -C /mnt/repo "RELEASE=$built")
# What differs from the system as it was: the copy keeps that in a place of its own. A file that was removed counts, as a device 0:0.
listing() { (cd /tmp/changes/upper && find . ! -type d ! -name ld.so.cache ! -name aux-cache ! -path './var/*' ! -path './root/*'); }
first() { in_copy ldconfig -p | sed -n 's/.*libpcsclite\.so\.1 (.*) => //p' | awk 'NR == 1'; }
in_copy true
in_copy "${make[@]}" install-library install-dev install-program install-system
in_copy test -e /usr/local/lib/winscard/libpcsclite.so.1
[ "$(listing | wc -l)" -gt 10 ]
in_copy ldconfig
[ "$(first)" = /lib/x86_64-linux-gnu/libpcsclite.so.1 ] || [ "$(first)" = /usr/lib/x86_64-linux-gnu/libpcsclite.so.1 ]

# A program is built as its build system does it.
in_copy bash -c 'cc -o /tmp/first_light /mnt/repo/examples/first_light.c $(pkg-config --cflags --libs libpcsclite)'
in_copy env LD_LIBRARY_PATH=/usr/local/lib/winscard /tmp/first_light list >out
output_has "^$NAME\$" out
in_copy /usr/local/bin/winscard --help >out
output_has 'sim' out

in_copy "${make[@]}" activate
[ "$(first)" = /usr/local/lib/winscard/libpcsclite.so.1 ]
in_copy opensc-tool -a >out 2>&1
output_has "^$ATR\$" out
in_copy /tmp/first_light list >out
output_has "^$NAME\$" out
no_daemon

in_copy "${make[@]}" deactivate
[ "$(first)" != /usr/local/lib/winscard/libpcsclite.so.1 ]
in_copy "${make[@]}" activate uninstall
left=$(listing)
[ -z "$left" ] || { echo "left behind:"; echo "$left"; false; }
