# SPDX-License-Identifier: MIT OR Apache-2.0
# Sourced by sessions: GnuPG with a home of its own, and its agent running. $1: an option more for scdaemon, $2: one for the agent.
export GNUPGHOME=$PWD/gnupg
mkdir -m 700 "$GNUPGHOME"
printf '%s\n' disable-ccid "log-file $PWD/scdaemon.log" "$1" >"$GNUPGHOME/scdaemon.conf"
printf '%s\n' "pinentry-program $CLIENTS/pinentry" "$2" >"$GNUPGHOME/gpg-agent.conf"
# The agent starts scdaemon, so it has to be started with the library.
"${run[@]}" gpg-agent --daemon >agent.log 2>&1 || true
gpg() { "${run[@]}" gpg --no-tty --status-fd 2 --trust-model always "$@"; }
# card [--expert] WORD…: what somebody types at gpg --card-edit.
card() {
  local expert=()
  [ "$1" != --expert ] || { expert=(--expert); shift; }
  printf '%s\n' "$@" | gpg "${expert[@]}" --command-fd 0 --card-edit >>card.log 2>&1
}
