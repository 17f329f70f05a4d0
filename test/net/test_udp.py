"""Ports and network over real sockets on loopback, on each reactor that Linux has."""

import errno
import socket
from collections.abc import Callable
from typing import Any
from unittest import SkipTest

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionLost
from twisted.internet.pollreactor import PollReactor
from twisted.internet.selectreactor import SelectReactor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import ListenError
from sipproxy.interfaces import Address
from sipproxy.net.sockets import open_udp
from sipproxy.net.udp import BATCH, UdpNetwork, UdpPort
from test.net.fixtures import ReadingClock, Recorder, close, spin


def closed_port(host: str) -> Address:
    """Give an address at which nobody listens."""
    with open_udp((host, 0)) as opened:
        port: int = opened.getsockname()[1]
    return host, port


def need_ipv6() -> None:
    """Skip a test where the kernel has no ::1."""
    try:
        open_udp(("::1", 0)).close()
    except ListenError as error:
        raise SkipTest(f"no IPv6 loopback: {error}") from error


class OnEveryReactor:
    """Tests that depend on how a reactor shows readiness and errors."""

    make_reactor: Callable[[], Any]

    def setUp(self) -> None:
        """Make two ports, of a user each."""
        self.reactor = type(self).make_reactor()
        self.addCleanup(close, self.reactor)  # type: ignore[attr-defined]
        self.network = UdpNetwork(self.reactor, 100_000, 24)
        self.alice, self.bob = Recorder(), Recorder()

    def listen(self, host: str) -> None:
        """Open both ports."""
        for user in (self.alice, self.bob):
            self.addCleanup(self.network.listen(host, 0, user).stop)  # type: ignore[attr-defined]

    def check_both_ways(self, host: str) -> None:
        """Send a datagram and its echo, with source addresses that can be answered."""
        self.listen(host)
        self.bob.react = lambda datagram: self.bob.port.write(datagram.upper(), self.bob.received[-1][1])
        self.alice.port.write(b"hello", self.bob.port.address)
        spin(self.reactor, lambda: self.alice.received)
        assert self.bob.received == [(b"hello", self.alice.port.address)]
        assert self.alice.received == [(b"HELLO", self.bob.port.address)]

    def check_refusal(self, host: str) -> None:
        """Send to a closed port: the sender hears of it, the port goes on."""
        self.listen(host)
        nobody = closed_port(host)
        self.alice.port.write(b"anybody?", nobody)
        spin(self.reactor, lambda: self.alice.failed, 1.0)
        assert self.alice.failed == [(b"anybody?", nobody, "Connection refused")]
        for number in range(3):
            self.alice.port.write(b"%d" % number, nobody)
        spin(self.reactor, lambda: len(self.alice.failed) == 4, 1.0)
        self.bob.port.write(b"still there?", self.alice.port.address)
        spin(self.reactor, lambda: self.alice.received)
        assert self.alice.received == [(b"still there?", self.bob.port.address)]

    def test_both_ways(self) -> None:
        """Datagrams go there and back."""
        self.check_both_ways("127.0.0.1")

    def test_both_ways_ipv6(self) -> None:
        """Datagrams go there and back over IPv6, with addresses of host and port only."""
        need_ipv6()
        self.check_both_ways("::1")

    def test_refusal(self) -> None:
        """An ICMP error reaches the sender with datagram and destination, again and again."""
        self.check_refusal("127.0.0.1")

    def test_refusal_ipv6(self) -> None:
        """An ICMPv6 error reaches the sender too."""
        need_ipv6()
        self.check_refusal("::1")

    def test_refusal_spares_others(self) -> None:
        """The send after a refused one, to somebody else, is not lost and not blamed."""
        self.listen("127.0.0.1")
        nobody = closed_port("127.0.0.1")
        self.alice.port.write(b"one", nobody)
        self.alice.port.write(b"two", self.bob.port.address)
        assert self.alice.failed == [], "the sender must not be re-entered"
        spin(self.reactor, lambda: self.bob.received and self.alice.failed)
        assert self.bob.received == [(b"two", self.alice.port.address)]
        assert self.alice.failed == [(b"one", nobody, "Connection refused")]
        assert self.alice.port.dropped_sends == 0  # type: ignore[attr-defined]

    def test_idle_after_local_error(self) -> None:
        """A datagram too long leaves nothing behind that would keep the reactor busy."""
        self.listen("127.0.0.1")
        self.alice.port.write(b"x" * 65_520, self.bob.port.address)
        spin(self.reactor, lambda: self.alice.failed)
        assert self.alice.failed[0][2] == "Message too long"
        turns = 0

        def count() -> None:
            nonlocal turns
            turns += 1
            self.reactor.iterate(0.05)

        end = self.reactor.seconds() + 0.2
        while self.reactor.seconds() < end:
            count()
        assert turns < 20, f"{turns} turns in 0.2 s"


class EPollTests(OnEveryReactor, SynchronousTestCase):
    """The reactor that Linux has by default."""

    make_reactor = EPollReactor


class PollTests(OnEveryReactor, SynchronousTestCase):
    """The reactor on poll()."""

    make_reactor = PollReactor


class SelectTests(OnEveryReactor, SynchronousTestCase):
    """The reactor on select(), which shows an error as something to read."""

    make_reactor = SelectReactor


class PortTests(SynchronousTestCase):
    """One port, read by hand."""

    def setUp(self) -> None:
        """Open a port and a plain socket that sends to it."""
        self.clock = ReadingClock()
        self.user = Recorder()
        self.port = UdpNetwork(self.clock, 1_000_000, 24).listen("127.0.0.1", 0, self.user)
        self.addCleanup(self.port.stop)
        self.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.peer.close)
        self.peer.bind(("127.0.0.1", 0))

    def send(self, *datagrams: bytes) -> None:
        """Put datagrams into the port's socket."""
        for datagram in datagrams:
            self.peer.sendto(datagram, self.port.address)

    def test_address(self) -> None:
        """A port opened at 0 tells its real one, and is read."""
        self.assertEqual("127.0.0.1", self.port.address[0])
        self.assertGreater(self.port.address[1], 0)
        self.assertEqual([self.port], self.clock.readers)
        self.assertEqual(f"udp 127.0.0.1:{self.port.address[1]}", self.port.logPrefix())

    def test_drain(self) -> None:
        """One wake-up delivers all there is, an empty datagram too."""
        self.send(b"one", b"", b"three")
        self.port.doRead()
        self.assertEqual([b"one", b"", b"three"], [datagram for datagram, _ in self.user.received])
        self.assertEqual(self.peer.getsockname(), self.user.received[0][1])
        self.assertEqual(3, self.port.received)

    def test_batch_is_bounded(self) -> None:
        """Not more than a batch is handled in one turn, and the wait is counted from its beginning."""
        self.clock.advance(10)
        self.send(*[b"x"] * (BATCH + 2))
        self.port.doRead()
        self.assertEqual(BATCH, len(self.user.received))
        self.clock.advance(1)
        self.port.doRead()
        self.assertEqual(BATCH + 2, len(self.user.received))
        self.assertEqual(10, self.port.batch_started)
        self.assertEqual(BATCH + 2, self.port.batch_count)

    def test_batch_ends(self) -> None:
        """A wake-up after the socket was empty begins a new count."""
        self.send(b"one", b"two")
        self.port.doRead()
        self.clock.advance(7)
        self.send(b"three")
        self.port.doRead()
        self.assertEqual((7, 1), (self.port.batch_started, self.port.batch_count))

    def test_error_of_the_user(self) -> None:
        """An exception of the user is logged, and the next datagram delivered."""

        def stumble(datagram: bytes) -> None:
            if datagram == b"one":
                raise BlockingIOError(errno.EAGAIN, "not the socket's")

        self.user.react = stumble
        self.send(b"one", b"two")
        self.port.doRead()
        self.assertEqual([b"one", b"two"], [datagram for datagram, _ in self.user.received])
        self.assertEqual(1, len(self.flushLoggedErrors(BlockingIOError)))

    def test_stop_while_reading(self) -> None:
        """A port stopped by the receiver of a datagram delivers no further one."""
        self.user.react = lambda datagram: self.port.stop()
        self.send(b"one", b"two")
        self.port.doRead()
        self.assertEqual([b"one"], [datagram for datagram, _ in self.user.received])
        self.assertEqual([], self.clock.readers)
        self.assertEqual(-1, self.port.fileno())

    def test_stop_forgets_failures(self) -> None:
        """Nothing is told after stop, no call is left, and a second stop does no harm."""
        self.port.write(b"x" * 70_000, ("127.0.0.1", 9))
        self.assertEqual(1, len(self.clock.getDelayedCalls()))
        self.port.stop()
        self.port.stop()
        self.port.write(b"too late", ("127.0.0.1", 9))
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual([], self.user.failed)

    def test_local_failures(self) -> None:
        """What the local kernel refuses is told in a later turn, all at once, with its reason."""
        self.port.write(b"x" * 70_000, ("127.0.0.1", 9))
        self.port.write(b"y", ("127.0.0.1", 0))
        self.port.write(b"z", ("255.255.255.255", 9))
        self.assertEqual([], self.user.failed)
        self.clock.advance(0)
        self.assertEqual(
            [
                (b"x" * 70_000, ("127.0.0.1", 9), "Message too long"),
                (b"y", ("127.0.0.1", 0), "Invalid argument"),
                (b"z", ("255.255.255.255", 9), "Permission denied"),
            ],
            self.user.failed,
        )
        self.assertEqual((3, 0), (self.port.send_errors, self.port.sent))

    def test_stop_while_failing(self) -> None:
        """A port stopped by the receiver of a failure tells no further one."""
        self.user.react = lambda datagram: self.port.stop()
        self.port.write(b"y", ("127.0.0.1", 0))
        self.port.write(b"z", ("127.0.0.1", 0))
        self.clock.advance(0)
        self.assertEqual([b"y"], [datagram for datagram, _, _ in self.user.failed])

    def test_error_of_the_user_in_a_failure(self) -> None:
        """An exception of the user who hears of a failure is logged, and the next failure told."""

        def stumble(datagram: bytes) -> None:
            raise KeyError(datagram)

        self.user.react = stumble
        self.port.write(b"y", ("127.0.0.1", 0))
        self.port.write(b"z", ("127.0.0.1", 0))
        self.clock.advance(0)
        self.assertEqual(2, len(self.user.failed))
        self.assertEqual(2, len(self.flushLoggedErrors(KeyError)))

    def test_sent(self) -> None:
        """What the kernel took is counted."""
        self.port.write(b"hello", self.peer.getsockname())
        self.assertEqual((b"hello", self.port.address), self.peer.recvfrom(100))
        self.assertEqual(1, self.port.sent)

    def test_shutdown(self) -> None:
        """A port that the reactor closes at its end does not come back."""
        self.clock.removeReader(self.port)
        self.clock.addReader(self.port)
        self.port.connectionLost(Failure(ConnectionLost()))
        self.assertEqual([], self.clock.readers)
        self.assertEqual(-1, self.port.fileno())


class FullSocket:
    """A socket whose sends fail with the given errors, after which they succeed."""

    family = socket.AF_INET

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.sent: list[bytes] = []

    def getsockname(self) -> Address:
        """See socket."""
        return "127.0.0.1", 5060

    def sendto(self, data: bytes, destination: Address) -> int:
        """See socket."""
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, "as told")
        self.sent.append(data)
        return len(data)

    def recvfrom(self, size: int) -> "tuple[bytes, Address]":
        """See socket; a send's error may come with a read."""
        raise OSError(self.errors.pop(0), "as told")

    def recvmsg(self, *args: int) -> Any:
        """See socket; the error queue is empty."""
        raise BlockingIOError(errno.EAGAIN, "empty")

    def close(self) -> None:
        """See socket."""


class FullSocketTests(SynchronousTestCase):
    """A kernel without room, which loopback does not show."""

    def port_over(self, opened: FullSocket) -> UdpPort:
        """Make a port over such a socket."""
        self.clock, self.user = ReadingClock(), Recorder()
        stand_in: Any = opened
        return UdpPort(self.clock, stand_in, self.user)

    def test_no_room(self) -> None:
        """A datagram for which there is no room is lost and counted; it is not a failure."""
        port = self.port_over(FullSocket(errno.EAGAIN, errno.ENOBUFS))
        port.write(b"one", ("192.0.2.1", 5060))
        port.write(b"two", ("192.0.2.1", 5060))
        port.write(b"three", ("192.0.2.1", 5060))
        self.clock.advance(0)
        self.assertEqual([], self.user.failed)
        self.assertEqual((2, 1, 0), (port.dropped_sends, port.sent, port.send_errors))

    def test_refusals_without_end(self) -> None:
        """A send that finds another's refusal twice is lost, and nobody is blamed."""
        opened = FullSocket(errno.ECONNREFUSED, errno.ECONNREFUSED)
        port = self.port_over(opened)
        port.write(b"one", ("192.0.2.1", 5060))
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual(1, port.dropped_sends)

    def test_retry_fails_otherwise(self) -> None:
        """A second error that is the datagram's own is told."""
        port = self.port_over(FullSocket(errno.ECONNREFUSED, errno.ENETUNREACH))
        port.write(b"one", ("192.0.2.1", 5060))
        self.clock.advance(0)
        self.assertEqual([(b"one", ("192.0.2.1", 5060), "as told")], self.user.failed)

    def test_read_error(self) -> None:
        """A read that fails with nothing in the error queue does not end the port."""
        port = self.port_over(FullSocket(errno.ENOMEM))
        port.start()
        port.doRead()
        self.assertEqual([port], self.clock.readers)


class NetworkTests(SynchronousTestCase):
    """Opening ports, and finding source addresses."""

    def setUp(self) -> None:
        """Make a network."""
        self.clock = ReadingClock()
        self.network = UdpNetwork(self.clock, 300_000, 24)

    def listen(self, host: str, port: int = 0, network: UdpNetwork | None = None) -> UdpPort:
        """Open a port for the time of the test."""
        opened = (network or self.network).listen(host, port, Recorder())
        self.addCleanup(opened.stop)
        return opened

    def test_port_in_use(self) -> None:
        """A port in use is an error of one line for the operator."""
        host, port = self.listen("127.0.0.1").address
        error = self.assertRaises(ListenError, self.listen, host, port)
        self.assertEqual(f"cannot listen on 127.0.0.1:{port}/udp: Address already in use", str(error))

    def test_not_an_address(self) -> None:
        """A host name cannot be listened on."""
        error = self.assertRaises(ListenError, self.listen, "localhost", 5060)
        self.assertEqual("cannot listen on localhost:5060/udp: not an IP address", str(error))

    def test_not_our_address(self) -> None:
        """Neither can an address of another host, or one in a zone that does not exist."""
        error = self.assertRaises(ListenError, self.listen, "192.0.2.1", 5060)
        self.assertEqual("cannot listen on 192.0.2.1:5060/udp: Cannot assign requested address", str(error))
        error = self.assertRaises(ListenError, self.listen, "fe80::1%nowhere", 5060)
        self.assertIn("cannot listen on [fe80::1%nowhere]:5060/udp: ", str(error))

    def test_reuse_port(self) -> None:
        """Several may open one port where that was asked for."""
        shared = UdpNetwork(self.clock, 300_000, 24, reuse_port=True)
        host, port = self.listen("127.0.0.1", 0, shared).address
        self.assertEqual((host, port), self.listen(host, port, shared).address)

    def test_families_side_by_side(self) -> None:
        """The same port number can be opened for IPv4 and IPv6."""
        need_ipv6()
        port = self.listen("0.0.0.0").address[1]
        self.assertEqual(("::", port), self.listen("::", port).address)

    def test_user_fails(self) -> None:
        """A user that does not take its port has none: the error goes on and the socket is closed."""

        class Refuser(Recorder):
            def makeConnection(self, port: Any) -> None:
                self.port = port
                raise KeyError("not now")

        user = Refuser()
        self.assertRaises(KeyError, self.network.listen, "127.0.0.1", 0, user)
        self.assertEqual([], self.clock.readers)

    def test_local_address(self) -> None:
        """The source address is the routing's, of the destination's family."""
        self.assertEqual("127.0.0.1", self.network.local_address("127.0.0.1"))
        need_ipv6()
        self.assertEqual("::1", self.network.local_address("::1"))

    def test_no_route(self) -> None:
        """Where no route leads, the source is the unspecified address."""
        self.assertEqual("0.0.0.0", self.network.local_address("255.255.255.255"))
        self.assertEqual("::", self.network.local_address("fe80::1%nowhere"))

    def test_local_address_is_asked_again(self) -> None:
        """A source is remembered for some seconds only, and no more than a bounded number of them."""
        for number in range(1100):
            self.network.local_address(f"127.0.{number // 200}.{number % 200 + 1}")
        self.clock.advance(6)
        self.assertEqual("127.0.0.1", self.network.local_address("127.0.0.1"))
