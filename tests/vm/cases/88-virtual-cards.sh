# Cards that nobody here wrote behind readers without hardware: QEMU's emulated CAC (libcacard) behind its CCID reader, beside pcscd; and vsmartcard's vicc
# behind this library's software reader.
# long: yes
# seconds: 900
# incumbent: not
# needs: clients all
. /mnt/repo/tests/vm/guest/clients.sh
cac() {
  host reader unplug
  host emulated unplug
  rm -rf /mnt/work/nss
  mkdir /mnt/work/nss
  certutil -N -d sql:/mnt/work/nss --empty-password
  head -c 64 /dev/urandom >noise
  for name in id-cert signing-cert encryption-cert; do
    certutil -S -d sql:/mnt/work/nss -s "CN=$name" -n "$name" -x -t CT,CT,CT -g 2048 -m "$RANDOM" -z noise >/dev/null 2>&1
  done
  host emulated plug nss id-cert signing-cert encryption-cert
  within 30 eval 'grep -qsx 0b /sys/bus/usb/devices/*/bInterfaceClass'
  udevadm settle --timeout=20
}
# pcscd loses the card: libccid 1.5.2 says "Not enough data received: 0 bytes" to its long answers ("Unsupported card" at opensc-tool).
COMPARE=no both cac.sh cac
host emulated unplug
output_has 'Common Access Card \(CAC\)' ours.out
[ "$(grep -c '^Certificate Object' ours.out)" = 3 ]
[ "$(grep -c "^Private Key Object" ours.out)" = 3 ]
output_has '^Verified OK$' ours.out
output_has '^decrypted$' ours.out

# Debian's package puts its modules where no Python looks, and looks for those of PyCryptodome by another name than Debian's.
mkdir modules
ln -s /usr/lib/python3/dist-packages/Cryptodome modules/Crypto
# And it wants to know its own address in the world, of which there is none here.
ip route add local 8.8.8.8 dev lo
PYTHONPATH=$PWD/modules:/usr/lib/python3/site-packages/virtualsmartcard vicc --type iso7816 --reversed --port 35963 >vicc.log 2>&1 &
within 30 eval 'ss -ltn | grep -q :35963'
WINSCARD_SIM=builtin:card=vicc/35963 with_lib opensc-tool -a -s 00A4000C023F00 >out
output_has '^3b' out
output_has 'SW1=0x90, SW2=0x00' out
