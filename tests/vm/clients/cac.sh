# SPDX-License-Identifier: MIT OR Apache-2.0
module=$(echo /usr/lib/*/opensc-pkcs11.so)
echo "== opensc-tool"
"${run[@]}" timeout 60 opensc-tool -r 0 -a -n 2>&1
echo "== pkcs11-tool"
"${run[@]}" timeout 100 pkcs11-tool --module "$module" -L 2>&1 | sed -E '/serial/d'
"${run[@]}" timeout 100 pkcs11-tool --module "$module" -O 2>&1 | sed -E '/serial|uri|modulus|ID:|unique/d; s/ object [0-9]+$/ object/'
"${run[@]}" timeout 100 pkcs11-tool --module "$module" --login --pin 1234 -O --type privkey 2>&1 | sed -E '/serial|uri|ID:/d'
