# SPDX-License-Identifier: MIT OR Apache-2.0
# Sourced by sessions: a key in slot 9A of a PIV card, made there, and a certificate of it; certificate.pem and public.pem.
export PIV_EXT_AUTH_KEY=$PWD/management.key
printf '\1\2\3\4\5\6\7\10%.0s' 1 2 3 >"$PIV_EXT_AUTH_KEY"
"${run[@]}" /usr/bin/python3 "$CLIENTS/piv_key.py" 9A public.pem 2>&1
openssl ecparam -name prime256v1 -genkey -noout -out issuer.pem
openssl x509 -new -force_pubkey public.pem -key issuer.pem -subj /CN=tester -days 9 -out certificate.pem
"${run[@]}" piv-tool -r 0 -A M:9B:03 -C 9A -i certificate.pem 2>&1
