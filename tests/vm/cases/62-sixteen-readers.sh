# Sixteen readers on the kernel's bus and several programs, each connected to all of them and busy with one. With WINSCARD_VM_LONG=1 there are 64
# programs (1024 handles), which takes minutes.
# seconds: 400
# incumbent: not
READERS=16 PROGRAMS=8
[ -z "${WINSCARD_VM_LONG:-}" ] || PROGRAMS=64
levels=(level=extended,max-message=1024 level=short,card=t1 level=tpdu,card=t0 level=tpdu,card=t1)
devices=()
for number in $(seq 0 $((READERS - 1))); do devices+=("${levels[number % 4]}"); done
host reader unplug
load_modules usbip-core vhci-hcd
"$BIN/winscard" sim --listen "$PWD/sim" --usbip "${devices[@]}" 2>server.log &
within 10 "$BIN/winscard" sim --control "$PWD/sim" readers
# The tool gives up when it looks while the kernel is adding the device before.
for number in $(seq $READERS); do within 20 usbip attach -r 127.0.0.1 -b "1-$number"; done
udevadm settle --timeout=20
within 60 eval '[ "$(with_lib opensc-tool -l | grep -cE "^[0-9]+ +Yes")" = '$READERS ']'
with_lib opensc-tool -l
[ "$(with_lib opensc-tool -l | grep -oE ' [0-9A-F]{2} 00$' | sort -u | wc -l)" = $READERS ]

mkfifo go
for number in $(seq $PROGRAMS); do with_lib "$BIN/crowd" "$number" $READERS 5 "$PWD/go" >"crowd.$number" 2>&1 & done
within 150 eval '[ "$(cat crowd.* | grep -c ready)" = '$PROGRAMS ']' || { cat crowd.* | sort | uniq -c; false; }
echo "ready after $SECONDS s"
exec 7>go
within 150 eval '[ "$(cat crowd.* | grep -c done)" = '$PROGRAMS ']' || { cat crowd.* | sort | uniq -c; false; }
echo "done after $SECONDS s"
! pgrep -x crowd
