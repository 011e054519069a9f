# SPDX-License-Identifier: MIT OR Apache-2.0
# A PIV card in the hands of yubico-piv-tool and OpenSC: keys and a certificate made, then everything pkcs11-tool can do with them, p11tool, and ssh with
# the card's key. Prints what two libraries have to print alike. Needs `run` (the words before each program) and a card fresh from the factory.
module=$(echo /usr/lib/*/opensc-pkcs11.so)
. "$CLIENTS/piv_management.sh"
# What is different for every key: bytes of keys and signatures.
plain() { sed -E 's/ +$//; s/ object [0-9]+$/ object/; /EC_POINT|^ +(04|[0-9a-f]{2})[:0-9a-f]*$|modulus|Fingerprint|SHA|serial|MD:guid/d; s/uri: .*//'; }
p11() { "${run[@]}" pkcs11-tool --module "$module" "$@"; }

echo "== yubico-piv-tool"
# The token answers SELECT without Le with 61xx, as ISO 7816-4 has it for T=0; this tool knows Yubico's answer only and says so.
"${run[@]}" yubico-piv-tool -r Nitrokey -a status 2>&1
echo "== piv-tool"
"${run[@]}" piv-tool -r 0 -n 2>&1
# Its RSA key: OpenSC 0.23 built with OpenSSL 3 ends with "unable to gen RSA", whoever carries the bytes.
"${run[@]}" piv-tool -r 0 -A M:9B:03 -G 9A:07 -o rsa.pem 2>&1 | plain
echo
echo "== a key on the card, by pyscard"
. "$CLIENTS/piv_certificate.sh"
# One more, for the exchange of keys.
"${run[@]}" /usr/bin/python3 "$CLIENTS/piv_key.py" 9D exchange.pem 2>&1
openssl x509 -new -force_pubkey exchange.pem -key issuer.pem -subj /CN=exchange -days 9 -out exchange-certificate.pem 2>&1
"${run[@]}" piv-tool -r 0 -A M:9B:03 -C 9D -i exchange-certificate.pem 2>&1
echo "== opensc-explorer, pkcs15-tool"
printf '%s\n' 'cat 0005' quit | "${run[@]}" opensc-explorer -r 0 2>&1 | sed -n 1,3p
"${run[@]}" pkcs15-tool -r 0 --list-certificates --list-keys --list-pins 2>&1 | plain
"${run[@]}" pkcs15-tool -r 0 --read-certificate 01 2>&1 | openssl x509 -noout -subject 2>&1 | head -n 1
echo "== pkcs11-tool"
p11 --list-slots 2>&1 | plain
p11 --list-objects --login --pin 123456 2>&1 | plain
p11 --list-mechanisms 2>&1
p11 --login --pin 999999 --list-objects 2>&1 | tail -n 2
p11 --login --pin 123456 --sign --id 01 -m ECDSA-SHA256 --signature-format openssl -i "$PIV_EXT_AUTH_KEY" -o signature 2>&1 | plain
openssl dgst -sha256 -verify public.pem -signature signature "$PIV_EXT_AUTH_KEY" 2>&1 | head -n 1
# What decryption is with keys of this kind: a secret that the other side's key and this one's have in common.
openssl ecparam -name prime256v1 -genkey -noout -out other.pem
openssl pkey -in other.pem -pubout -outform DER -out other.der
p11 --login --pin 123456 --derive --id 03 -m ECDH1-COFACTOR-DERIVE -i other.der -o secret 2>&1 | plain
openssl pkeyutl -derive -inkey other.pem -peerkey exchange.pem -out expected
cmp secret expected && echo "the same secret"
p11 --login --pin 123456 --test 2>&1 | plain
echo "== p11tool"
"${run[@]}" p11tool --provider "$module" --list-all-certs 2>&1 | grep -E 'Type|Label' | plain
GNUTLS_PIN=123456 "${run[@]}" p11tool --provider "$module" --login --list-privkeys 2>&1 | grep -E 'Type|Label|Flags' | plain
echo "== ssh-keygen, ssh-add, ssh"
"${run[@]}" ssh-keygen -D "$module" >ssh.pub 2>ssh.log || cat ssh.log
cut -d' ' -f1 ssh.pub
printf '#!/bin/sh\necho 123456\n' >askpass
chmod +x askpass
export SSH_ASKPASS=$PWD/askpass SSH_ASKPASS_REQUIRE=force SSH_AUTH_SOCK=$PWD/agent
# Debian has it setgid, so that the loader takes no LD_LIBRARY_PATH: a library that is installed is found, one that is put in front is not.
cp /usr/bin/ssh-agent .
"${run[@]}" ./ssh-agent -a "$SSH_AUTH_SOCK" >/dev/null
ssh-add -s "$module" 2>&1 | sed 's/:.*//'
ssh-add -L | cut -d' ' -f1,3
echo text >text
head -n 1 ssh.pub >card.pub
ssh-keygen -Y sign -f card.pub -n test text 2>&1 | head -n 1
sed 's/^/tester /' card.pub >signers
ssh-keygen -Y verify -f signers -I tester -n test -s text.sig <text 2>&1 | sed 's/SHA256:.*//'
ssh-add -e "$module" 2>&1 | sed 's/:.*//'
pkill -x ssh-agent || true
# A server of this session's own, which lets in who has the card's key.
ssh-keygen -q -t ed25519 -N '' -f host
printf '%s\n' "HostKey $PWD/host" "AuthorizedKeysFile $PWD/card.pub" 'StrictModes no' 'UsePAM no' 'PermitRootLogin yes' 'PasswordAuthentication no' "PidFile $PWD/sshd.pid" >sshd_config
mkdir -p /run/sshd
/usr/sbin/sshd -f "$PWD/sshd_config" -p 2222 -E sshd.log
env -u SSH_AUTH_SOCK "${run[@]}" ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PKCS11Provider="$module" -p 2222 root@127.0.0.1 echo in 2>ssh.log || tail -n 3 ssh.log
kill "$(cat sshd.pid)"
