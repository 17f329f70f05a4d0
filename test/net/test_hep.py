"""Copies of SIP messages: what arrives at the receiver, and what becomes of them while it is away."""

from random import Random
from typing import cast

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.interfaces import INetwork
from sipproxy.net.hep import LONGEST, LOOK_AGAIN, HepSender
from sipproxy.simulation import MemoryNetwork, Names
from sipproxy.wire.hep import Captured, decode
from test.net.fixtures import Recorder

ALICE, PROXY, HOMER = ("10.0.0.1", 5060), ("192.0.2.1", 5060), ("198.51.100.7", 9060)
MESSAGE = b"OPTIONS sip:example.com SIP/2.0\r\n\r\n"
START = 1_790_000_000.25


class SenderTests(SynchronousTestCase):
    """A sender and its receiver, on a network in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.network = MemoryNetwork(self.clock, Random(1))
        self.machine = self.network.host(PROXY[0], "2001:db8::1")
        self.names = Names(self.clock)
        self.homer = Recorder()
        self.receiver = self.network.host(HOMER[0], "2001:db8::7")
        self.receiver.listen(*HOMER, self.homer)

    def sender(self, host: str = HOMER[0], key: bytes = b"secret") -> HepSender:
        """Start a sender."""
        network: INetwork = self.machine
        sender = HepSender((host, HOMER[1]), 228, key, network, self.names, self.clock)
        sender.startService()
        self.addCleanup(sender.stopService)
        return sender

    def arrived(self) -> list[Captured]:
        """Give what has arrived."""
        self.clock.advance(0.1)
        return [decode(datagram) for datagram, _ in self.homer.received]

    def test_copy(self) -> None:
        """A message arrives with its addresses, its time, our number and the key."""
        sender = self.sender()
        sender.seen(MESSAGE, ALICE, PROXY)
        (copy,) = self.arrived()
        self.assertEqual((copy.source, copy.destination, copy.payload), (ALICE, PROXY, MESSAGE))
        self.assertEqual((copy.agent, copy.key, copy.micros), (228, b"secret", int(START * 1_000_000)))
        self.assertEqual((sender.sent, sender.dropped, sender.refused), (1, 0, 0))

    def test_keep_alive(self) -> None:
        """Keep-alives are no messages."""
        sender = self.sender()
        for datagram in (b"\r\n\r\n", b"\r\n", b"", b"\0\0\0\0"):
            sender.seen(datagram, ALICE, PROXY)
        self.assertEqual((self.arrived(), sender.sent, sender.dropped), ([], 0, 0))

    def test_longest(self) -> None:
        """The longest message is cut to what fits into a datagram."""
        self.sender().seen(b"x" * 65_535, ALICE, PROXY)
        self.arrived()
        self.assertEqual(len(self.homer.received[0][0]), LONGEST)

    def test_refused(self) -> None:
        """A receiver that is away is told once, with the reason, until nothing was refused for a while."""
        self.homer.port.stop()
        sender = self.sender()
        events: list[LogEvent] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for _ in range(3):
            sender.seen(MESSAGE, ALICE, PROXY)
            self.clock.pump([0.1] * 2)
        self.assertEqual((sender.refused, sender.away_reason), (3, "Connection refused"))
        since = sender.away_since
        self.assertIsNotNone(since)
        self.assertEqual([formatEvent(event) for event in events], [f"HEPServer {HOMER[0]}: Connection refused"])
        self.clock.pump([10] * 7)
        self.assertEqual((sender.away_since, sender.away_reason), (None, ""))
        sender.seen(MESSAGE, ALICE, PROXY)
        self.clock.pump([0.1] * 2)
        self.assertNotIn(sender.away_since, (None, since))

    def test_name(self) -> None:
        """A name that is not known costs the copies only; it is looked up again."""
        sender = self.sender("homer.test")
        sender.seen(MESSAGE, ALICE, PROXY)
        self.assertEqual((sender.sent, sender.dropped), (0, 1))
        self.assertIsNotNone(sender.away_since)
        self.names.known["homer.test"] = [HOMER[0]]
        self.clock.advance(LOOK_AGAIN)
        self.assertIsNone(sender.away_since)
        sender.seen(MESSAGE, ALICE, PROXY)
        self.assertEqual(len(self.arrived()), 1)

    def test_name_moves(self) -> None:
        """The receiver is followed to another address, of the other family too, but not while it still has the old."""
        self.names.known["homer.test"] = ["203.0.113.1", HOMER[0]]
        sender = self.sender("homer.test")
        sender.seen(MESSAGE, ALICE, PROXY)
        self.assertEqual(self.arrived(), [])
        moved = Recorder()
        self.receiver.listen("2001:db8::7", HOMER[1], moved)
        for addresses, at_homer, at_moved in (
            ([HOMER[0], "203.0.113.1"], 0, 0),
            (["2001:db8::7"], 0, 1),
            ([], 0, 2),
            ([HOMER[0]], 1, 2),
        ):
            self.names.known["homer.test"] = addresses
            self.clock.advance(LOOK_AGAIN)
            sender.seen(MESSAGE, ALICE, PROXY)
            self.assertEqual((len(self.arrived()), len(moved.received)), (at_homer, at_moved))

    def test_late_answer(self) -> None:
        """An answer that comes after the end opens nothing."""
        self.names.known["homer.test"] = [HOMER[0]]
        self.names.delay = 5
        sender = self.sender("homer.test")
        sender.stopService()
        self.clock.advance(10)
        sender.seen(MESSAGE, ALICE, PROXY)
        self.assertEqual((self.arrived(), sender.dropped, self.clock.getDelayedCalls()), ([], 1, []))

    def test_foreign_family(self) -> None:
        """What was sent to an address of the other family has no copy."""
        sender = self.sender()
        sender.seen(MESSAGE, PROXY, ("2001:db8::9", 5060))
        self.assertEqual((self.arrived(), sender.dropped), ([], 1))

    def test_stranger(self) -> None:
        """What strangers send to its port changes nothing."""
        sender = self.sender()
        sender.seen(MESSAGE, ALICE, PROXY)
        self.arrived()
        self.homer.port.write(b"HEP3", self.homer.received[0][1])
        self.clock.advance(1)
        self.assertEqual((sender.refused, sender.away_since), (0, None))

    def test_end(self) -> None:
        """With its end the port is closed and no timer is left; it can be started again."""
        sender = self.sender()
        sender.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        sender.startService()
        sender.seen(MESSAGE, ALICE, PROXY)
        self.assertEqual(len(self.arrived()), 1)
