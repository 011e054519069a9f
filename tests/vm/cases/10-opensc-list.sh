# opensc-tool lists the reader, by the name the incumbent gives it, with its card.
# modes: path preload
# incumbent: with pcscd
with_lib opensc-tool -l >out 2>&1
output_has "^0 +Yes .*$NAME\$" out
# The library under test, and no other, is in the process.
if [ "$LIB" = ours ]; then
  LD_DEBUG=libs with_lib opensc-tool -l >out 2>debug
  output_has "calling init: $LIBDIR/libpcsclite.so.1" debug
  ! grep -E 'calling init: /(usr/)?lib/.*libpcsclite' debug
  no_daemon
fi
