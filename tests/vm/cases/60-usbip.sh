# Software readers of every kind on the kernel's bus (USB/IP), driven by the library through usbfs; then by pcscd, which has to see the same bytes.
# seconds: 360
# incumbent: not
devices=(
  vid=0x0db5,pid=0x0184,level=extended,max-message=1024
  vid=0x072f,pid=0xb000,level=short,card=t1
  vid=0x072f,pid=0x90cc,level=tpdu,card=t0
  vid=0x1c34,pid=0xafc0,level=extended,slots=2,busy=1,max-message=65554
  vid=0x09c3,pid=0x0013,level=tpdu,card=t1
  vid=0x0416,pid=0x3815,level=character,card=t0
  vid=0x0416,pid=0x3815,level=character,card=t1
  vid=0x0db5,pid=0x0180,level=extended+vid=0x0db5,pid=0x0180,level=short,card=t0
)
host reader unplug
load_modules usbip-core vhci-hcd
"$BIN/winscard" sim --listen "$PWD/sim" --usbip "${devices[@]}" 2>server.log &
sim() { "$BIN/winscard" sim --control "$PWD/sim" "$@"; }
within 10 sim readers
# The second slot of the fourth device.
sim "insert 3 1 t0"
usbip list -r 127.0.0.1 >list
output_has '1-8: .*0db5:0180' list

attach() {
  # The tool gives up when it looks while the kernel is adding the device before.
  for number in $(seq "${#devices[@]}"); do within 20 usbip attach -r 127.0.0.1 -b "1-$number"; done
  udevadm settle --timeout=20
  within 20 eval '[ "$(cat /sys/bus/usb/devices/*/idVendor | grep -cE "^(0db5|072f|1c34|09c3|0416)$")" = '"${#devices[@]}"' ]'
  within 20 eval '[ "$(cat /sys/bus/usb/devices/*/bInterfaceClass | grep -c "^0b$")" = 9 ]'
}
attach
cat /sys/bus/usb/devices/*/product || true

# The ATR and some APDUs at every reader, as opensc-tool prints them, into session.NUMBER.
session() {
  "$@" opensc-tool -l >readers 2>&1 || { cat readers; return 1; }
  cat readers
  [ "$(grep -cE '^[0-9]+ +Yes' readers)" = 10 ] || return 1
  for number in {0..9}; do
    "$@" opensc-tool -r "$number" -a -s 00A4000C023F00 -s 00A40000020001 -s 00B0000000 -s 00B0010040 -s 8012004000 -s 801200C800 \
      -s 80120000101122334455667788990011223344556600 >"session.$number" 2>&1 </dev/null || { echo "reader $number:"; cat "session.$number"; return 1; }
    output_has '^3b:' "session.$number"
    [ "$(grep -c 'SW1=0x90, SW2=0x00' "session.$number")" -ge 5 ] || { cat "session.$number"; return 1; }
  done
}
session with_lib

# A card that comes is heard by who waits for it: the interrupt endpoint.
sim "remove 0"
with_lib opensc-tool -r 0 -w -s 00A4000C023F00 >waited 2>&1 &
waiting=$!
within 20 grep -q '^Waiting for a card' waited
within 20 asleep opensc-tool
sim "insert 0"
wait "$waiting" || { cat waited; false; }
output_has 'SW1=0x90, SW2=0x00' waited

# What goes wrong on the bus is put right: halts of either endpoint, empty packets, an answer that never comes.
for fault in stall-in@xfr stall-out@xfr zlp-before@xfr 'missing-zlp@xfr*3' silence@status; do
  sim "inject 1 $fault"
  with_lib opensc-tool -r 1 -s 8012004000 -s 8012003600 >faulty 2>&1 || { echo "$fault:"; cat faulty; false; }
  output_has 'SW1=0x90, SW2=0x00' faulty
  sim "clear 1"
done
sim "counters 1" >counters
output_has '^clear_halts [1-9]' counters

# A device that leaves the bus, and comes back.
sim "unplug 2"
within 20 eval '! grep -qx 90cc /sys/bus/usb/devices/*/idProduct'
with_lib opensc-tool -l >readers 2>&1
[ "$(grep -cE '^[0-9]+ +Yes' readers)" = 9 ] || { cat readers; false; }
sim "plug 2"
within 20 usbip attach -r 127.0.0.1 -b 1-3
within 20 eval 'grep -qx 90cc /sys/bus/usb/devices/*/idProduct'
udevadm settle --timeout=20
within 20 eval 'with_lib opensc-tool -l | grep -q 38U'

# The same bytes through pcscd and libccid.
mkdir ours && mv session.* ours
pcscd -f >/tmp/pcscd.log 2>&1 &
within 20 test -S /run/pcscd/pcscd.comm
within 20 eval '[ "$(opensc-tool -l | grep -cE "^[0-9]+ +Yes")" = 10 ]'
session timeout 120 || { tail -20 /tmp/pcscd.log; false; }
for number in {0..9}; do
  diff "ours/session.$number" "session.$number"
done
