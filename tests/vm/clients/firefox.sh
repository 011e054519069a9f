# SPDX-License-Identifier: MIT OR Apache-2.0
# Firefox without a window, opensc-pkcs11 and a PIV card: the module is added, the token logged in to, and a TLS server's question for a certificate answered
# with the card's key. Prints what two libraries have to print alike.
. "$CLIENTS/piv_certificate.sh"
openssl req -x509 -newkey rsa:2048 -nodes -keyout authority.key -out authority.pem -subj /CN=authority -days 9 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout server.key -subj /CN=127.0.0.1 -out server.request 2>/dev/null
openssl x509 -req -in server.request -CA authority.pem -CAkey authority.key -CAcreateserial -days 9 -extfile <(echo subjectAltName=IP:127.0.0.1) -out server.pem 2>/dev/null
mkdir profile
certutil -N -d sql:profile --empty-password
certutil -A -d sql:profile -n authority -t CT,, -i authority.pem
# The tester's certificate has no issuer of its own; the server wants any certificate, with its key.
openssl s_server -accept 127.0.0.1:4433 -cert server.pem -key server.key -Verify 1 -verify_return_error -partial_chain -CAfile certificate.pem -www >server.log 2>&1 &
server=$!
"${run[@]}" /usr/bin/python3 "$CLIENTS/firefox.py" profile "$(echo /usr/lib/*/opensc-pkcs11.so)" 123456 https://127.0.0.1:4433/ 2>&1
kill "$server"
