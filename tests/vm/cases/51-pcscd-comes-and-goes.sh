# pcscd comes or goes while we hold handles or wait: who has the reader keeps it, the other gets a clear error, and nobody has to begin anew.
# seconds: 180
# incumbent: not
say() { # AGENT LINE…: has an agent make a call
  echo "${*:2}" >&"${in[$1]}"
}
hear() { # AGENT SECONDS: the result, in $heard
  read -r -t "$2" -u "${out[$1]}" heard || { echo "agent $1: nothing within $2 s"; return 1; }
}
gives() { # AGENT CALL PATTERN: has it made and checks what it comes to
  say "$1" "$2"
  hear "$1" 20
  [[ $heard =~ ^$3$ ]] || { echo "agent $1: $2 gave $heard, not $3"; return 1; }
}
declare -A in out pid
start() { # AGENT: a process with a context that knows the reader
  mkfifo "in.$1" "out.$1"
  env "${library[@]}" WINSCARD_LOG=warn "$BIN/agent" <"in.$1" >"out.$1" 2>>log &
  pid[$1]=$!
  exec {fd}>"in.$1" && in[$1]=$fd
  exec {fd}<"out.$1" && out[$1]=$fd
  gives "$1" establish 0
  gives "$1" list '0 [^|]+'
  gives "$1" "use ${heard#0 }" '0 .*'
}
pcscd_starts() {
  pcscd -f >pcscd.log 2>&1 &
  within 20 test -S /run/pcscd/pcscd.comm
}
pcscd_has_it() { within 20 eval "opensc-tool -a | grep -q '$ATR'"; }
pcscd_ends() { # SIGNAL
  pkill "-$1" -x pcscd
  within 20 eval '! pgrep -x pcscd'
  rm -rf /run/pcscd
}
APDU='transmit 00C0000002' GOOD='0 00019000'

echo 'It comes while one of us holds a handle, and another waits for the card'
start a
start b
gives a 'connect 2 3' '0 1'
gives a "$APDU" "$GOOD"
gives b 'change 0 0' '0 .*'
say b change 60000 "$(printf %x $((0x${heard#0 } & ~2)))"
pcscd_starts
sleep 2
gives a "$APDU" "$GOOD"
gives a 'begin' 0
gives a "$APDU" "$GOOD"
gives a 'end 0' 0
host card remove
hear b 20
[[ $heard =~ ^0\ [0-9A-F]*12$ ]] || { echo "the waiting one heard $heard"; false; }
host card insert
gives a 'status' '80100069.*'
gives a 'reconnect 2 3 0' '0 1'
gives a "$APDU" "$GOOD"

echo 'It gets the reader when we have left it, and is not disturbed; who holds a handle or waits gets clear errors'
start c
gives c 'connect 2 3' '0 1'
gives c "$APDU" "$GOOD"
kill -9 "${pid[c]}"
pcscd_ends TERM
pcscd_starts
pcscd_has_it
gives a "$APDU" '8010000B.*'
gives b 'connect 2 3' '8010000B.*'
gives b 'change 0 0' '0 .*'
say b change 60000 "$(printf %x $((0x${heard#0 } & ~2)))"
sleep 1
opensc-tool -a | grep -q "$ATR"

echo 'It goes, or is killed with the card powered: the waiting one hears it, and who held a handle is told of a reset'
pcscd_ends KILL
hear b 20
[[ $heard =~ ^0\ [0-9A-F]*[2A]2$ ]] || { echo "the waiting one heard $heard"; false; }
gives a "$APDU" '8010006[89].*'
gives a 'reconnect 2 3 0' '0 1'
gives a "$APDU" "$GOOD"
gives b 'connect 2 3' '0 1'
gives b "$APDU" "$GOOD"
grep -q pcscd log
