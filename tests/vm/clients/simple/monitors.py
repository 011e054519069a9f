# SPDX-License-Identifier: MIT OR Apache-2.0
"""pyscard's smartcard.*: monitors that see a card go and come, exclusive connections, and the low level beside them."""
import subprocess
import threading

from smartcard.CardMonitoring import CardMonitor, CardObserver
from smartcard.CardRequest import CardRequest
from smartcard.CardType import AnyCardType, ATRCardType
from smartcard.ExclusiveConnectCardConnection import ExclusiveConnectCardConnection
from smartcard.ExclusiveTransmitCardConnection import ExclusiveTransmitCardConnection
from smartcard.Exceptions import CardConnectionException, CardRequestTimeoutException
from smartcard.ReaderMonitoring import ReaderMonitor, ReaderObserver
from smartcard.System import readers
from smartcard.util import toHexString


def host(*words):
    subprocess.run(["host", *words], check=True)


class Seen:
    """Waits for what a monitor tells."""

    def __init__(self):
        self.lock, self.events = threading.Condition(), []

    def update(self, observable, change):
        added, removed = change
        with self.lock:
            self.events += ["added"] * len(added) + ["removed"] * len(removed)
            self.lock.notify_all()

    def until(self, *events):
        with self.lock:
            assert self.lock.wait_for(lambda: self.events == list(events), 40), (self.events, events)
        print(*events)


class Cards(Seen, CardObserver):
    pass


class Readers(Seen, ReaderObserver):
    pass


first, second = (readers()[0].createConnection() for _ in range(2))
exclusive = ExclusiveConnectCardConnection(first)
exclusive.connect()
print(toHexString(exclusive.getATR()), exclusive.transmit([0x80, 0xEE, 1, 2, 4]))
try:
    second.connect()
    print("a second connection beside an exclusive one")
except CardConnectionException as refused:
    print("refused:", str(refused).split(":")[-1])
exclusive.disconnect()
shared = ExclusiveTransmitCardConnection(readers()[0].createConnection())
shared.connect()
shared.lock()
print(shared.transmit([0x80, 0xEE, 3, 4, 4]))
shared.unlock()
shared.disconnect()

service = CardRequest(timeout=10, cardType=ATRCardType([0x3B, 0x68, 0, 0, 0x77, 0x69, 0x6E, 0x73, 0x63, 0x61, 0x72, 0x64])).waitforcard()
service.connection.connect()
print(service.connection.transmit([0x00, 0xC0, 0, 0, 4]))
service.connection.disconnect()

cards, monitor = Cards(), CardMonitor()
monitor.addObserver(cards)
cards.until("added")
host("card", "remove")
cards.until("added", "removed")
try:
    CardRequest(timeout=1, cardType=AnyCardType(), newcardonly=True).waitforcard()
except CardRequestTimeoutException:
    print("no card within a second")
host("card", "insert")
cards.until("added", "removed", "added")
monitor.deleteObserver(cards)

plugs, monitor = Readers(), ReaderMonitor(period=0.5)
monitor.addObserver(plugs)
plugs.until("added")
host("reader", "unplug")
plugs.until("added", "removed")
host("reader", "plug")
plugs.until("added", "removed", "added")
monitor.deleteObserver(plugs)
print("done")
