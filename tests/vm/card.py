#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""A T=0 smart card behind QEMU's ccid-card-passthru.

Card is the card itself: bytes of a command TPDU in, data and status word out (ISO 7816-3 section 10, ISO 7816-4).
Socket presents it to QEMU over the VSCard protocol (QEMU's docs/specs/ccid or libcacard's vscard_common.h).
"""
import os
import socket
import struct
import subprocess
import threading
import time

DEFAULT_ATR = bytes.fromhex("3B68000077696E7363617264")  # T=0, historical bytes "winscard"


class Card:
    """What the programs of the suite talk to.

    00 A4 P1 P2 Lc file    SELECT: 3F00, 0001, 0002 or the name "winscard"; else 6A82
    00 B0 P1 P2 Le         READ BINARY of the selected file
    00 84 00 00 Le         GET CHALLENGE
    00 20 00 P2 Lc pin     VERIFY: the PIN is 1234, anything else gives 63C3
    00 C0 00 00 Le         GET RESPONSE: what is waiting, else Le counting bytes 00 01 02 …
    80 EC 00 00 Lc data    keep data: 61 Lc, and GET RESPONSE gives it back (two commands that belong into one transaction)
    80 EE P1 P2 Le         Le bytes made of P1 and P2 (one command that shows whose answer came back)
    """

    FILES = {
        b"\x3f\x00": b"",
        b"\x00\x01": b"First light: this text is in the elementary file 0001.\n",
        b"\x00\x02": bytes(range(256)) * 8,
        b"winscard": b"",
    }

    def __init__(self):
        self.reset()

    def reset(self):
        self.file = b""
        self.waiting = b""

    def command(self, tpdu):
        """Answers one command TPDU; anything is answered, nothing raises."""
        if len(tpdu) < 4:
            return b"\x67\x00"
        if len(tpdu) == 4:
            tpdu += b"\x00"
        ins, p1, p2, p3, data = tpdu[1], tpdu[2], tpdu[3], tpdu[4], tpdu[5:]
        waiting, self.waiting = self.waiting, b""
        le = p3 or 256
        if data and len(data) != p3:
            return b"\x67\x00"
        if ins == 0xC0:
            answer = waiting if waiting else bytes(i & 0xFF for i in range(le))
            return answer[:le] + b"\x90\x00" if le <= len(answer) else struct.pack("BB", 0x6C, len(answer))
        if ins == 0xA4:
            name = data if data else b"\x3f\x00"
            if name not in self.FILES:
                return b"\x6a\x82"
            self.file = self.FILES[name]
            return b"\x90\x00"
        if ins == 0xB0:
            offset = (p1 & 0x7F) << 8 | p2
            if not self.file:
                return b"\x69\x86"
            if offset >= len(self.file):
                return b"\x6b\x00"
            answer = self.file[offset : offset + le]
            return answer + (b"\x90\x00" if len(answer) == le or p3 == 0 else b"\x62\x82")
        if ins == 0x84:
            return os.urandom(le) + b"\x90\x00"
        if ins == 0x20:
            return b"\x90\x00" if data == b"1234" else b"\x63\xc3"
        if ins == 0xEC and data:
            self.waiting = data
            return struct.pack("BB", 0x61, len(data))
        if ins == 0xEE:
            return (bytes((p1, p2)) * le)[:le] + b"\x90\x00"
        return b"\x6d\x00"


class Socket:
    """One card slot of QEMU: connects to the chardev's Unix socket and serves a Card from a thread of its own.

    `program`, if there is one, answers the commands instead: it gets the connection as its standard input.
    """

    INIT, READER_ADD, ATR, CARD_REMOVE, APDU = 1, 3, 5, 6, 7

    def __init__(self, path, atr=DEFAULT_ATR, program=None):
        self.path, self.atr, self.inserted, self.program = path, atr, True, program
        self.card = Card()
        self.stream = None

    def connect(self):
        """The reader was plugged: introduces itself and, unless the card is out, the card."""
        stream = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            try:
                stream.connect(self.path)
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise OSError(f"no VSCard socket at {self.path}")
        self.stream = stream
        self.card.reset()
        self._send(self.INIT, struct.pack(">III", 0x56534344, 2, 0), 0xFFFFFFFF)
        self._send(self.READER_ADD)
        if self.inserted:
            self._send(self.ATR, self.atr)
        if self.program:
            subprocess.Popen([self.program], stdin=stream)  # ends with the connection
        else:
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def close(self):
        """The reader was unplugged."""
        if self.stream:
            self.stream.shutdown(socket.SHUT_RDWR)
            self.stream = None

    def insert(self, atr=None):
        self.atr = atr or self.atr
        self.inserted = True
        self.card.reset()
        if self.stream:
            self._send(self.ATR, self.atr)

    def remove(self):
        self.inserted = False
        if self.stream:
            self._send(self.CARD_REMOVE)

    def _send(self, kind, data=b"", reader=0):
        self.stream.sendall(struct.pack(">III", kind, reader, len(data)) + data)

    def _serve(self, stream):
        def receive(length):
            data = b""
            while len(data) < length:
                part = stream.recv(length - len(data))
                if not part:
                    raise EOFError
                data += part
            return data

        try:
            while True:
                kind, reader, length = struct.unpack(">III", receive(12))
                data = receive(length)
                if kind == self.APDU:
                    answer = self.card.command(data)
                    stream.sendall(struct.pack(">III", self.APDU, reader, len(answer)) + answer)
        except (OSError, EOFError):
            stream.close()
