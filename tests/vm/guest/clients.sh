# For cases with people's programs: a session is run against this library without pcscd, then against pcscd, and the outputs have to be the same.
# Sourced by such cases after lib.sh. A session is a bash file that finds in `run` the words to be put before a program, in OURS whether it is this
# library's turn, and prints what has to agree; files it makes are its folder's.
CLIENTS=${CLIENTS:-/mnt/repo/tests/vm/clients}
export CLIENTS

# The token of tests/vm/token on the bus, fresh from the factory, and no other reader.
token() {
  host reader unplug
  load_modules usbip-core vhci-hcd
  # The one before leaves the bus with its server.
  pkill -x token || true
  within 30 eval '! grep -qsxE "20a0|1050" /sys/bus/usb/devices/*/idVendor'
  "$BIN/token" 2>"$PWD/token.log" &
  within 30 usbip attach -r 127.0.0.1 -b 1-1
  within 30 eval 'grep -qsx 0b /sys/bus/usb/devices/*/bInterfaceClass'
  udevadm settle --timeout=20
}

start_pcscd() {
  pcscd -f >/tmp/pcscd.log 2>&1 &
  within 20 test -S /run/pcscd/pcscd.comm
  within 30 eval 'opensc-tool -l | grep -qE "^[0-9]+ +Yes"'
}

stop_pcscd() {
  pkill -x pcscd || true
  within 20 eval '! pgrep -x pcscd'
  rm -rf /run/pcscd
}

# both SESSION [PREPARATION…]: the preparation before each turn. COMPARE=no where the incumbent is known to fail: the outputs may differ.
both() {
  local session=$1 turn output OURS
  shift
  for turn in ours theirs; do
    mkdir "$turn"
    (($# == 0)) || "$@"
    if [ "$turn" = ours ]; then
      run=(env "${library[@]}") OURS=yes
      no_daemon
    else
      start_pcscd
      run=(env) OURS=
    fi
    # Where it can be read while it runs.
    output=/mnt/work/out/${session%.sh}.$turn.out
    (
      trap - ERR
      set +eE +o pipefail
      cd "$turn" && . "$CLIENTS/$session"
    ) >"$output" 2>&1 || echo "the session's last command: $?" >>"$output"
    cp "$output" "$turn.out"
    [ "$turn" = ours ] || stop_pcscd
  done
  cat ours.out
  diff -a ours.out theirs.out || [ "${COMPARE:-yes}" = no ]
}
