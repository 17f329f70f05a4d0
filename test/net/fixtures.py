"""What the tests of this package share: reactors to step by hand, a user of ports, a scripted DNS."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.names.error import DNSNameError, DNSServerError
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.interfaces import Address, IDatagramUser, IPort
from sipproxy.net.dns import Reply


@implementer(IDatagramUser)
class Recorder:
    """A user of a port that remembers what it is told."""

    port: IPort

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Address]] = []
        self.failed: list[tuple[bytes, Address, str]] = []
        self.react: Callable[[bytes], None] = lambda datagram: None

    def makeConnection(self, port: IPort) -> None:
        """See IDatagramUser."""
        self.port = port

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """See IDatagramUser."""
        self.received.append((datagram, addr))
        self.react(datagram)

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """See IDatagramUser."""
        self.failed.append((datagram, addr, reason))
        self.react(datagram)


class ReadingClock(Clock):
    """A clock that knows who reads."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        """See IReactorFDSet."""
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """See IReactorFDSet."""
        self.readers.remove(reader)


def spin(reactor: Any, until: Callable[[], object], seconds: float = 5.0) -> None:
    """Let a reactor that does not run work until something is true.

    @raise AssertionError: it has not become true in time
    """
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing came of it within {seconds} s")
        reactor.iterate(0.02)


def close(reactor: Any) -> None:
    """Close what a reactor that never ran holds open."""
    reactor.removeAll()
    reactor.waker.connectionLost(Failure(ConnectionDone()))


class ScriptedServers:
    """A lookup that answers when the test says so.

    @ivar asked: the questions, in order
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.cancelled: list[tuple[str, int]] = []
        self._open: dict[tuple[str, int], Deferred[Reply]] = {}

    def __call__(self, name: str, record_type: int) -> "Deferred[Reply]":
        key = (name, record_type)
        self.asked.append(key)
        self._open[key] = Deferred(lambda _: self.cancelled.append(key))
        return self._open[key]

    def answer(
        self, name: str, record_type: int, answers: Sequence[dns.RRHeader], authority: Sequence[dns.RRHeader] = ()
    ) -> None:
        """Answer an open question."""
        self._open.pop((name, record_type)).callback((answers, authority, ()))

    def deny(self, name: str, record_type: int, authority: Sequence[dns.RRHeader] = ()) -> None:
        """Answer NXDOMAIN."""
        message = dns.Message(rCode=dns.ENAME)
        message.authority = list(authority)
        self.fail(name, record_type, DNSNameError(message))

    def fail(self, name: str, record_type: int, error: Exception | None = None) -> None:
        """Fail an open question, by SERVFAIL unless told otherwise."""
        self._open.pop((name, record_type)).errback(error or DNSServerError(dns.Message(rCode=dns.ESERVER)))


def a(name: str, address: str, ttl: int = 60) -> dns.RRHeader:
    """Make an A record."""
    return dns.RRHeader(name, dns.A, dns.IN, ttl, dns.Record_A(address, ttl))


def aaaa(name: str, address: str, ttl: int = 60) -> dns.RRHeader:
    """Make an AAAA record."""
    return dns.RRHeader(name, dns.AAAA, dns.IN, ttl, dns.Record_AAAA(address, ttl))


def cname(name: str, target: str, ttl: int = 60) -> dns.RRHeader:
    """Make a CNAME record."""
    return dns.RRHeader(name, dns.CNAME, dns.IN, ttl, dns.Record_CNAME(target, ttl))


def soa(name: str, minimum: int, ttl: int = 3600) -> dns.RRHeader:
    """Make an SOA record."""
    return dns.RRHeader(name, dns.SOA, dns.IN, ttl, dns.Record_SOA(b"ns.test", b"host.test", minimum=minimum))
