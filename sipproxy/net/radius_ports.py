"""Source ports and identifiers of RADIUS requests.

An identifier has 8 bits, and a server tells requests apart by it and the source
port (RFC 2865 3, RFC 5080 2.2.2). So each port carries 256 requests at a time;
when all identifiers of all ports are in use a further port is opened, up to a
bound. The identifier that was free for the longest time is used next, so that
what comes late finds its own taken by nobody.
"""

from collections import deque
from random import Random
from typing import Protocol

from zope.interface import implementer

from sipproxy.errors import UnavailableError
from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort

IDENTIFIERS = 256
_WILDCARDS = {4: "0.0.0.0", 6: "::"}


class Waiting(Protocol):
    """Somebody who waits for the answer to a request."""

    @property
    def destination(self) -> Address:
        """Where the request went; nobody else can answer it."""

    @property
    def authenticator(self) -> bytes:
        """The Request Authenticator."""

    def received(self, datagram: bytes) -> None:
        """Something came from there with the request's identifier."""

    def refused(self, reason: str) -> None:
        """The request did not get there."""


class Strays(Protocol):
    """Somebody who wants to know what nobody waits for."""

    def stray(self, source: Address) -> None:
        """A datagram came that is nobody's answer."""


@implementer(IDatagramUser)
class SourcePort:
    """One source port, and who waits for what on it.

    @ivar waiting: who waits, by identifier
    """

    port: IPort

    def __init__(self, strays: Strays) -> None:
        self.waiting: dict[int, Waiting] = {}
        self._strays = strays

    def makeConnection(self, port: IPort) -> None:
        """See IDatagramUser."""
        self.port = port

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Give a datagram to who waits for it."""
        found = self.waiting.get(datagram[1]) if len(datagram) > 1 else None
        if found is None or found.destination != addr:
            self._strays.stray(addr)
        else:
            found.received(datagram)

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """Tell who waits for an answer that it will not come; without a word of whose it is, all at that address."""
        # RFC 2865 3: there the authenticator stands.
        quoted = datagram[4:20]
        for identifier, found in list(self.waiting.items()):
            if found.destination != addr or (len(datagram) > 1 and datagram[1] != identifier):
                continue
            # Perhaps of an earlier request with the same identifier.
            if len(quoted) < 16 or quoted == found.authenticator:
                found.refused(reason)


class Slot:
    """An identifier on a source port, held by one request.

    @ivar identifier: 0 to 255
    """

    __slots__ = ("_free", "_source", "identifier")

    def __init__(self, source: SourcePort, identifier: int, free: "deque[Slot]") -> None:
        self.identifier = identifier
        self._source = source
        self._free = free

    def hold(self, waiting: Waiting) -> None:
        """Have what comes for it."""
        self._source.waiting[self.identifier] = waiting

    def release(self) -> None:
        """Let others have it."""
        self._source.waiting.pop(self.identifier, None)
        self._free.append(self)

    def write(self, data: bytes, destination: Address) -> None:
        """Send a datagram from its port."""
        self._source.port.write(data, destination)


class Slots:
    """All source ports."""

    def __init__(self, network: INetwork, random: Random, most_ports: int, strays: Strays) -> None:
        """
        @param random: draws the order of the identifiers of a port
        @param most_ports: how many ports may be open
        @param strays: told of what nobody waits for
        """
        self._network = network
        self._random = random
        self._most_ports = most_ports
        self._strays = strays
        self._sources: list[SourcePort] = []
        self._free: dict[int, deque[Slot]] = {4: deque(), 6: deque()}

    @property
    def ports(self) -> int:
        """How many ports are open."""
        return len(self._sources)

    def take(self, host: str) -> Slot:
        """Give a slot for a request to a host.

        @param host: literal address
        @raise UnavailableError: all are taken
        @raise sipproxy.errors.ListenError: no further port can be opened
        """
        family = 6 if ":" in host else 4
        free = self._free[family]
        if not free:
            self._open(family, free)
        return free.popleft()

    def _open(self, family: int, free: "deque[Slot]") -> None:
        if len(self._sources) >= self._most_ports:
            raise UnavailableError(b"Too many RADIUS requests")
        source = SourcePort(self._strays)
        self._network.listen(_WILDCARDS[family], 0, source)
        self._sources.append(source)
        identifiers = list(range(IDENTIFIERS))
        self._random.shuffle(identifiers)
        free.extend(Slot(source, identifier, free) for identifier in identifiers)

    def close(self) -> None:
        """Close all ports; slots that are held still may be released, to no effect."""
        for source in self._sources:
            source.port.stop()
        self._sources.clear()
        self._free = {4: deque(), 6: deque()}
