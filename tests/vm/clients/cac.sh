# SPDX-License-Identifier: MIT OR Apache-2.0
module=$(echo /usr/lib/*/opensc-pkcs11.so)
echo "== opensc-tool"
"${run[@]}" timeout 60 opensc-tool -r 0 -a -n 2>&1
echo "== pkcs11-tool"
"${run[@]}" timeout 100 pkcs11-tool --module "$module" -L 2>&1 | sed -E '/serial/d'
"${run[@]}" timeout 100 pkcs11-tool --module "$module" -O 2>&1 | sed -E '/serial|uri|modulus|ID:|unique/d; s/ object [0-9]+$/ object/'
"${run[@]}" timeout 100 pkcs11-tool --module "$module" --login --pin 1234 -O --type privkey 2>&1 | sed -E '/serial|uri|ID:/d'
echo "== RSA"
id=$("${run[@]}" timeout 100 pkcs11-tool --module "$module" --login --pin 1234 -O --type privkey 2>/dev/null | sed -n 's/^ *ID: *//p' | head -n 1)
"${run[@]}" timeout 100 pkcs11-tool --module "$module" --read-object --type cert --id "$id" -o certificate.der 2>&1 | grep -v '^Using'
openssl x509 -inform DER -in certificate.der -noout -pubkey >public.pem
echo text >text
"${run[@]}" timeout 100 pkcs11-tool --module "$module" --login --pin 1234 --sign --id "$id" -m SHA256-RSA-PKCS -i text -o signature 2>&1 | grep -v '^Using'
openssl dgst -sha256 -verify public.pem -signature signature text 2>&1
openssl pkeyutl -encrypt -pubin -inkey public.pem -in text -out secret
"${run[@]}" timeout 100 pkcs11-tool --module "$module" --login --pin 1234 --decrypt --id "$id" -m RSA-PKCS -i secret -o decrypted 2>&1 | grep -v '^Using'
cmp text decrypted && echo "decrypted"
