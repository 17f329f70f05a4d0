"""How questions travel: to the name servers by twisted.names, to the system in a thread.

Both are L{sipproxy.net.dns.Lookup}s, so that cache, deadline and joining of
equal questions are the same for both.
"""

import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.threads import deferToThreadPool
from twisted.names import client, dns
from twisted.names.error import DNSNameError
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.errors import ListenError
from sipproxy.interfaces import Address, IDatagramUser, IPort
from sipproxy.net.dns import Lookup, Reply
from sipproxy.net.sockets import family_of, open_udp
from sipproxy.net.udp import UdpPort

RESOLV_CONF = "/etc/resolv.conf"
_DNS_PORT = 53

# Parts of the deadline that all servers together have in the first round of questions, and in the second.
_ROUNDS = (0.25, 0.75)

# getaddrinfo cannot be stopped; so many may be stuck at a time.
_MAX_THREADS = 8
_FAMILIES = {dns.A: socket.AF_INET, dns.AAAA: socket.AF_INET6}


def system_servers(path: str = RESOLV_CONF) -> list[Address]:
    """Give the name servers of resolv.conf(5), the local machine where it has none."""
    servers = []
    try:
        with open(path, encoding="ascii", errors="replace") as lines:
            for line in lines:
                keyword, *values = line.split() or [""]
                if keyword == "nameserver" and values and family_of(values[0]) is not None:
                    servers.append((values[0], _DNS_PORT))
    except OSError:
        pass  # resolv.conf(5): without the file, the server on the local machine is asked
    return servers or [("127.0.0.1", _DNS_PORT)]


def server_lookup(reactor: Any, servers: Sequence[Address], timeout: float) -> Lookup:
    """Make a lookup that asks name servers by UDP, and by TCP for what was truncated.

    @param reactor: provider of IReactorFDSet, IReactorTime and IReactorTCP
    @param servers: asked in this order, each twice
    @param timeout: seconds until the last one is given up
    """
    make_resolver: Any = client.Resolver
    resolver = make_resolver(
        servers=list(servers),
        timeout=[timeout * part / len(servers) for part in _ROUNDS],
        reactor=_NamesReactor(reactor),
    )

    def lookup(name: str, record_type: int) -> "Deferred[Reply]":
        answer: Deferred[Reply] = resolver.query(dns.Query(name, record_type, dns.IN))
        return answer

    return lookup


class _NamesReactor:
    """What twisted.names asks of a reactor, with our own ports for its datagrams.

    The reactor's own would write four lines to the log for every question.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.seconds = reactor.seconds
        self.connectTCP = reactor.connectTCP

    def callLater(self, delay: float, function: Callable[..., object], *args: object) -> IDelayedCall:
        """See IReactorTime."""
        call: IDelayedCall = self._reactor.callLater(delay, function, *args)
        return call

    def listenUDP(
        self, port: int, protocol: dns.DNSDatagramProtocol, interface: str = "", maxPacketSize: int = 0
    ) -> "_QuestionPort":
        """See IReactorUDP."""
        protocol.noisy = False
        try:
            opened = open_udp((interface or "0.0.0.0", port))
        except ListenError as error:
            # twisted.names tries another port on this error.
            cannot_listen: Any = CannotListenError
            raise cannot_listen(interface, port, error.__cause__) from error
        question_port = _QuestionPort(protocol)
        UdpPort(self._reactor, opened, question_port).start()
        return question_port


@implementer(IDatagramUser)
class _QuestionPort:
    """Stands between our port and the protocol of twisted.names; the transport of the latter."""

    _port: IPort

    def __init__(self, protocol: dns.DNSDatagramProtocol) -> None:
        self._protocol: Any = protocol

    def makeConnection(self, port: IPort) -> None:
        """See IDatagramUser."""
        self._port = port
        self._protocol.makeConnection(self)

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """See IDatagramUser."""
        self._protocol.datagramReceived(datagram, addr)

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """Wait for the next round: a server that is starting is back soon."""

    def write(self, datagram: bytes, addr: Address) -> None:
        """See IUDPTransport."""
        self._port.write(datagram, addr)

    def stopListening(self) -> None:
        """See IUDPTransport."""
        self._port.stop()
        self._protocol.doStop()


class SystemLookup:
    """A lookup by getaddrinfo in the reactor's threads: NIS, and whatever nsswitch.conf names.

    It knows A and AAAA; the system tells no TTL.
    """

    def __init__(
        self,
        reactor: Any,
        ttl: int,
        getaddrinfo: Callable[..., "list[tuple[Any, ...]]"] = socket.getaddrinfo,
    ) -> None:
        """
        @param reactor: provider of IReactorThreads
        @param ttl: seconds that what it finds is believed
        @param getaddrinfo: as of the socket module
        """
        self._reactor = reactor
        self._ttl = ttl
        self._getaddrinfo = getaddrinfo
        self._running = 0

    def __call__(self, name: str, record_type: int) -> "Deferred[Reply]":
        """Look up a name; see L{sipproxy.net.dns.Lookup}."""
        family = _FAMILIES.get(record_type)
        if family is None:
            return fail(DNSNameError())
        if self._running >= _MAX_THREADS:
            return fail(DeferredTimeoutError())
        self._running += 1
        reply: Deferred[Reply] = Deferred()
        in_thread = deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), self._getaddrinfo, name, None, family, socket.SOCK_DGRAM
        )
        # The thread is counted until it ends, however early its asker has given up.
        in_thread.addBoth(self._finished, name, record_type, reply)
        return reply

    def _finished(self, result: Any, name: str, record_type: int, reply: "Deferred[Reply]") -> None:
        self._running -= 1
        if reply.called:
            return
        if not isinstance(result, Failure):
            reply.callback(_reply_of(name, record_type, self._ttl, [found[4][0] for found in result]))
        elif not isinstance(result.value, socket.gaierror):
            reply.errback(result)
        elif result.value.errno == socket.EAI_AGAIN:
            reply.errback(DeferredTimeoutError())
        else:
            reply.errback(DNSNameError())


def _reply_of(name: str, record_type: int, ttl: int, addresses: Sequence[str]) -> Reply:
    record = dns.Record_A if record_type == dns.A else dns.Record_AAAA
    answers = [dns.RRHeader(name, record_type, dns.IN, ttl, record(address, ttl)) for address in addresses]
    return answers, (), ()
