# ykman, age-plugin-yubikey and yubico-piv-tool, which speak to readers with Yubico's name only: the token bears it here.
# long: yes
# seconds: 700
# incumbent: not
# needs: clients all
. /mnt/repo/tests/vm/guest/clients.sh
export TOKEN_LIKE=yubikey
both yubikey.sh token
output_has 'Yubico YubiKey' ours.out
