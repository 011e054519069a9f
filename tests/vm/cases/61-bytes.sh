# Readers of every exchange level and kind on the kernel's bus: every observable result of a fixed list of calls (programs/bytes.c), with this
# library and with pcscd and libccid. Where they differ, 61-bytes.differences says so and why; anything else fails.
# seconds: 420
# incumbent: not
devices=(
  vid=0x0db5,pid=0x0184,level=extended,max-message=1024                                                          # extended APDUs
  vid=0x1cf0,pid=0x0001,level=extended,max-message=1024,interrupt=no,features=0x42,card=t1                       # without interrupt endpoint
  vid=0x072f,pid=0xb000,level=short,card=t1                                                                      # short APDUs
  vid=0x072f,pid=0x90cc,level=tpdu,card=t0                                                                       # TPDUs, T=0
  vid=0x04e6,pid=0x5116,level=tpdu,card=t1                                                                       # TPDUs, T=1
  vid=0x0416,pid=0x3815,level=character,card=t0                                                                  # characters, T=0
  vid=0x0416,pid=0x3815,level=character,card=t1                                                                  # characters, T=1
  vid=0x1c34,pid=0xafc0,level=extended,slots=2,busy=1,max-message=65554                                          # two slots
  vid=0x0db5,pid=0x0180,level=extended+vid=0x0db5,pid=0x0180,level=short,card=t0                                 # two interfaces
  vid=0x046a,pid=0x01a2,level=extended,pin=1234                                                                  # a PIN pad
  vid=0x0471,pid=0x040f,iccd=b,card=t1                                                                           # a token without bulk endpoints
)
READERS=13
host reader unplug
load_modules usbip-core vhci-hcd
sim() { "$BIN/winscard" sim --control "$PWD/sim" "$@"; }

# New devices with new cards. One after the other, because names carry the number in which readers were found, and a daemon that finds all at
# once numbers them in an order of its own.
plug() {
  local number slots=0
  rm -f sim
  "$BIN/winscard" sim --listen "$PWD/sim" --usbip "${devices[@]}" 2>server.log &
  server=$!
  within 10 sim readers
  sim "insert 7 1 t0"
  for number in $(seq "${#devices[@]}"); do
    usbip attach -r 127.0.0.1 -b "1-$number"
    case ${devices[number - 1]} in *slots=2* | *+*) slots=$((slots + 2)) ;; *) slots=$((slots + 1)) ;; esac
    within 20 "$@" "$BIN/bytes" "$slots" || { "$@" opensc-tool -l; tail -20 /tmp/pcscd.log; return 1; }
  done
}
gone() { ! grep -q '^0b$' /sys/bus/usb/devices/*/bInterfaceClass 2>/dev/null; }

plug with_lib
env "${library[@]}" "$BIN/bytes" >ours || { tail -3 ours; false; }
kill "$server"
within 20 gone
udevadm settle --timeout=20

# On a slow machine the incumbent now and then aborts in its libusb (usbi_mutex_destroy, as it stops listening): then it has a second turn.
incumbent() {
  pcscd -f >/tmp/pcscd.log 2>&1 &
  within 20 test -S /run/pcscd/pcscd.comm && plug env && "$BIN/bytes" >theirs
}
aborted() {
  grep 'Assertion.*failed' /tmp/pcscd.log && rm -rf /run/pcscd && kill "$server" && within 20 gone
}
incumbent || { aborted && incumbent; } || { tail -3 theirs; false; }
wc -l ours theirs
[ "$(grep -c 'select MF: 00000000' ours)" = $READERS ]
[ "$(grep -c 'verify PIN: 00000000 \[2\] 90 00' ours)" = 1 ]

# The daemon hears of two interfaces that come together in either order; which of them got the lower number shows in the ATR only.
by_card() { # FILE: the two readers named after their cards, in one order
  local only_t0
  only_t0=$(sed -nE 's/^(Access IS ATR220 0[89]) 00 \| state: .* \[17\] .*/\1/p' "$1" | head -n 1)
  [ -n "$only_t0" ] || return 1
  sed -E "s/$only_t0 00/ATR220 of T=0/g; s/Access IS ATR220 0[89] 00/ATR220 of both/g; s/^(ATR220 .*attribute 7FFF0001: 00000000 \[4\]) 0[89]/\1 08/; s/^(ATR220 .*attribute 7FFF000[3-7]: ).*/\1as its name/" "$1" |
    sort -s -t'|' -k1,1
}
by_card ours >ours.sorted
by_card theirs >theirs.sorted
cp ours theirs /mnt/work/out/
diff ours.sorted theirs.sorted | sed -n 's/^< /ours: /p; s/^> /pcscd: /p' >found || true
grep -vE '^(#|$)' "$CASES/61-bytes.differences" >expected
grep -vEf expected found >unexpected || true
[ ! -s unexpected ] || { echo "differences that nobody explained:"; head -60 unexpected; false; }
# An explanation that explains nothing any more is to be removed.
while IFS= read -r pattern; do
  grep -qE -- "$pattern" found || { echo "no longer a difference: $pattern"; false; }
done <expected
echo "$(wc -l <found) lines differ as explained"
