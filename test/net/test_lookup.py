"""How questions travel: to a name server of our own on loopback, and to a system in threads."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.epollreactor import EPollReactor
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.names import dns
from twisted.names.error import DNSNameError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipproxy.interfaces import Address
from sipproxy.net.dns import Reply
from sipproxy.net.lookup import SystemLookup, server_lookup, system_servers
from sipproxy.net.resolver import Resolver, create_resolver
from sipproxy.net.udp import UdpNetwork
from test.net.fixtures import Recorder, close, spin


def _text(header: dns.RRHeader) -> str:
    """Write the address of a record."""
    record: Any = header.payload
    return socket.inet_ntop(socket.AF_INET if header.type == dns.A else socket.AF_INET6, record.address)


class SystemServersTests(SynchronousTestCase):
    """resolv.conf(5)."""

    def read(self, text: str) -> list[Address]:
        """Read a file with this text."""
        path = Path(self.mktemp())
        path.write_text(text)
        return system_servers(str(path))

    def test_servers(self) -> None:
        """The servers are given in their order; other lines and what is no address count not."""
        text = (
            "# here\nsearch example.test\n\nnameserver 192.0.2.1\nnameserver\nnameserver x\n nameserver\t2001:db8::1\n"
        )
        self.assertEqual([("192.0.2.1", 53), ("2001:db8::1", 53)], self.read(text))

    def test_none(self) -> None:
        """Without a server or a file it is the local machine."""
        self.assertEqual([("127.0.0.1", 53)], self.read("search example.test\n"))
        self.assertEqual([("127.0.0.1", 53)], system_servers(self.mktemp()))


class NameServer(Recorder):
    """A name server that answers every question for an A record after so many it leaves unanswered."""

    def __init__(self, unanswered: int) -> None:
        super().__init__()
        self.unanswered = unanswered
        self.react = self.answer

    def answer(self, datagram: bytes) -> None:
        """Answer a query."""
        if len(self.received) <= self.unanswered:
            return
        message = dns.Message()
        message.fromStr(datagram)
        message.answer = 1
        name = message.queries[0].name.name
        if message.queries[0].type == dns.A:
            message.answers = [dns.RRHeader(name, dns.A, dns.IN, 60, dns.Record_A("192.0.2.1", 60))]
        self.port.write(message.toStr(), self.received[-1][1])


@implementer(ILogObserver)
class _Observer:
    """Collects log events."""

    def __init__(self, events: list[LogEvent]) -> None:
        self._events = events

    def __call__(self, event: LogEvent) -> None:
        self._events.append(event)


class ServerLookupTests(SynchronousTestCase):
    """Questions by twisted.names over our ports."""

    def setUp(self) -> None:
        """Make a reactor and watch the log."""
        self.reactor: Any = EPollReactor()
        self.addCleanup(close, self.reactor)
        self.network = UdpNetwork(self.reactor, 100_000, 0)
        self.at_first = self.reactor.getReaders()
        self.events: list[LogEvent] = []

    def serve(self, unanswered: int = 0, host: str = "127.0.0.1") -> Address:
        """Start a name server."""
        self.server = NameServer(unanswered)
        port = self.network.listen(host, 0, self.server)
        self.addCleanup(port.stop)
        address: Address = port.address
        return address

    def ask(self, *servers: Address, timeout: float = 2.0) -> "Deferred[Reply]":
        """Ask servers for an address and wait for the end of it."""
        observer = _Observer(self.events)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        asked = server_lookup(self.reactor, servers, timeout)("gw.test", dns.A)
        spin(self.reactor, lambda: asked.called and not asked.paused)
        return asked

    def test_answer(self) -> None:
        """An answer comes, the question's port is closed, and the log does not hear of it."""
        answers, _, _ = self.successResultOf(self.ask(self.serve()))
        self.assertEqual(["192.0.2.1"], [_text(answer) for answer in answers])
        self.assertEqual({*self.at_first, self.server.port}, set(self.reactor.getReaders()))
        self.assertEqual([], self.events)

    def test_answer_ipv6(self) -> None:
        """A server may have an IPv6 address."""
        if not socket.has_ipv6:
            self.skipTest("no IPv6")
        self.assertEqual(1, len(self.successResultOf(self.ask(self.serve(host="::1")))[0]))

    def test_retransmission(self) -> None:
        """A question that is lost is put again within the deadline."""
        self.successResultOf(self.ask(self.serve(unanswered=1), timeout=0.8))
        self.assertEqual(2, len(self.server.received))

    def test_second_server(self) -> None:
        """A dead server is passed over."""
        dead = self.network.listen("127.0.0.1", 0, Recorder())
        dead.stop()
        self.successResultOf(self.ask(dead.address, self.serve(), timeout=0.8))

    def test_dead(self) -> None:
        """With all servers dead the lookup ends at the deadline, and leaves nothing open."""
        dead = self.network.listen("127.0.0.1", 0, Recorder())
        dead.stop()
        self.failureResultOf(self.ask(dead.address, timeout=0.2), DeferredTimeoutError)
        self.assertEqual(self.at_first, self.reactor.getReaders())
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_whole_resolver(self) -> None:
        """The resolver of a configuration asks these servers."""
        resolver = self.make_resolver(self.serve())
        asked = resolver.addresses("gw.test")
        assert isinstance(asked, Deferred)
        spin(self.reactor, lambda: asked.called and not asked.paused)
        self.assertEqual(["192.0.2.1"], self.successResultOf(asked))
        self.assertEqual(["192.0.2.1"], resolver.addresses("gw.test"))

    def make_resolver(self, *servers: Address) -> Resolver:
        """Make a resolver as the application does."""
        return create_resolver(
            self.reactor,
            servers=servers,
            timeout=2.0,
            cache_size=10,
            negative_ttl=30.0,
            serve_stale=0.0,
            hosts_file=self.mktemp(),
            system_resolver=True,
        )


class HeldThreads:
    """A reactor's threads, in which work is done when the test says so."""

    def __init__(self) -> None:
        self.held: list[Callable[[], None]] = []

    def getThreadPool(self) -> "HeldThreads":
        """See IReactorThreads."""
        return self

    def callFromThread(self, function: Callable[..., object], *args: object) -> None:
        """See IReactorFromThreads."""
        function(*args)

    def callInThreadWithCallback(
        self,
        when_done: Callable[[bool, object], None],
        function: Callable[..., object],
        *args: object,
        **kwargs: object,
    ) -> None:
        """See ThreadPool."""

        def work() -> None:
            try:
                result = function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - as a thread pool does
                when_done(False, error)
            else:
                when_done(True, result)

        self.held.append(work)

    def finish(self) -> None:
        """Do the oldest piece of work."""
        self.held.pop(0)()


class SystemLookupTests(SynchronousTestCase):
    """getaddrinfo in a thread."""

    def setUp(self) -> None:
        """Make a system that knows one host."""
        self.threads = HeldThreads()
        self.error: Exception = socket.gaierror(socket.EAI_NONAME, "not known")
        self.lookup = SystemLookup(self.threads, 30, self.getaddrinfo)

    def getaddrinfo(self, name: str, port: None, family: int, kind: int) -> "list[tuple[Any, ...]]":
        """See the socket module."""
        if name != "nis":
            raise self.error
        address = ("192.0.2.8", 0) if family == socket.AF_INET else ("2001:db8::8", 0, 0, 0)
        return [(family, kind, 17, "", address)]

    def test_found(self) -> None:
        """Addresses of each family come as records with the given TTL."""
        for record_type, address in ((dns.A, "192.0.2.8"), (dns.AAAA, "2001:db8::8")):
            asked = self.lookup("nis", record_type)
            self.assertNoResult(asked)
            self.threads.finish()
            answers, _, _ = self.successResultOf(asked)
            self.assertEqual([(b"nis", record_type, 30)], [(each.name.name, each.type, each.ttl) for each in answers])
            self.assertEqual(address, _text(answers[0]))

    def test_errors(self) -> None:
        """Not known is an absence, try again is a silence, anything else is ours."""
        for error, expected in (
            (self.error, DNSNameError),
            (socket.gaierror(socket.EAI_AGAIN, "try again"), DeferredTimeoutError),
            (KeyError("bug"), KeyError),
        ):
            self.error = error
            asked = self.lookup("other", dns.A)
            self.threads.finish()
            self.failureResultOf(asked, expected)

    def test_other_types(self) -> None:
        """The system has addresses only."""
        self.failureResultOf(self.lookup("nis", dns.SRV), DNSNameError)

    def test_stuck_threads(self) -> None:
        """A question given up is counted until its thread ends; beyond a bound none is begun."""
        for number in range(8):
            asked = self.lookup(f"n{number}", dns.A)
            asked.addErrback(lambda _: None)
            asked.cancel()
        self.failureResultOf(self.lookup("nis", dns.A), DeferredTimeoutError)
        self.threads.finish()
        asked = self.lookup("nis", dns.A)
        while self.threads.held:
            self.threads.finish()
        self.successResultOf(asked)
