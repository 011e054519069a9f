#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes the seed corpora: fuzz/seeds.py DIRECTORY

From tests/data/ccid_readers.csv (every interface anybody has looked at) and from the byte strings that the tests have in
them. What they are tried as needs a few bytes before them; see each target in fuzz/src."""

import csv
import hashlib
import pathlib
import re
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = "usb_descriptors ccid_descriptor exchange atr t1 t0 interrupt pin record names database device".split()

# Every kind of entry, and what makes one wrong.
DATABASES = [
    b'[reader "Counter"]\ndevice = "Reader 00 00"\ngroup = "SCard$DefaultReaders"\ngroup = "Ground \\"floor\\""\nforgotten = yes\n',
    b'[card "Staff card"]\natr = 3B 12 00 AA 00\nmask = FF FF 00 FF 00\nprimary = {ABCDEF00-ABCD-1234-AABB-CCDDAABBCCDD}\n'
    b'interface = {00000001-ABCD-1234-AABB-CCDDAABBCCDD}\nprovider 2 = "Name"\n',
    b'# note\n[card "Staff card"]\natr = 3B6\n[card "STAFF CARD"]\nmask = FF\n[odd]\nx = 1\n[other]\n[reader "Counter"]\r\n\xff',
]


def literals(*patterns):
    """Byte strings of three bytes and more in the sources that match."""
    found = set()
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            for body in re.findall(r"\[((?:\s*(?:0x[0-9A-Fa-f]{1,2}|\d{1,3})\s*,?){2,})\]", path.read_text()):
                numbers = [int(word, 0) for word in re.findall(r"0x[0-9A-Fa-f]+|\d+", body)]
                if len(numbers) >= 2 and max(numbers) < 256:
                    found.add(bytes(numbers))
    return sorted(found)


def readers():
    """Number, class descriptor and what else identifies it, of each row."""
    with open(ROOT / "tests/data/ccid_readers.csv", newline="") as file:
        for row in csv.DictReader(file):
            decimal = lambda name: int(row[name])
            base16 = lambda name: int(row[name], 16)
            release = int(row["bcdDevice"].replace(".", ""), 16)
            descriptor = struct.pack(
                "<BBHBBIIIBIIBIIIIIBBHBB", 54, base16("ccid_dtype"), int(row["bcdCCID"].replace(".", ""), 16),
                decimal("bMaxSlotIndex"), base16("bVoltageSupport"), base16("dwProtocols"), decimal("dwDefaultClock_kHz"),
                decimal("dwMaximumClock_kHz"), decimal("bNumClockSupported"), decimal("dwDataRate"), decimal("dwMaxDataRate"),
                decimal("bNumDataRatesSupported"), decimal("dwMaxIFSD"), 0, base16("dwMechanical"), base16("dwFeatures"),
                decimal("dwMaxCCIDMessageLength"), 0xFF, 0xFF, base16("wLcdLayout"), base16("bPINSupport"),
                decimal("bMaxCCIDBusySlots"))
            yield row, release, descriptor


def usb(row, release, descriptor):
    """Device and configuration descriptor of a device with this interface."""
    count = int(row["endpoints"])
    endpoints = [bytes([7, 5, 0x02, 2, 64, 0, 0]), bytes([7, 5, 0x81, 2, 64, 0, 0])] if count >= 2 else []
    if count % 2:
        endpoints.append(bytes([7, 5, 0x83, 3, 8, 0, 16]))
    interface = bytes([9, 4, int(row["iface"]), 0, len(endpoints), int(row["class"], 16), 0, int(row["protocol"]), 4])
    body = interface + descriptor + b"".join(endpoints)
    configuration = struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), 1, 1, 0, 0x80, 50)
    device = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x200, 0, 0, 0, 64, int(row["vid"], 16), int(row["pid"], 16), release,
                         1, 2, 3, 1)
    return device + configuration + body


def corpora():
    atrs = literals("src/iso7816/*.rs", "tests/protocol/*.rs", "tests/support/*.rs", "src/sim/*.rs")
    for row, release, descriptor in readers():
        identity = struct.pack("<HHH", int(row["vid"], 16), int(row["pid"], 16), release)
        yield "ccid_descriptor", identity + bytes([int(row["class"], 16), int(row["protocol"])]) + descriptor
        yield "usb_descriptors", b"\0" + usb(row, release, descriptor)
        level = [bit for bit in (2, 1, 0) if int(row["dwFeatures"], 16) >> 16 & 7 == 1 << bit]
        head = bytes([int(row["bMaxSlotIndex"]) & 3, 7, 0]) + struct.pack("<H", int(row["dwMaxIFSD"]) & 0xFFFF)
        head += bytes([1 + level[0] if level else 0]) + struct.pack("<H", int(row["dwFeatures"], 16) & 0xFFF) + b"\0\0" + identity[:4]
        calls = bytes([5, 0, 0, 0, 1, 0, 0, 4, 0, 9, 6, 0, 9, 12, 0, 9, 3, 0, 0])
        answers = bytes([0x7F, 0x7C, 4, 0x3B, 0, 0x90, 0]) * 8
        yield "exchange", head + calls + answers
        yield "device", bytes([0, 0, len(descriptor)]) + descriptor + calls + answers
    for path in sorted((ROOT / "src/usb").rglob("tests.rs")) + sorted((ROOT / "src/ccid/tests").glob("*.rs")):
        for data in literals(str(path.relative_to(ROOT))):
            yield "usb_descriptors", b"\0" + data
            yield "exchange", bytes(20) + b"\x05" + bytes(range(18)) + data
    for data in atrs:
        yield "atr", struct.pack("<II", 4000, 344086) + b"\0\x11\0" + data
        yield "t1", bytes([0, 254, 254, 254, 9, 0, 200, 2, 3, len(data) % 256]) + data
        yield "t0", bytes([5, 0, 0xB0, 0, 0, 3, 200, 0]) + b"".join(b"\xFF" + bytes([byte]) for byte in data)
        yield "pin", b"\x03" + data
    for data in literals("src/iso7816/t1/tests/*.rs"):
        yield "t1", bytes([0, 32, 32, 254, 40, 0, 80, 2]) + b"".join([bytes([3, len(data)]) + data] * 3)
    for data in literals("src/ccid/tests/pin.rs", "src/ccid/tests/secure.rs", "tests/control.rs", "src/ccid/tests/message.rs",
                         "src/ccid/*.rs"):
        for how in range(5):
            yield "pin", bytes([how]) + data
        yield "interrupt", b"\x02\0" + data
    for purpose, fixed in ((0, 19), (1, 24)):
        yield "pin", bytes([purpose]) + bytes([30, 30, 0x82, 4, 0] + [1] * (fixed - 9)) + struct.pack("<I", 13) + bytes(13)
    for slots in (1, 4, 16, 256):
        yield "interrupt", struct.pack("<H", slots) + b"\x50" + b"\x03" * -(-slots // 4) + b"\x51\0\0\1"
    for state in range(8):
        slot = struct.pack("<QBBBBI4I2Q", 0, state, 1 << state % 2, 13, 0, 7, 9, 100, 99, 98, 10**6, 10**6)
        yield "record", b"\x01\x60\0\0\0" + slot + struct.pack("<I", 1000) + b"\x02" + bytes(27) + bytes([0x3B] * 13)
    yield "record", b"\x01\0\0\0\0" + b"WSCR\x02\0\0\0" + bytes(8) + bytes([1, 0, 7, 0, 9, 0, 0, 0])
    yield "record", b"\x01\0\0\0\0winscard-1-4-6-2f3-0-00"
    for text in DATABASES:
        yield "database", bytes([13]) + bytes.fromhex("3B68000077696E7363617264") + b"\0" + text
    for names in ([b"ACS", b"ACR38U-CCID"], [b"Yubico", b"YubiKey OTP+FIDO+CCID", b"\x08\x03A\0B\0C\0", b"CCID"],
                  ["Gemalto é".encode(), b"\x1b[2J\xff\n", b"\x04\x03\x00\xd8", b"x" * 130, b" ext", b"ACS:x"]):
        strings = b"".join(bytes([len(name)]) + name for name in names)
        yield "names", bytes([0xE6, 0x08, 0x37, 0x34, 0, 0, (1 << len(names)) - 1]) + strings
        yield "names", bytes([0x12, 0x09, 1, 0, 255, 255, (1 << len(names)) - 1]) + strings


def main():
    place = pathlib.Path(sys.argv[1])
    for target in TARGETS:
        (place / target).mkdir(parents=True, exist_ok=True)
    for target, data in corpora():
        (place / target / hashlib.sha1(data).hexdigest()).write_bytes(data)


main()
