# A container that is given the device node and nothing else: no /sys, no udev, no network, no daemon's socket.
# seconds: 120
# incumbent: not
device=$(grep -l 08e6 /sys/bus/usb/devices/*/idVendor)
device=${device%/idVendor}
node=$(printf '/dev/bus/usb/%03d/%03d' "$(cat "$device/busnum")" "$(cat "$device/devnum")")
# container [-r] COMMAND…: in namespaces of its own, with a root of its own. -r: with the directory of the records.
root=$PWD/root
mkdir -p "$root"/{usr,proc,tmp,run,dev/bus/usb,etc/opensc,library,programs}
for folder in lib lib64 bin; do ln -s "usr/$folder" "$root/$folder"; done
container() {
  local records=
  [ "$1" != -r ] || { records=/run/winscard; shift; }
  timeout 60 unshare --mount --net --ipc --uts --pid --fork bash -c '
    set -e
    root=$1 node=$2 records=$3
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$root/dev"
    mkdir -p "$root/dev/shm" "$root/${node%/*}"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    touch "$root$node" "$root/dev/null"
    mount --bind "$node" "$root$node"
    mount --bind /dev/null "$root/dev/null"
    mount --bind -o ro /usr "$root/usr"
    mount --bind "$4" "$root/library"
    mount --bind "$5" "$root/programs"
    mount -t proc proc "$root/proc"
    [ -z "$records" ] || { mkdir -p "$root$records"; mount --bind "$records" "$root$records"; }
    exec chroot "$root" env LD_LIBRARY_PATH=/library "${@:6}"' container "$root" "$node" "$records" "$LIBDIR" "$BIN" "$@"
}
! container ls /sys >log 2>&1 || { cat log; false; }
container opensc-tool -l -a >out 2>&1
output_has "^$ATR\$" out
container opensc-tool -s 00:A4:00:0C:02:00:01 -s 00:B0:00:00:10 >out 2>&1
output_has 'SW1=0x90, SW2=0x00' out

# With the records of the outside as well, both sides share the reader as any two processes do.
mkdir -p -m 1777 /run/winscard
with_lib "$BIN/traffic" 1 60 >outside 2>&1 &
outside=$!
container -r /programs/traffic 2 60 >inside 2>&1 || { cat inside; false; }
wait "$outside" || { cat outside; false; }
rmdir /run/winscard 2>/dev/null || rm -rf /run/winscard
