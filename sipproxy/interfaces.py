"""The seams of the server as zope interfaces; no code.

Addresses are C{(host, port)} with the host as a literal IP address text.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

Address = tuple[str, int]


class IPort(Interface):
    """An open datagram port (what L{INetwork.listen} gives)."""

    address = Attribute("C{(host, port)} that it is bound to; the port is never 0")

    def write(data: bytes, destination: Address) -> None:
        """Send one datagram; a local failure reaches the protocol's C{datagramFailed}, it is not raised."""

    def pause() -> None:
        """Leave what arrives in the receive buffer."""

    def resume() -> None:
        """Read again."""

    def stop() -> None:
        """Close the port at once."""


class IDatagramUser(Interface):
    """What a port feeds. The first two names are Twisted's (DatagramProtocol)."""

    def makeConnection(port: IPort) -> None:
        """The port is open."""

    def datagramReceived(datagram: bytes, addr: Address) -> None:
        """A datagram came from C{addr}."""

    def datagramFailed(datagram: bytes, addr: Address, reason: str) -> None:
        """A datagram sent to C{addr} was refused (ICMP, or the local kernel).

        What an ICMP message quotes of the datagram may be only its beginning.
        """


class INetwork(Interface):
    """Where ports come from: the operating system, or L{sipproxy.simulation}'s memory network."""

    def listen(host: str, port: int, user: IDatagramUser) -> IPort:
        """Open a UDP port.

        @raise sipproxy.errors.ListenError: it cannot be opened
        """

    def local_addresses() -> list[str]:
        """Give all addresses of this machine."""

    def local_address(destination: str) -> str:
        """Tell the local address that datagrams to C{destination} leave from (for a wildcard bind)."""


class IResolver(Interface):
    """Host names to addresses."""

    def addresses(host: str) -> "list[str] | Deferred[list[str]]":
        """Give the addresses of a host, at once where they are known.

        @return: literal addresses, IPv4 first, or a Deferred of them
        @raise sipproxy.errors.NameNotFoundError: raised, or in the Deferred
        @raise sipproxy.errors.ResolverTimeoutError: in the Deferred
        """


class IBinding(Interface):
    """One contact of an address of record, as calls need it."""

    contact = Attribute("the contact URI as registered, octets")
    q = Attribute("preference, 0.0 to 1.0")
    action = Attribute("the caller preference: 'proxy', 'redirect' or ''")
    path = Attribute("tuple of Path values, octets (RFC 3327)")
    expires = Attribute("wall-clock time of its end; infinite for a static one")


class IRegistry(Interface):
    """Bindings of addresses of record, read from memory, changed durably.

    An address of record is a canonical key (L{sipproxy.proxy.identity.Identity.aor_key}).
    Bindings are immutable (L{sipproxy.registrar.bindings.Binding}).
    """

    def lookup(aor: bytes, now: float) -> "tuple[IBinding, ...]":
        """Give the unexpired bindings of an address of record that are stored, and the static ones.

        @raise sipproxy.errors.UnavailableError: what is stored has not been read yet
        """

    def current(aor: bytes, now: float) -> "tuple[IBinding, ...]":
        """Give the dynamic bindings as the next change must see them: with changes that are still being stored."""

    def store(aor: bytes, bindings: "tuple[IBinding, ...]") -> "Deferred[None]":
        """Replace the dynamic bindings of an address of record.

        @return: fires with None once the change is durable
        @raise sipproxy.errors.UnavailableError: in the Deferred: it could not be stored, nothing has changed
        """

    def subscribe(follower: "Callable[[object], None]") -> None:
        """Call C{follower} with each L{sipproxy.databases.registry.Change}, in order, after it is durable."""


class IOutcome(Interface):
    """A finished server transaction, or a forwarded stateless request, as the logs see it."""

    request = Attribute("the L{sipproxy.message.Request} as received")
    source = Attribute("C{(host, port)} it came from")
    local = Attribute("C{(host, port)} it came to")
    started = Attribute("wall-clock time it was received, seconds since 1970")
    duration = Attribute("seconds from reception to the final response")
    status = Attribute("status of the final response, None for a forwarded stateless request")
    size = Attribute("octets of the final response, 0 where there was none")
    notes = Attribute("dict of text by name for C{%{name}n}: next-hop, reason, ...")


class IOutcomeObserver(Interface):
    """Something that watches requests from the side: access log, accounting."""

    def finished(outcome: IOutcome) -> None:
        """A request is done."""
