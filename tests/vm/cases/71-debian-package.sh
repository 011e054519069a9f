# The Debian packages: installed, programs work without pcscd; removed, they work with pcscd again.
# seconds: 300
# incumbent: not
cp /mnt/work/debs/*.deb /run/
export DEBIAN_FRONTEND=noninteractive
# What gpg's card daemon sees, without its own driver.
scd() { printf 'GETINFO reader_list\nBYE\n' | in_copy env HOME=/tmp scdaemon --server --disable-ccid 2>&1; }

in_copy bash -c 'dpkg -i /run/winscard_*.deb' >log 2>&1
in_copy ldconfig -p >log
output_has 'libpcsclite.so.1 .*/winscard/libpcsclite.so.1' log
programs() {
  in_copy opensc-tool -a >out 2>&1
  output_has "^$ATR\$" out
  in_copy timeout 20 pcsc_scan -n -c >out 2>&1 || [ $? = 124 ]
  output_has 'ATR: 3B 68' out
  scd >out
  output_has "$NAME" out
}
programs
no_daemon

# The same under the distribution's own name, in place of its package.
in_copy bash -c 'dpkg -i --auto-deconfigure /run/libpcsclite1-winscard_*.deb' >log 2>&1 || { cat log; false; }
in_copy dpkg --audit >log
[ ! -s log ] || { cat log; false; }
! in_copy test -e /usr/lib/x86_64-linux-gnu/libpcsclite.so.1.0.0
in_copy opensc-tool -a >out 2>&1
output_has "^$ATR\$" out
# And programs are built with the package that is in place of libpcsclite-dev.
in_copy bash -c 'dpkg -i --auto-deconfigure /run/libwinscard-dev_*.deb' >log 2>&1 || { cat log; false; }
in_copy bash -c 'cc -o /tmp/first_light /mnt/repo/examples/first_light.c $(pkg-config --cflags --libs libpcsclite)'
in_copy /tmp/first_light list >out
output_has "^$NAME\$" out
umount -l "$COPY" /tmp/changes
trap - EXIT

# Anew, and removed.
in_copy bash -c 'dpkg -i /run/winscard_*.deb' >log 2>&1
programs
in_copy dpkg -r winscard >log 2>&1
in_copy ldconfig -p >log
! grep -q '/winscard/' log
in_copy pcscd -f >/tmp/pcscd.log 2>&1 &
within 20 test -S /run/pcscd/pcscd.comm
within 20 in_copy opensc-tool -a
programs
in_copy dpkg -P winscard >log 2>&1
! in_copy test -e /etc/ld.so.conf.d/00-winscard.conf
