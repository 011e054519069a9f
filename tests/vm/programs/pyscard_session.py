# SPDX-License-Identifier: MIT OR Apache-2.0
"""pyscard: listing, connecting, transmitting, once with its classes and once with its functions."""
from smartcard.scard import *
from smartcard.System import readers
from smartcard.util import toHexString

found = readers()
print(found)
assert len(found) == 1, found
connection = found[0].createConnection()
connection.connect()
print("ATR", toHexString(connection.getATR()))
data, sw1, sw2 = connection.transmit([0x00, 0xC0, 0x00, 0x00, 0x10])
print("answer", toHexString(data), "%02X%02X" % (sw1, sw2))
assert (data, sw1, sw2) == (list(range(16)), 0x90, 0)
for serial in range(100):
    data, sw1, sw2 = connection.transmit([0x80, 0xEE, 0x17, serial, 4])
    assert (data, sw1, sw2) == ([0x17, serial, 0x17, serial], 0x90, 0), (serial, data)
connection.disconnect()

hresult, context = SCardEstablishContext(SCARD_SCOPE_USER)
assert hresult == SCARD_S_SUCCESS
hresult, names = SCardListReaders(context, [])
assert hresult == SCARD_S_SUCCESS and names == [str(found[0])]
hresult, groups = SCardListReaderGroups(context)
assert hresult == SCARD_S_SUCCESS and len(groups) == 1, groups
hresult, card, protocol = SCardConnect(context, names[0], SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
assert hresult == SCARD_S_SUCCESS and protocol == SCARD_PROTOCOL_T0
hresult, _, again = SCardConnect(context, names[0], SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0)
assert hresult == SCARD_E_SHARING_VIOLATION, SCardGetErrorMessage(hresult)
hresult, name, state, protocol, atr = SCardStatus(card)
assert hresult == SCARD_S_SUCCESS and name == names[0] and toHexString(atr) == "3B 68 00 00 77 69 6E 73 63 61 72 64"
hresult, protocol = SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0, SCARD_UNPOWER_CARD)
assert hresult == SCARD_S_SUCCESS
hresult = SCardBeginTransaction(card)
assert hresult == SCARD_S_SUCCESS
hresult, answer = SCardTransmit(card, SCARD_PCI_T0, [0x00, 0xC0, 0x00, 0x00, 0x00])
assert hresult == SCARD_S_SUCCESS and answer == list(range(256)) + [0x90, 0x00]
hresult = SCardEndTransaction(card, SCARD_LEAVE_CARD)
assert hresult == SCARD_S_SUCCESS
hresult, attribute = SCardGetAttrib(card, SCARD_ATTR_ATR_STRING)
assert hresult == SCARD_S_SUCCESS and attribute == atr
hresult = SCardDisconnect(card, SCARD_UNPOWER_CARD)
assert hresult == SCARD_S_SUCCESS
hresult, states = SCardGetStatusChange(context, 0, [(names[0], SCARD_STATE_UNAWARE)])
assert hresult == SCARD_S_SUCCESS and states[0][1] & SCARD_STATE_PRESENT, (hresult, states)
assert SCardReleaseContext(context) == SCARD_S_SUCCESS
print("all as expected")
