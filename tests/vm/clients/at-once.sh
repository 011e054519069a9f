# SPDX-License-Identifier: MIT OR Apache-2.0
# GnuPG, OpenSC's PKCS #11 module and pcsc_scan on one reader at the same time. scdaemon shares the card (pcsc-shared), as the others do.
export GNUPGHOME=$PWD/gnupg
mkdir -m 700 "$GNUPGHOME"
printf '%s\n' disable-ccid pcsc-shared >"$GNUPGHOME/scdaemon.conf"
printf '%s\n' "pinentry-program $CLIENTS/pinentry" >"$GNUPGHOME/gpg-agent.conf"
"${run[@]}" gpg-agent --daemon >agent.log 2>&1 || true
gpg() { "${run[@]}" gpg --no-tty --status-fd 2 --trust-model always "$@"; }
card() { printf '%s\n' "$@" | gpg --command-fd 0 --card-edit >>card.log 2>&1; }
card admin key-attr 2 1 2 1 2 1 quit
card admin generate n 0 y Tester tester@example.org '' O quit
module=$(echo /usr/lib/*/opensc-pkcs11.so)
# The sessions use the application that GnuPG uses: scdaemon 2.2 does not notice that somebody else has selected another one.
printf '%s\n' 'app default {' '  card_drivers = openpgp;' '}' >opensc.conf
"${run[@]}" pcsc_scan -n >scan.log 2>&1 &
scan=$!
(
  objects=0
  for round in 1 2 3 4; do
    OPENSC_CONF=$PWD/opensc.conf "${run[@]}" pkcs11-tool --module "$module" --login --pin 123456 --list-objects >"objects.$round.log" 2>&1 &&
      grep -q 'Private Key Object' "objects.$round.log" && objects=$((objects + 1))
  done
  echo "$objects sessions" >objects
) &
sessions=$!
echo text >text
# Between scdaemon's VERIFY and its signature somebody else may select the application anew, which takes the PIN away: GnuPG makes no transaction of the
# two. Then it is signed once more.
good=0 tries=0
while [ "$good" -lt 4 ] && [ "$tries" -lt 16 ]; do
  tries=$((tries + 1))
  gpg --batch --yes --detach-sign text 2>>sign.log && gpg --verify text.sig text 2>verify.log && grep -q GOODSIG verify.log && good=$((good + 1))
done
wait "$sessions"
echo "$good signatures"
cat objects
echo "$tries tries" >&3
kill "$scan"
grep -c 'Card removed' scan.log
gpgconf --kill all
