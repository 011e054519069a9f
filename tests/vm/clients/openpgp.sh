# SPDX-License-Identifier: MIT OR Apache-2.0
# An OpenPGP card in the hands of GnuPG: everything scdaemon does with it. Prints what two libraries have to print alike.
# Needs `run` (the words before each program) and a card fresh from the factory.
. "$CLIENTS/gnupg.sh" '' enable-ssh-support
echo "== status"
gpg --card-status 2>status.log | sed -E 's/ +$//'
echo "== keys of Curve 25519, made on the card"
card admin key-attr 2 1 2 1 2 1 quit
card admin generate n 0 y Tester tester@example.org '' O quit
gpg --card-status 2>>status.log | grep -E '^(Key attributes|Signature counter|PIN retry)' | sed -E 's/ +$//'
[ "$(gpg --card-status 2>>status.log | grep -cE '^(Signature|Encryption|Authentication) key ?\.*: ([0-9A-F]{4} ){5}')" = 3 ] && echo "three keys"
echo "== sign"
echo text >text
gpg --batch --yes --detach-sign text 2>sign.log && gpg --verify text.sig text 2>verify.log && grep -c GOODSIG verify.log
echo "== decrypt"
gpg --batch --yes -r tester@example.org -e text 2>>sign.log && gpg --batch -d text.gpg 2>decrypt.log | cmp - text && grep -c DECRYPTION_OKAY decrypt.log
echo "== authenticate"
SSH_AUTH_SOCK=$(gpgconf --list-dirs agent-ssh-socket)
export SSH_AUTH_SOCK
ssh-add -L >key.pub
cut -d' ' -f1 key.pub
cp text login
ssh-keygen -Y sign -f key.pub -n test login 2>>sign.log
sed 's/^/tester /' key.pub >signers
ssh-keygen -Y verify -f signers -I tester -n test -s login.sig <login 2>&1 | sed -E 's/SHA256:.*//'
echo "== PIN"
gpgconf --kill gpg-agent scdaemon
NEW_PIN=654321 "${run[@]}" gpg-agent --daemon >>agent.log 2>&1 || true
card passwd quit
gpgconf --kill gpg-agent scdaemon
USER_PIN=654321 "${run[@]}" gpg-agent --daemon >>agent.log 2>&1 || true
gpg --batch --yes --detach-sign text 2>sign.log && gpg --verify text.sig text 2>verify.log && grep -c GOODSIG verify.log
gpg --card-status 2>>status.log | grep -E '^(PIN retry|Signature counter)'
gpgconf --kill all
