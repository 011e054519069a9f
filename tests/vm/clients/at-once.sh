# SPDX-License-Identifier: MIT OR Apache-2.0
# GnuPG, a PKCS #11 session that lasts (ssh-agent with OpenSC's module) and pcsc_scan on one reader at the same time: both sign, ten times each, without waiting
# for each other. scdaemon shares the card (pcsc-shared), as the others do.
. "$CLIENTS/gnupg.sh" pcsc-shared ''
# Curve 25519 for GnuPG; P-256 for ssh, which knows no other curve in PKCS #11 modules.
card --expert admin key-attr 2 1 2 1 2 3 quit
card admin generate n 0 y Tester tester@example.org '' O quit
gpg --card-status 2>>card.log | grep '^Key attributes'
"${run[@]}" pcsc_scan -n >scan.log 2>&1 &
scan=$!

# The session begins once GnuPG is on the card: whoever selects the application takes away the PINs that others have verified, and both have their reasons to do
# so at their beginnings. It uses the application that GnuPG uses: scdaemon 2.2 does not notice that somebody has selected another one.
module=$(echo /usr/lib/*/opensc-pkcs11.so)
printf '%s\n' 'app default {' '  card_drivers = openpgp;' '}' >opensc.conf
printf '#!/bin/sh\necho 123456\n' >askpass
chmod +x askpass
export SSH_ASKPASS=$PWD/askpass SSH_ASKPASS_REQUIRE=force SSH_AUTH_SOCK=$PWD/agent
# Debian's is setgid: see piv.sh.
cp /usr/bin/ssh-agent .
OPENSC_CONF=$PWD/opensc.conf "${run[@]}" ./ssh-agent -a "$SSH_AUTH_SOCK" >/dev/null
ssh-add -s "$module" 2>&1 | sed 's/:.*//'
ssh-add -L | grep nistp256 | head -n 1 >card.pub
sed 's/^/tester /' card.pub >signers

echo text >text
cp text login
(
  good=0
  for round in {1..10}; do
    ssh-keygen -Y sign -f card.pub -n test login 2>>login.log && ssh-keygen -Y verify -f signers -I tester -n test -s login.sig <login >>login.log 2>&1 && good=$((good + 1))
    rm -f login.sig
  done
  echo "$good signatures by ssh-agent" >others
) &
session=$!
good=0
for round in {1..10}; do
  gpg --batch --yes --detach-sign text 2>>sign.log && gpg --verify text.sig text 2>verify.log && grep -q GOODSIG verify.log && good=$((good + 1))
  rm -f text.sig
done
wait "$session"
echo "$good signatures by gpg"
cat others
kill "$scan"
grep -c 'Card removed' scan.log
pkill -x ssh-agent
gpgconf --kill all
