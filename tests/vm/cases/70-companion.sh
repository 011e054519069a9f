# The command-line companion on a real reader: list, send, reset, watch, doctor, run and trace with opensc-tool; the capture of a trace holds the
# bytes that the kernel saw on the bus, and Wireshark's dissector for CCID reads it.
# seconds: 600
# incumbent: not
tool() { timeout 120 "$BIN/winscard" "$@"; }
library=$LIBDIR/libpcsclite.so.1

tool list >out
output_has "^0 $NAME\$" out
output_has 'USB 08e6:4433 firmware' out
output_has 'historical +77 69 6E 73 63 61 72 64 "winscard"' out
tool --json >out
python3 -c 'import json; reader = json.load(open("out"))["readers"][0]; assert reader["card"]["atr"] == "3B68000077696E7363617264" and reader["device"]["vendor"] == "08e6", reader'
tool send 00A4000C023F00 >out
output_has '^< 90 00 +success$' out
tool reset --cold >out
output_has '3B 68 00 00 77' out

# A program keeps the card: who it is.
{ echo 00A4000C023F00; sleep 30; } | tool send --exclusive - >held 2>&1 &
within 20 grep -q '90 00' held
tool list >out
output_has 'used exclusively' out
output_has 'used by +winscard \(process [0-9]+\)$' out
pkill -x winscard
within 20 eval '! pgrep -x winscard'

tool watch --json >watched 2>&1 &
within 20 grep -q '"card there"' watched
host card remove
within 20 grep -q '"card taken out"' watched
host card insert
within 20 grep -q '"card put in"' watched
pkill -INT -x winscard
within 20 eval '! pgrep -x winscard'

tool doctor >out || { cat out; false; }
output_has '^good .*works, and so does the card in it$' out
! tool doctor -- opensc-tool >out
output_has '^problem .*opensc-tool .*, which is not this library$' out
# Permission: another user, and a group that has it.
node=$(tool --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["readers"][0]["device"]["node"])')
! timeout 120 setpriv --reuid 65534 --regid 65534 --clear-groups "$BIN/winscard" doctor >out
output_has "^problem .*you may not open $node " out
output_has 'SUBSYSTEM=="usb"' out
chgrp plugdev "$node" && chmod 660 "$node"
! timeout 120 setpriv --reuid 65534 --regid 65534 --clear-groups "$BIN/winscard" doctor >out
output_has 'usermod -aG plugdev' out
timeout 120 setpriv --reuid 65534 --regid 65534 --groups plugdev "$BIN/winscard" list >out
output_has "^0 $NAME\$" out
chgrp root "$node" && chmod 664 "$node"
# The record directory.
mount -o remount,ro /dev/shm
! tool doctor >out
mount -o remount,rw /dev/shm
output_has '^problem .*/dev/shm: .*ead-only' out

# A program that knows nothing of this, by each way; the kernel's own record of the bus beside it.
for way in preload path; do
  tool run --library "$library" --by "$way" -- opensc-tool -a >out 2>&1
  output_has "^$ATR\$" out
done
load_modules usbmon
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null || true
cat /sys/kernel/debug/usb/usbmon/0u >bus &
monitor=$!
tool trace --library "$library" --json -o lines --pcap usb.pcapng --plot time.svg -- opensc-tool -s 00A4000C023F00 -s 0020000104 >out 2>&1 || { cat out; false; }
sleep 1
kill "$monitor"
tool trace --read lines --usb >text
output_has 'SCardTransmit\(card 0x' text
output_has '  > 00 A4 00 0C 02 3F 00  SELECT$' text
output_has '>> XfrBlock 6F ' text
python3 -c 'import xml.dom.minidom; assert "SCardTransmit" in xml.dom.minidom.parse("time.svg").toxml()'
# Each message to the reader, once: what the library says it sent, what the kernel saw, and what the dissector makes of it.
sed -nE 's/.*"kind":"out".*"data":"([0-9A-F]{20}).*/\1/p' lines | tr A-F a-f >told
awk '$3 == "S" && $4 ~ /^Bo:/ && $7 == "=" { print substr($8 $9 $10, 1, 20) }' bus >seen
[ "$(wc -l <told)" -ge 5 ]
diff told seen
export HOME=/tmp
tshark -r usb.pcapng -Y "usbccid.bMessageType && usb.urb_type == 'S'" -T fields -e usbccid.bMessageType -e usbccid.bSlot -e usbccid.bSeq 2>shark.log >dissected || { cat shark.log; false; }
python3 - <<'END'
told = [bytes.fromhex(line) for line in open("told")]
number = lambda text: int(text, 0)
seen = [tuple(map(number, line.split())) for line in open("dissected")]
assert seen == [(message[0], message[5], message[6]) for message in told], (seen[:3], told[:3])
END
tshark -r usb.pcapng -Y 'usbccid.bMessageType == 0x80' -V 2>/dev/null >out
output_has 'Message Type: RDR_to_PC_DataBlock \(0x80\)' out

# pcscd takes the reader: named, with what to do; and its socket.
pcscd -f >/tmp/pcscd.log 2>&1 &
within 20 test -S /run/pcscd/pcscd.comm
within 20 eval "opensc-tool -a | grep -q '$ATR'"
! tool doctor --json >out
python3 -c 'import json; found = {f["id"]: f for f in json.load(open("out"))["findings"]}; held = found["held"]; assert "pcscd (process" in held["text"] and any("systemctl stop pcscd" in r for r in held["remedy"]) and "pcscd" in found, found'
tool list >out
output_has 'used by +pcscd \(process [0-9]+\), which does not share$' out
