# The Debian packages: installed, programs work without pcscd; removed, they work with pcscd again; and in place of the distribution's.
# seconds: 900
# long: yes
# incumbent: not
cp /mnt/work/debs/*.deb /run/
export DEBIAN_FRONTEND=noninteractive
package() { in_copy dpkg "$@" >log 2>&1 || { cat log; return 1; }; }
# What opensc, pcsc-tools and gpg's card daemon (without its own driver) see.
programs() {
  in_copy opensc-tool -a >out 2>&1 || { cat out; return 1; }
  output_has "^$ATR\$" out
  in_copy timeout 20 pcsc_scan -n -c >out 2>&1 || [ $? = 124 ]
  output_has 'ATR: 3B 68' out
  # A card that is none of gpg's still has an ATR.
  printf 'SERIALNO undefined\nAPDU --atr\nBYE\n' | in_copy env HOME=/tmp /usr/lib/gnupg/scdaemon --server --disable-ccid >out 2>&1
  output_has '^S CARD-ATR 3[Bb]68000077696[Ee]73' out
}

package -i /run/winscard_*.deb
in_copy ldconfig -p >log
output_has 'libpcsclite.so.1 .*/winscard/libpcsclite.so.1' log
programs
no_daemon

package -r winscard
in_copy ldconfig -p >log
! grep -q '/winscard/' log
in_copy pcscd -f >/tmp/pcscd.log 2>&1 &
within 20 test -S /run/pcscd/pcscd.comm
within 20 in_copy opensc-tool -a
programs
pkill -x pcscd
within 20 eval '! pgrep -x pcscd'
rm -rf /run/pcscd
package -P winscard
! in_copy test -e /etc/ld.so.conf.d/00-winscard.conf

# The library under the distribution's own name, in place of its package; and the headers in place of libpcsclite-dev.
# The daemon asks for its very own version of the library, and so has to go.
package -r --force-depends pcscd
package -i --auto-deconfigure /run/*.deb
in_copy dpkg --audit >log
[ ! -s log ] || { cat log; false; }
! in_copy test -e /usr/lib/x86_64-linux-gnu/libpcsclite.so.1.0.0
in_copy opensc-tool -a >out 2>&1
output_has "^$ATR\$" out
in_copy bash -c 'cc -o /tmp/first_light /mnt/repo/examples/first_light.c $(pkg-config --cflags --libs libpcsclite)'
in_copy /tmp/first_light list >out
output_has "^$NAME\$" out
