# SPDX-License-Identifier: MIT OR Apache-2.0
# Sourced by sessions: a key in slot 9A of a PIV card, made there, and a certificate of it; certificate.pem and public.pem; issuer-certificate.pem vouches for it.
. "$CLIENTS/piv_management.sh"
"${run[@]}" /usr/bin/python3 "$CLIENTS/piv_key.py" 9A public.pem 2>&1
openssl ecparam -name prime256v1 -genkey -noout -out issuer.pem
openssl req -x509 -new -key issuer.pem -subj /CN=issuer -days 9 -out issuer-certificate.pem 2>&1
openssl x509 -new -force_pubkey public.pem -CA issuer-certificate.pem -CAkey issuer.pem -subj /CN=tester -days 9 -out certificate.pem 2>&1
"${run[@]}" piv-tool -r 0 -A M:9B:03 -C 9A -i certificate.pem 2>&1
