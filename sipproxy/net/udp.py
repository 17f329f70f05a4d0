"""UDP ports of the operating system.

C{twisted.internet.udp.Port} checks each address it writes to and asks several
methods per datagram; at a SIP proxy's rates that costs as much as all the rest.
L{UdpPort} is therefore a read descriptor of our own: it drains the socket in
one turn of the reactor, trusts its user's addresses to be literal ones (a host
name would block in C{sendto}) and knows of ICMP errors, which RFC 3261 18.4
wants told to the sender, by the socket's error queue.

It does not pause, connect, join multicast groups, or look into datagrams.
"""

import errno
from collections.abc import Callable, Iterable
from socket import AF_INET6, socket
from time import time
from typing import Any, Protocol

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort
from sipproxy.net import sockets

_log = Logger()

# Datagrams (and errors) handled in one turn of the reactor, so that timers are not starved.
BATCH = 256
_BATCH_RANGE = range(BATCH)
_MAX_DATAGRAM = 65_535

# The kernel has no room just now: over UDP the datagram is lost, and its sender retransmits.
_NO_ROOM = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})

# Routes change: how long, in seconds, and how many source addresses are remembered.
_SOURCE_LIFETIME = 5.0
_SOURCES = 10_000

_SendFailure = tuple[bytes, Address, str]


class DatagramReactor(Protocol):
    """What ports need of a reactor: IReactorFDSet and IReactorTime."""

    def addReader(self, reader: Any) -> object:
        """See IReactorFDSet."""

    def removeReader(self, reader: Any) -> object:
        """See IReactorFDSet."""

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> IDelayedCall:
        """See IReactorTime."""

    def seconds(self) -> float:
        """See IReactorTime."""


@implementer(IReadDescriptor, IPort)
class UdpPort:
    """One open UDP socket and the user it feeds.

    @ivar address: C{(host, port)} that it is bound to
    @ivar received: datagrams received
    @ivar sent: datagrams that the kernel has taken
    @ivar dropped_sends: datagrams that the kernel had no room for
    @ivar send_errors: failures told to the user's C{datagramFailed}
    @ivar batch_started: reactor time of the first wake-up since the socket was last found
        empty: no datagram still unread is older, however many turns the backlog takes
    """

    __slots__ = (
        "_backlogged", "_batch_base", "_deliver", "_failures", "_is_behind", "_open", "_reactor", "_receive",
        "_report_call", "_seconds", "_sendto",
        "_socket", "_user", "_was_empty", "address", "batch_started", "dropped_sends", "received", "send_errors",
        "sent",
    )  # fmt: skip

    def __init__(self, reactor: DatagramReactor, opened: socket, user: IDatagramUser) -> None:
        """Take over a bound, non-blocking socket of L{sockets.open_udp}; reading begins with L{start}."""
        self._reactor = reactor
        self._seconds = reactor.seconds
        self._socket = opened
        self._user = user
        self._deliver = user.datagramReceived
        # IBackloggedUser
        self._backlogged: Callable[[float], None] | None = getattr(user, "backlogged", None)
        self._is_behind = False
        self._receive: Callable[[int], tuple[bytes, Address]] = opened.recvfrom
        self._sendto: Callable[[bytes, Address], object] = opened.sendto
        if opened.family == AF_INET6:
            self._receive, self._sendto = _with_zones(opened)
        self._open = True
        self._failures: list[_SendFailure] = []
        self._report_call: IDelayedCall | None = None
        self._was_empty = True
        self._batch_base = 0
        self.batch_started = reactor.seconds()
        self.address: Address = sockets.from_sockaddr(opened.getsockname())
        self.received = self.sent = self.dropped_sends = self.send_errors = 0

    @property
    def batch_count(self) -> int:
        """Datagrams received since L{batch_started}."""
        return self.received - self._batch_base

    def start(self) -> None:
        """Introduce the port to its user and begin to read."""
        self._user.makeConnection(self)
        if self._open:
            self._reactor.addReader(self)

    def pause(self) -> None:
        """Leave what arrives in the receive buffer."""
        self._reactor.removeReader(self)

    def resume(self) -> None:
        """Read again."""
        if self._open:
            self._reactor.addReader(self)

    def write(self, data: bytes, destination: Address) -> None:
        """Send one datagram to a literal address.

        A failure comes to C{datagramFailed} from a later turn of the reactor.  When it was
        the network's, the datagram there is what the ICMP message quoted: its first 500
        octets or so, perhaps none.
        """
        try:
            self._sendto(data, destination)
        except OSError as error:
            self._send_failed(data, destination, error)
        else:
            self.sent += 1

    def stop(self) -> None:
        """Close the port; nothing is delivered any more, failures not yet told are forgotten."""
        if not self._open:
            return
        self._open = False
        self._reactor.removeReader(self)
        if self._report_call is not None:
            self._report_call.cancel()
            self._report_call = None
        self._failures.clear()
        self._socket.close()

    def doRead(self) -> None:
        """Deliver what is in the socket, at most a batch of it."""
        if self._was_empty:
            self._was_empty = False
            self.batch_started = self._seconds()
            self._batch_base = self.received
        before = self.received
        receive, deliver = self._receive, self._deliver
        try:
            for _ in _BATCH_RANGE:
                datagram, source = receive(_MAX_DATAGRAM)
                self.received += 1
                try:
                    deliver(datagram, source)
                except Exception:  # noqa: BLE001 - ours to log; the datagrams after this one are not to blame
                    _log.failure("a datagram from {source} could not be handled", source=source)
            self._measure()
        except BlockingIOError:
            self._was_empty = True
            if self._is_behind and self._backlogged is not None:
                self._is_behind = False
                self._backlogged(0.0)
            if self.received == before:
                # Readable, yet nothing to read: so select() and poll() show an entry in the error queue.
                self._tell(self._take_errors())
        except OSError as error:
            self._receive_failed(error)

    def _measure(self) -> None:
        """Tell the user how far reading is behind, now that a whole batch has not emptied the socket."""
        if self._backlogged is not None and self._open:
            arrived = sockets.last_arrival(self._socket)
            if arrived is not None:
                self._is_behind = True
                self._backlogged(max(0.0, time() - arrived))

    def connectionLost(self, reason: Failure) -> None:
        """Stay, when the reactor takes the port for lost.

        Reactors on poll() and epoll remove a descriptor that has an error but no input.
        For us that is no loss: an entry waits in the error queue.
        """
        if not self._open:
            return
        if isinstance(reason.value, ConnectionLost):  # the reactor shuts down
            self.stop()
            return
        self._reactor.addReader(self)
        self._tell(self._take_errors())

    def fileno(self) -> int:
        """Give the socket's descriptor, -1 when it is closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name the port in the log."""
        return f"udp {sockets.address_text(self.address)}"

    def _send_failed(self, data: bytes, destination: Address, error: OSError) -> None:
        if not self._open:
            return
        queued = sockets.read_errors(self._socket, BATCH)
        self._tell_later(_failures_of(queued))
        if error.errno == errno.ECONNREFUSED or any(entry.from_network for entry in queued):
            # The kernel reports an earlier datagram's ICMP error by failing the next send, which it has not done.
            try:
                self._sendto(data, destination)
            except OSError as second:
                error = second
            else:
                self.sent += 1
                return
        # Without a connection a refusal is never this datagram's own: one more ICMP error came between.
        if error.errno in _NO_ROOM or error.errno == errno.ECONNREFUSED:
            self.dropped_sends += 1
        else:
            self._tell_later([(data, destination, error.strerror or str(error))])

    def _receive_failed(self, error: OSError) -> None:
        if not self._open:  # the user has closed the port from within datagramReceived
            return
        queued = sockets.read_errors(self._socket, BATCH)
        if not queued:
            _log.warn("{port}: cannot receive: {error}", port=self.logPrefix(), error=error)
        self._tell(_failures_of(queued))

    def _take_errors(self) -> list[_SendFailure]:
        # stop() may have been called by the last datagram's receiver.
        return _failures_of(sockets.read_errors(self._socket, BATCH)) if self._open else []

    def _tell_later(self, failures: Iterable[_SendFailure]) -> None:
        self._failures.extend(failures)
        if self._failures and self._report_call is None:
            self._report_call = self._reactor.callLater(0, self._tell_collected)

    def _tell_collected(self) -> None:
        self._report_call = None
        failures, self._failures = self._failures, []
        self._tell(failures)

    def _tell(self, failures: Iterable[_SendFailure]) -> None:
        for datagram, destination, reason in failures:
            if not self._open:
                return
            self.send_errors += 1
            try:
                self._user.datagramFailed(datagram, destination, reason)
            except Exception:  # noqa: BLE001 - as for datagrams
                _log.failure("a failure to send to {destination} could not be handled", destination=destination)


@implementer(INetwork)
class UdpNetwork:
    """The UDP of the operating system."""

    def __init__(self, reactor: DatagramReactor, receive_buffer: int, dscp: int, reuse_port: bool = False) -> None:
        """
        @param reactor: provider of IReactorFDSet and IReactorTime
        @param receive_buffer: octets of receive buffer to ask for
        @param dscp: Differentiated Services code point of what is sent, 0 to 63
        @param reuse_port: let several processes open the same port (SO_REUSEPORT)
        """
        self._reactor = reactor
        self._receive_buffer = receive_buffer
        self._dscp = dscp
        self._reuse_port = reuse_port
        self._sources: dict[str, str] = {}
        self._sources_since = reactor.seconds()

    def listen(self, host: str, port: int, user: IDatagramUser) -> UdpPort:
        """Open a UDP port.

        @param host: literal address, C{0.0.0.0} or C{::} for all of the family
        @param port: 0 for any free port
        @raise sipproxy.errors.ListenError: it cannot be opened
        """
        opened = sockets.open_udp((host, port), self._reuse_port)
        try:
            given = sockets.set_receive_buffer(opened, self._receive_buffer)
            sockets.set_dscp(opened, self._dscp)
            listening = UdpPort(self._reactor, opened, user)
            listening.start()
        except BaseException:
            opened.close()
            raise
        _log.info(
            "listening on {address}/udp, receive buffer: {asked} octets asked for, {given} given",
            address=sockets.address_text(listening.address),
            asked=self._receive_buffer,
            given=given,
        )
        return listening

    def local_addresses(self) -> list[str]:
        """Give all addresses of this machine."""
        return sockets.local_addresses()

    def local_address(self, destination: str) -> str:
        """Tell the local address that datagrams to an address leave from.

        @param destination: literal address
        @return: a literal address; the unspecified one where no route leads there, in
            which case the datagram itself will fail
        """
        now = self._reactor.seconds()
        if now - self._sources_since > _SOURCE_LIFETIME or len(self._sources) >= _SOURCES:
            self._sources.clear()
            self._sources_since = now
        source = self._sources.get(destination)
        if source is None:
            source = self._sources[destination] = sockets.source_address(destination)
        return source


def _failures_of(queued: Iterable[sockets.QueuedError]) -> list[_SendFailure]:
    return [(entry.datagram, entry.destination, entry.reason) for entry in queued if entry.is_failure]


def _with_zones(
    opened: socket,
) -> "tuple[Callable[[int], tuple[bytes, Address]], Callable[[bytes, Address], object]]":
    """Give recvfrom and sendto of an IPv6 socket for addresses with a zone in the host."""
    recvfrom, sendto = opened.recvfrom, opened.sendto

    def receive(size: int) -> "tuple[bytes, Address]":
        datagram, sockaddr = recvfrom(size)
        return datagram, (sockaddr[:2] if not sockaddr[3] else sockets.from_sockaddr(sockaddr))

    def send(data: bytes, destination: Address) -> object:
        return sendto(data, destination if "%" not in destination[0] else sockets.to_sockaddr(destination))

    return receive, send
