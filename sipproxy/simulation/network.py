"""A network in memory: datagrams between hosts, in virtual time, with faults drawn from a seed.

L{MemoryNetwork} is the wire, a L{Host} is a machine on it and provides
L{INetwork}. A datagram to an open port arrives after the latency of its link;
one to a closed port of a host comes back as an ICMP error; one to an address
that no host has is lost without a word.

There is no loopback, no fragmentation and no stream transport: what it cannot
do is refused with an exception, never done in part.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count
from random import Random
from typing import NamedTuple

from twisted.internet.task import Clock
from zope.interface import implementer

from sipproxy.errors import ListenError
from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort

#: Octets of a datagram's payload over IPv4.
MAX_DATAGRAM = 65_507
#: Octets of a datagram that an ICMP message quotes (RFC 1812 4.3.2.3: up to 576 with all headers).
QUOTED = 500
#: Where free ports begin (RFC 6335 6).
EPHEMERAL = 49_152

_WILDCARDS = {"0.0.0.0": 4, "::": 6}


@dataclass(frozen=True, slots=True)
class Faults:
    """What a link does to datagrams.

    @ivar latency: seconds that each takes
    @ivar jitter: further seconds, at most; drawn for each, so that later ones may overtake earlier ones
    @ivar loss: probability that one is lost
    @ivar duplication: probability that one arrives twice
    """

    latency: float = 0.001
    jitter: float = 0.0
    loss: float = 0.0
    duplication: float = 0.0


class Sent(NamedTuple):
    """A datagram that somebody sent.

    @ivar time: when
    @ivar source: the address it left from
    @ivar destination: where to
    @ivar data: its octets
    @ivar arrivals: when each copy arrives; none where it is lost
    """

    time: float
    source: Address
    destination: Address
    data: bytes
    arrivals: tuple[float, ...]


class MemoryNetwork:
    """The wire.

    @ivar transcript: every datagram that was sent, in order
    """

    def __init__(self, clock: Clock, random: Random, faults: Faults = Faults()) -> None:
        """
        @param random: source of all chance on this network
        @param faults: of all links that have none of their own
        """
        self.transcript: list[Sent] = []
        self._clock = clock
        self._random = random
        self._faults: dict[tuple[str | None, str | None], Faults] = {(None, None): faults}
        self._cuts: set[tuple[str, str]] = set()
        self._hosts: dict[str, Host] = {}
        self._ports: dict[Address, MemoryPort] = {}

    def host(self, *addresses: str) -> "Host":
        """Add a machine.

        @param addresses: its literal addresses, which no other host has
        """
        return Host(self, addresses)

    def set_faults(self, faults: Faults, source: str | None = None, destination: str | None = None) -> None:
        """Change what links do.

        The most particular setting holds: that of source and destination, of the source, of the destination, of all.

        @param source: address that the datagrams come from, None for any
        @param destination: address that they go to, None for any
        """
        self._faults[source, destination] = faults

    def partition(self, ones: Iterable[str], others: Iterable[str]) -> None:
        """Cut the network in two: nothing passes between the ones and the others any more."""
        others = tuple(others)
        for one in ones:
            for other in others:
                self._cuts.update({(one, other), (other, one)})

    def heal(self) -> None:
        """Undo all partitions."""
        self._cuts.clear()

    # For hosts and ports.

    def attach(self, host: "Host") -> None:
        """Take a machine in.

        @raise ValueError: an address is not literal, or another host has it
        """
        for address in host.addresses:
            ip_address(address)
            if address in self._hosts:
                raise ValueError(f"another host has {address}")
        self._hosts.update(dict.fromkeys(host.addresses, host))

    def open(self, addresses: Iterable[Address], port: "MemoryPort") -> None:
        """Let a port have addresses.

        @raise ListenError: another one has one of them
        """
        addresses = tuple(addresses)
        for address in addresses:
            if address in self._ports:
                raise ListenError(f"{address[0]}:{address[1]} is in use")
        self._ports.update(dict.fromkeys(addresses, port))

    def close(self, port: "MemoryPort") -> None:
        """Take a port's addresses away."""
        self._ports = {address: other for address, other in self._ports.items() if other is not port}

    def is_free(self, port: int) -> bool:
        """Tell whether no address at all has a port of this number open."""
        return all(number != port for _, number in self._ports)

    def carry(self, sender: "MemoryPort", source: Address, destination: Address, data: bytes) -> None:
        """Take one datagram on its way."""
        delays = self._draw(source[0], destination[0])
        now = self._clock.seconds()
        self.transcript.append(Sent(now, source, destination, data, tuple(now + delay for delay in delays)))
        for delay in delays:
            self._clock.callLater(delay, self._arrive, sender, source, destination, data)

    def tell_failure(self, sender: "MemoryPort", data: bytes, destination: Address, reason: str) -> None:
        """Let a port know a moment later that its own machine could not send a datagram."""
        self._clock.callLater(0, sender.failed, data, destination, reason)

    def deliver_later(self, port: "MemoryPort") -> None:
        """Let a port look into its receive buffer a moment later."""
        self._clock.callLater(0, port.drain)

    def _draw(self, source: str, destination: str) -> tuple[float, ...]:
        """Give the delay of each copy of a datagram that arrives."""
        if (source, destination) in self._cuts:
            return ()
        links = ((source, destination), (source, None), (None, destination), (None, None))
        faults = next(self._faults[link] for link in links if link in self._faults)
        if self._random.random() < faults.loss:
            return ()
        copies = 2 if self._random.random() < faults.duplication else 1
        return tuple(faults.latency + faults.jitter * self._random.random() for _ in range(copies))

    def _arrive(self, sender: "MemoryPort", source: Address, destination: Address, data: bytes) -> None:
        port = self._ports.get(destination)
        if port is not None:
            port.take(data, source)
            return
        host = self._hosts.get(destination[0])
        if host is not None and not host.silent:
            for delay in self._draw(destination[0], source[0])[:1]:
                self._clock.callLater(delay, sender.failed, data[:QUOTED], destination, "Connection refused")


@implementer(INetwork)
class Host:
    """A machine on the network.

    @ivar addresses: its literal addresses
    @ivar silent: whether its closed ports say nothing (a firewall), where others answer with an ICMP error
    """

    def __init__(self, network: MemoryNetwork, addresses: Iterable[str]) -> None:
        self.addresses = tuple(addresses)
        self.silent = False
        self._network = network
        network.attach(self)

    def listen(self, host: str, port: int, user: IDatagramUser) -> "MemoryPort":
        """Open a UDP port.

        @param host: one of the host's addresses, C{0.0.0.0} or C{::} for all of the family
        @param port: 0 for any free port
        @raise ListenError: the address is not the host's, or the port is in use
        """
        chosen = [host] if host in self.addresses else self._of_family(_WILDCARDS.get(host, 0))
        if not chosen:
            raise ListenError(f"{host} is not an address of this host")
        number = port or next(number for number in count(EPHEMERAL) if self._network.is_free(number))
        opened = MemoryPort(self._network, self, (host, number), user)
        self._network.open([(address, number) for address in chosen], opened)
        user.makeConnection(opened)
        return opened

    def local_addresses(self) -> list[str]:
        """Give all addresses of the host."""
        return list(self.addresses)

    def local_address(self, destination: str) -> str:
        """Tell the address that datagrams to another one leave from.

        @return: the unspecified one where the host has none of that family
        """
        family = _family(destination)
        return next(iter(self._of_family(family)), "::" if family == 6 else "0.0.0.0")

    def _of_family(self, family: int) -> list[str]:
        return [address for address in self.addresses if _family(address) == family]


@implementer(IPort)
class MemoryPort:
    """An open port of a host.

    @ivar address: C{(host, port)} that it is bound to
    """

    def __init__(self, network: MemoryNetwork, host: Host, address: Address, user: IDatagramUser) -> None:
        self.address = address
        self._network = network
        self._host = host
        self._user = user
        self._is_open = True
        self._is_paused = False
        self._buffer: list[tuple[bytes, Address]] = []

    def write(self, data: bytes, destination: Address) -> None:
        """Send one datagram to a literal address.

        @raise ValueError: the destination is no literal address and port
        """
        family = _family(destination[0])
        if not 0 < destination[1] < 65_536:
            raise ValueError(f"{destination[1]} is no port")
        if not self._is_open:
            return
        if family != _family(self.address[0]):
            self._network.tell_failure(self, data, destination, "Address family not supported by protocol")
        elif len(data) > MAX_DATAGRAM:
            self._network.tell_failure(self, data, destination, "Message too long")
        else:
            bound = self.address[0]
            source = self._host.local_address(destination[0]) if bound in _WILDCARDS else bound
            self._network.carry(self, (source, self.address[1]), destination, data)

    def pause(self) -> None:
        """Leave what arrives in the receive buffer."""
        self._is_paused = True

    def resume(self) -> None:
        """Read again."""
        self._is_paused = False
        if self._buffer:
            self._network.deliver_later(self)

    def stop(self) -> None:
        """Close the port at once; what is on its way to it will find it closed."""
        if self._is_open:
            self._is_open = False
            self._buffer.clear()
            self._network.close(self)

    # For the network.

    def take(self, data: bytes, source: Address) -> None:
        """Take a datagram that arrives."""
        self._buffer.append((data, source))
        if not self._is_paused:
            self.drain()

    def drain(self) -> None:
        """Give the user what is in the receive buffer."""
        while self._buffer and not self._is_paused:
            self._user.datagramReceived(*self._buffer.pop(0))

    def failed(self, data: bytes, destination: Address, reason: str) -> None:
        """Take the news that a datagram did not arrive."""
        if self._is_open:
            self._user.datagramFailed(data, destination, reason)


def _family(address: str) -> int:
    return ip_address(address.partition("%")[0]).version
