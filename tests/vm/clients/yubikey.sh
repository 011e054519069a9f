# SPDX-License-Identifier: MIT OR Apache-2.0
# Programs that speak only to a reader with Yubico's name, with the token under that name. It is no YubiKey, and they find out; they list, open and select.
echo "== ykman"
"${run[@]}" timeout 100 ykman --version 2>&1
"${run[@]}" timeout 100 ykman list --readers 2>&1
"${run[@]}" timeout 100 ykman --reader Yubico info 2>&1
"${run[@]}" timeout 100 ykman --reader Yubico openpgp info 2>&1
"${run[@]}" timeout 100 ykman --reader Yubico piv info 2>&1
echo "== age-plugin-yubikey"
"${run[@]}" timeout 60 "$BIN/age-plugin-yubikey" --list-all </dev/null 2>&1
echo "== yubico-piv-tool"
"${run[@]}" timeout 60 yubico-piv-tool -a status 2>&1
