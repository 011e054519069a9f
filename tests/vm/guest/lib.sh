# What a case may use. A case is a bash script: any command that fails fails it.
# LIB     ours: this library, no daemon; incumbent: the system's libpcsclite and pcscd
# MODE    path: found by LD_LIBRARY_PATH; preload: by LD_PRELOAD
# BIN     the compiled programs of tests/vm/programs and examples
set -eEuo pipefail
trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: failed: $BASH_COMMAND" >&2' ERR
shopt -s inherit_errexit
[ -z "${WINSCARD_VM_TRACE:-}" ] || { exec 19>&2 && BASH_XTRACEFD=19 PS4='+$EPOCHREALTIME ' && set -x; }

NAME='Gemalto Gemplus USB SmartCard Reader 433-Swap \[CCID Interface\] \(1-[0-9a-f:.]+-1\) 00 00'
ATR='3b:68:00:00:77:69:6e:73:63:61:72:64'

# How many times longer than usual something may take.
PATIENCE=${WINSCARD_VM_PATIENCE:-1}

# The words that put the library under test before a program: with_lib opensc-tool -l
case $LIB:$MODE in
  incumbent:*) library=() ;;
  ours:path) library=("LD_LIBRARY_PATH=$LIBDIR") ;;
  ours:preload) library=("LD_PRELOAD=$LIBDIR/libpcsclite.so.1") ;;
esac
with_lib() { timeout $((120 * PATIENCE)) env "${library[@]}" "$@"; }

# Kernel modules, unless they are there: load_modules NAME…
load_modules() {
  local module
  for module; do
    [ -d "/sys/module/${module//-/_}" ] || insmod "/run/modules/$module.ko"
  done
}

# Shows what a program printed and fails unless the pattern (extended regular expression) is in it: output_has PATTERN FILE
output_has() {
  grep -qE -- "$1" "$2" || { echo "expected /$1/ in the output:"; tail -25 "$2"; return 1; }
}

# Repeats a test until it holds: within SECONDS COMMAND…
within() {
  local deadline=$((SECONDS + $1 * PATIENCE))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "did not happen in time: $*"; return 1; }
    sleep 0.1
  done
}

# Fails unless every line in which outputs of the two libraries differ is explained: compare DIFFERENCES OURS THEIRS [OURS THEIRS…]
# DIFFERENCES has a regular expression a line, for lines "ours: …" and "pcscd: …"; each has to explain something.
compare() {
  local explained=$1 pattern
  shift
  : >found
  while (($#)); do
    diff "$1" "$2" | sed -n 's/^< /ours: /p; s/^> /pcscd: /p' >>found || true
    shift 2
  done
  grep -vE '^(#|$)' "$explained" >expected || true
  grep -vEf expected found >unexpected || true
  [ ! -s unexpected ] || { echo "differences that nobody explained:"; head -100 unexpected; return 1; }
  while IFS= read -r pattern; do
    grep -qE -- "$pattern" found || { echo "no longer a difference: $pattern"; return 1; }
  done <expected
  echo "$(wc -l <found) lines differ as explained"
}

# Whether the program of that name has been in the same call to the kernel for half a second: it waits. (No exchange with these readers takes so long.)
asleep() {
  local process before now
  process=$(pgrep -x "$1") && read -r before <"/proc/$process/syscall" && sleep 0.5 && read -r now <"/proc/$process/syscall" &&
    [ "$now" = "$before" ] && [ "$now" != running ]
}

no_daemon() {
  local file name
  for file in /proc/[0-9]*/comm; do
    if read -r name 2>/dev/null <"$file" && [ "$name" = pcscd ]; then
      echo "a pcscd runs: $file"
      return 1
    fi
  done
  [ ! -e /run/pcscd/pcscd.comm ]
}

[ "$LIB" = incumbent ] || no_daemon

# A copy of the running system that may be changed at will and is gone with the case: in_copy COMMAND… runs in it, devices and /run are the real ones.
COPY=/tmp/copy
in_copy() {
  if ! mountpoint -q "$COPY"; then
    mkdir -p "$COPY" /tmp/changes
    mount -t tmpfs changes /tmp/changes
    mkdir /tmp/changes/{upper,work}
    mount -t overlay copy -o "lowerdir=/,upperdir=/tmp/changes/upper,workdir=/tmp/changes/work" "$COPY"
    for folder in dev proc sys run mnt; do mount --rbind "/$folder" "$COPY/$folder"; done
    mount -t tmpfs tmpfs "$COPY/tmp"
    trap 'umount -l "$COPY" /tmp/changes' EXIT
  fi
  timeout 240 chroot "$COPY" env -u LIB -u LIBDIR -u BIN -u MODE "$@"
}
