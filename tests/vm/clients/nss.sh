# SPDX-License-Identifier: MIT OR Apache-2.0
# NSS, the library with which Firefox and Chromium use PKCS #11 modules, by its own tools: module loaded, token and certificate listed, a message signed by the
# card's key. Prints what two libraries have to print alike.
module=$(echo /usr/lib/*/opensc-pkcs11.so)
. "$CLIENTS/piv_certificate.sh"
echo 123456 >pin
mkdir db
certutil -N -d sql:db --empty-password
certutil -A -d sql:db -n issuer -t CT,C,C -i issuer-certificate.pem
modutil -dbdir sql:db -force -add OpenSC -libfile "$module" 2>&1 | grep -v '^$'
"${run[@]}" modutil -dbdir sql:db -list OpenSC 2>&1 | grep -E 'slot|token|Slot Name|Token (Name|Model|Manufacturer)'
"${run[@]}" certutil -d sql:db -L -h all -f pin 2>&1 | grep -v '^$'
"${run[@]}" certutil -d sql:db -K -h tester -f pin 2>&1 | sed -E 's/[0-9a-f]{40}//'
echo text >text
name=$("${run[@]}" certutil -d sql:db -L -h all -f pin 2>/dev/null | sed -nE 's/^(tester:.*[^ ]) +[a-zA-Z,]+ *$/\1/p' | head -n 1)
"${run[@]}" cmsutil -S -d sql:db -N "$name" -Y NONE -f pin -G -i text -o text.p7 2>&1
openssl cms -verify -inform DER -in text.p7 -CAfile issuer-certificate.pem 2>&1 | tr -d '\r'
