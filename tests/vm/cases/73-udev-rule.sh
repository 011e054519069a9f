# The udev rule: the reader's node belongs to the group, and to whoever sits at the machine (systemd's uaccess tag); strangers cannot lock it.
# incumbent: not
rule=/run/udev/rules.d/70-winscard.rules
node() { local device; device=$(grep -l 08e6 /sys/bus/usb/devices/*/idVendor); device=${device%/idVendor}; printf '/dev/bus/usb/%03d/%03d' "$(cat "$device/busnum")" "$(cat "$device/devnum")"; }
mkdir -p "${rule%/*}"
cp /mnt/repo/contrib/udev/70-winscard.rules "$rule"
udevadm control --reload
host reader unplug
host reader plug
udevadm settle --timeout=20
within 20 eval '[ -e "$(node)" ]'
[ "$(stat -c '%G %a' "$(node)")" = 'plugdev 660' ] || { stat "$(node)"; false; }
udevadm info "$(node)" >log
output_has 'TAGS=.*:uaccess:' log
output_has 'ID_SMARTCARD_READER=1' log
# A member of the group uses the reader, another user does not see it and is told why.
as() { setpriv --reuid=65534 --regid=65534 --groups "$1" env HOME=/tmp "${library[@]}" WINSCARD_LOG=warn "${@:2}"; }
as "$(getent group plugdev | cut -d: -f3)" "$BIN/connect" >out 2>&1 || { cat out; false; }
output_has 'APDU answered' out
! as 65534 opensc-tool -l >out 2>&1 || output_has 'No smart card readers found' out
output_has "$(node)" out
rm "$rule"
udevadm control --reload
