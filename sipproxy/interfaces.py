"""The seams of the server as zope interfaces; no code.

Addresses are C{(host, port)} with the host as a literal IP address text.
"""

from collections.abc import Callable, Sequence
from typing import Any

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


class IBackloggedUser(IDatagramUser):
    """One that wants to know how late it gets its datagrams."""

    def backlogged(age: float) -> None:
        """What arrives is read late.

        @param age: seconds that the datagram read last had waited; 0 once nothing waits any more
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

    def query(name: str, record_type: int) -> "IAnswer | Deferred[IAnswer]":
        """Ask the DNS for the records of a name, at once where they are known.

        @param record_type: C{NAPTR}, C{SRV}, ... of L{twisted.names.dns}
        @raise sipproxy.errors.NameNotFoundError: there are none; raised, or in the Deferred
        @raise sipproxy.errors.ResolverTimeoutError: no server has answered; raised, or in the Deferred
        """


class IAnswer(Interface):
    """Records that were found in the DNS."""

    records = Attribute("tuple of record objects of twisted.names.dns, all of the type asked for, as served")
    received = Attribute("reactor time at which they came")
    expires = Attribute("reactor time until which they may be believed")
    is_stale = Attribute("whether they have expired, and no server has answered since")


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


class ISubscriber(Interface):
    """A person or a number of ours, as the subscriber database knows it."""

    key = Attribute("text it is found by: user, or user@domain")
    domain = Attribute("text")
    display_name = Attribute("text")
    password = Attribute("text, None where only hashes are kept")
    unconditional = Attribute("URI that all calls are forwarded to, '' for none")
    busy = Attribute("URI that calls are forwarded to while busy, '' for none")
    no_answer = Attribute("URI that calls are forwarded to when nobody answers, '' for none")
    unavailable = Attribute("URI that calls are forwarded to while unavailable, '' for none")
    ring_time = Attribute("seconds until nobody has answered, None for the configured ones")
    enabled = Attribute("whether the subscriber may use the server")

    def ha1(algorithm: str, username: str, realm: str) -> str | None:
        """Give H(username:realm:password) in lower-case hexadecimal (RFC 7616 3.4.2).

        @param algorithm: C{MD5} or C{SHA-256}
        @return: None where it can neither be computed nor is kept
        """


class ISubscribers(Interface):
    """The subscriber database, through its cache."""

    def find(keys: Sequence[str]) -> "ISubscriber | Deferred[ISubscriber | None] | None":
        """Give the subscriber of the first key that there is one for, at once where that is known.

        @raise sipproxy.errors.UnavailableError: the database is away and the cache does not know; raised, or in
            the Deferred
        """


class IAccess(Interface):
    """Who may send requests: authentication and authorization."""

    def admit(request: Any, source: Address, as_registrar: bool) -> "dict[str, str] | Deferred[dict[str, str]]":
        """Let a request pass.

        @param request: the L{sipproxy.message.Request}
        @param as_registrar: whether it is a REGISTER for us, so that challenges are 401, else 407
        @return: notes on it for the logs: C{user} is the name that it authenticated as; empty where none was asked for
        @raise sipproxy.errors.RequestError: it may not pass: a challenge, 403, or 503 while a backend is away;
            raised, or in the Deferred
        @raise sipproxy.errors.SilenceError: it is not to be answered
        """


class IGateways(Interface):
    """The health of next hops that are not registered contacts."""

    def in_order(hops: Sequence[Any]) -> Sequence[Any]:
        """Give L{sipproxy.routing.NextHop}s in the order of trying: held down ones last."""

    def failed(hop: Any, reason: str, retry_after: float | None = None) -> None:
        """A request to a next hop failed.

        @param reason: C{"timeout"}, C{"503"}, or what ICMP said
        @param retry_after: seconds that its 503 asked for
        """

    def answered(hop: Any) -> None:
        """A next hop answered."""


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


class ICallObserver(IOutcomeObserver):
    """Something that watches calls: accounting."""

    def forwarded(outcome: IOutcome, hop: Any, request_uri: bytes) -> None:
        """An INVITE without a To tag leaves on a branch.

        @param hop: the L{sipproxy.routing.NextHop}
        @param request_uri: what it asks for there
        """

    def answered(outcome: IOutcome, hop: Any, response: Any) -> None:
        """A 2xx to such an INVITE goes upstream.

        @param response: the L{sipproxy.message.Response}
        """
