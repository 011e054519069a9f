# SPDX-License-Identifier: MIT OR Apache-2.0
# OpenSC with QEMU's emulated CAC: three certificates and RSA keys, a signature, a decryption, pkcs11-tool's own tests.
module=$(echo /usr/lib/*/opensc-pkcs11.so)
# Now and then QEMU's card leaves a command lying until the next one comes: its thread (handle_apdu_thread) waits to be woken without looking whether there is
# something to do. Seen once in a hundred programs on a busy machine. Then the program is started anew.
p11() {
  local try
  for try in 1 2 3; do
    "${run[@]}" timeout 40 pkcs11-tool --module "$module" "$@" >tool.out 2>&1
    [ $? = 124 ] || break
  done
  cat tool.out
}
echo "== opensc-tool"
"${run[@]}" timeout 60 opensc-tool -r 0 -a -n 2>&1
echo "== pkcs11-tool"
p11 -L | sed -E '/serial/d'
p11 -O | sed -E '/serial|uri|modulus|ID:|unique/d; s/ object [0-9]+$/ object/'
p11 --login --pin 1234 -O --type privkey >keys
sed -E '/serial|uri|ID:/d' keys
p11 --login --pin 1234 --test
echo "== RSA"
id=$(sed -n 's/^ *ID: *//p' keys | head -n 1)
p11 --read-object --type cert --id "$id" -o certificate.der | grep -v '^Using'
openssl x509 -inform DER -in certificate.der -noout -pubkey >public.pem
echo text >text
p11 --login --pin 1234 --sign --id "$id" -m SHA256-RSA-PKCS -i text -o signature | grep -v '^Using'
openssl dgst -sha256 -verify public.pem -signature signature text 2>&1
openssl pkeyutl -encrypt -pubin -inkey public.pem -in text -out secret
p11 --login --pin 1234 --decrypt --id "$id" -m RSA-PKCS -i secret -o decrypted | grep -v '^Using'
cmp text decrypted && echo "decrypted"
