# A container that is given the device node and nothing else: no /sys, no udev, no network, no daemon's socket.
# seconds: 120
# incumbent: not
device=$(grep -l 08e6 /sys/bus/usb/devices/*/idVendor)
device=${device%/idVendor}
node=$(printf '/dev/bus/usb/%03d/%03d' "$(cat "$device/busnum")" "$(cat "$device/devnum")")
container() {
  timeout 60 bwrap --unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin \
    --ro-bind /etc/opensc /etc/opensc --ro-bind "$LIBDIR" /library --ro-bind "$BIN" /programs --proc /proc --dev /dev --tmpfs /tmp \
    --dev-bind "$node" "$node" --setenv LD_LIBRARY_PATH /library "$@"
}
container ls /sys >log 2>&1 && { cat log; false; }
container opensc-tool -l -a >out 2>&1
output_has "^$ATR\$" out
container opensc-tool -s 00:A4:00:0C:02:00:01 -s 00:B0:00:00:10 >out 2>&1
output_has 'SW1=0x90, SW2=0x00' out

# With the records of the outside as well, both sides share the reader as any two processes do.
mkdir -p -m 1777 /run/winscard
with_lib "$BIN/traffic" 1 60 >outside 2>&1 &
outside=$!
container --bind /run/winscard /run/winscard /programs/traffic 2 60 >inside 2>&1 || { cat inside; false; }
wait "$outside" || { cat outside; false; }
rmdir /run/winscard 2>/dev/null || rm -rf /run/winscard
