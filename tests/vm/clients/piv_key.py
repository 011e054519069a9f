# SPDX-License-Identifier: MIT OR Apache-2.0
"""Has a PIV card make an elliptic-curve key (NIST SP 800-73-4 part 2, 3.3.2) through pyscard: piv_key.py SLOT FILE. OpenSC 0.23's piv-tool cannot: with
OpenSSL 3 it refuses every key of this kind ("invalid curve")."""
import subprocess
import sys

from smartcard.System import readers

MANAGEMENT_KEY = bytes(range(1, 9)) * 3
P256 = 0x11
# SubjectPublicKeyInfo of an uncompressed point on P-256, up to the point.
DER = bytes.fromhex("3059301306072A8648CE3D020106082A8648CE3D030107034200")


def encrypted(block):
    command = ["openssl", "enc", "-des-ede3", "-nopad", "-K", MANAGEMENT_KEY.hex()]
    return subprocess.run(command, input=block, stdout=subprocess.PIPE, check=True).stdout


connection = readers()[0].createConnection()
connection.connect()


def send(name, header, data, expected=0x9000):
    answer, sw1, sw2 = connection.transmit([*header, len(data), *data, 0])
    while sw1 == 0x61:
        more, sw1, sw2 = connection.transmit([0, 0xC0, 0, 0, sw2])
        answer += more
    print(f"{name}: {sw1:02X}{sw2:02X}")
    assert sw1 << 8 | sw2 == expected
    return bytes(answer)


slot, path = int(sys.argv[1], 16), sys.argv[2]
send("SELECT", (0, 0xA4, 4, 0), bytes.fromhex("A000000308000010000100"))
challenge = send("challenge", (0, 0x87, 3, 0x9B), b"\x7c\x02\x81\x00")
assert challenge[:4] == b"\x7c\x0a\x81\x08", challenge.hex()
send("authentication", (0, 0x87, 3, 0x9B), b"\x7c\x0a\x82\x08" + encrypted(challenge[4:]))
key = send("key", (0, 0x47, 0, slot), bytes((0xAC, 3, 0x80, 1, P256)))
point = key[key.index(b"\x86\x41") + 2 :]
assert len(point) == 65 and point[0] == 4, key.hex()
with open("key.der", "wb") as file:
    file.write(DER + point)
subprocess.run(["openssl", "pkey", "-pubin", "-inform", "DER", "-in", "key.der", "-out", path], check=True)
connection.disconnect()
