"""A watched network: nothing changes for those who use it."""

from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import ListenError
from sipproxy.interfaces import Address
from sipproxy.net.tapped import TappedNetwork
from sipproxy.net.udp import UdpNetwork
from sipproxy.simulation import MemoryNetwork
from test.net.fixtures import ReadingClock, Recorder

ALICE, PROXY, OTHER = ("10.0.0.1", 5060), ("192.0.2.1", 5060), ("192.0.2.2", 5060)


class Notes:
    """A tap that writes down what it is shown.

    @ivar seen_datagrams: octets, source and destination of each
    """

    def __init__(self) -> None:
        self.seen_datagrams: list[tuple[bytes, Address, Address]] = []

    def seen(self, datagram: bytes, source: Address, destination: Address) -> None:
        """See Tap."""
        self.seen_datagrams.append((datagram, source, destination))


class BrokenTap:
    """A tap with a fault."""

    def seen(self, datagram: bytes, source: Address, destination: Address) -> None:
        """See Tap."""
        raise ZeroDivisionError


class TappedTests(SynchronousTestCase):
    """On a network in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock, Random(1))
        self.machine = self.network.host(PROXY[0], OTHER[0])
        self.alice, self.user, self.notes = Recorder(), Recorder(), Notes()
        self.network.host(ALICE[0]).listen(*ALICE, self.alice)
        self.tapped = TappedNetwork(self.machine, self.notes)

    def test_both_ways(self) -> None:
        """What comes is shown before it is delivered, what is sent behind it, both with source and destination."""
        self.user.react = lambda datagram: self.assertEqual(self.notes.seen_datagrams[-1][0], datagram)
        port = self.tapped.listen(*PROXY, self.user)
        self.assertIs(self.user.port, port)
        self.assertEqual(port.address, PROXY)
        self.alice.port.write(b"question", PROXY)
        self.clock.advance(1)
        port.write(b"answer", ALICE)
        self.clock.advance(1)
        self.assertEqual(self.user.received, [(b"question", ALICE)])
        self.assertEqual(self.alice.received, [(b"answer", PROXY)])
        self.assertEqual(self.notes.seen_datagrams, [(b"question", ALICE, PROXY), (b"answer", PROXY, ALICE)])

    def test_wildcard(self) -> None:
        """A port on all addresses is shown with the one that the peer is answered from."""
        port = self.tapped.listen("0.0.0.0", 5060, self.user)
        self.alice.port.write(b"question", OTHER)
        self.clock.advance(1)
        port.write(b"answer", ALICE)
        source = (self.machine.local_address(ALICE[0]), 5060)
        self.assertEqual(self.notes.seen_datagrams, [(b"question", ALICE, source), (b"answer", source, ALICE)])

    def test_port(self) -> None:
        """Pause, resume, stop and failures are as without a tap."""
        port = self.tapped.listen(*PROXY, self.user)
        port.pause()
        self.alice.port.write(b"question", PROXY)
        self.clock.advance(1)
        self.assertEqual((self.user.received, self.notes.seen_datagrams), ([], []))
        port.resume()
        self.clock.advance(1)
        self.assertEqual(self.user.received, [(b"question", ALICE)])
        port.write(b"nobody", (ALICE[0], 9))
        self.clock.pump([1, 1])
        self.assertEqual(self.user.failed, [(b"nobody", (ALICE[0], 9), "Connection refused")])
        port.stop()
        self.alice.port.write(b"question", PROXY)
        self.clock.pump([1, 1])
        self.assertEqual((len(self.user.received), len(self.alice.failed)), (1, 1))

    def test_addresses(self) -> None:
        """The addresses are those of the network below, and so are its errors."""
        self.assertEqual(self.tapped.local_addresses(), [PROXY[0], OTHER[0]])
        self.assertEqual(self.tapped.local_address(ALICE[0]), self.machine.local_address(ALICE[0]))
        self.tapped.listen(*PROXY, self.user)
        with self.assertRaises(ListenError):
            self.tapped.listen(*PROXY, Recorder())

    def test_fault(self) -> None:
        """A fault of who watches is logged, and hinders neither what comes nor what is sent."""
        port = TappedNetwork(self.machine, BrokenTap()).listen(*PROXY, self.user)
        self.alice.port.write(b"question", PROXY)
        self.clock.advance(1)
        port.write(b"answer", ALICE)
        self.clock.advance(1)
        self.assertEqual((len(self.user.received), len(self.alice.received)), (1, 1))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)


class CounterTests(SynchronousTestCase):
    """On the network of the operating system."""

    def test_counters(self) -> None:
        """What a port counts can be read through the tap; what it has not is missing there too."""
        tapped = TappedNetwork(UdpNetwork(ReadingClock(), 100_000, 0), Notes())
        port = tapped.listen("127.0.0.1", 0, Recorder())
        self.addCleanup(port.stop)
        port.write(b"to itself", port.address)
        self.assertEqual((getattr(port, "sent", None), getattr(port, "received", None)), (1, 0))
        self.assertIsNone(getattr(port, "no_such_counter", None))
