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
"${run[@]}" pcsc_scan -n >scan.log 2>&1 &
scan=$!
(
  objects=0
  for round in 1 2 3 4 5; do
    "${run[@]}" pkcs11-tool --module "$module" --login --pin 123456 --list-objects >objects.log 2>&1 && grep -q 'Key History Object' objects.log && objects=$((objects + 1))
  done
  echo "$objects sessions" >objects
) &
sessions=$!
echo text >text
good=0
for round in 1 2 3 4 5 6 7 8 9 10; do
  gpg --batch --yes --detach-sign text 2>sign.log && gpg --verify text.sig text 2>verify.log && grep -q GOODSIG verify.log && good=$((good + 1))
done
echo "$good signatures"
wait "$sessions"
cat objects
kill "$scan"
grep -c 'Card removed' scan.log
gpgconf --kill all
