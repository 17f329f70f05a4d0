"""Static routes to next hops: what the routers for numbers and for domains have in common.

Several routes of one pattern are alternates: by priority, among equals by their
share; a route of weight 0 comes behind its equals. All are located at once and
give their next hops in that order; one that cannot be located is left out while
there are others.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipproxy.dialplan import fill
from sipproxy.errors import RequestError
from sipproxy.message import Uri
from sipproxy.routing.chain import NextHop, NextHops
from sipproxy.routing.health import Gateway
from sipproxy.routing.locate import MAX_HOPS, Chance, Locator, is_name, settled
from sipproxy.routing.notes import Note, add
from sipproxy.routing.selection import arrange
from sipproxy.translation.chain import AT_HAND, Subject

#: Module name in the trace.
MODULE = "mod_sip_routing"
_MAX_REMEMBERED = 10_000
# RFC 3261 25.1: unreserved and user-unreserved, beside letters and digits.
_USER_SAFE = "-_.!~*'()&=+$,;?/"

NumberOf = Callable[[Uri], str | None]


class StaticRoute(Protocol):
    """One static route, as it is configured."""

    @property
    def next_hop(self) -> str:
        """Host name or literal address."""

    @property
    def port(self) -> int:
        """Its port, 0 to look for SRV records first."""

    @property
    def priority(self) -> int:
        """Lower ones are tried first."""

    @property
    def weight(self) -> int:
        """Share among those of equal priority."""

    @property
    def transport(self) -> str:
        """Lower-case transport."""

    @property
    def rewrite(self) -> str:
        """What the number becomes there, dots for its last digits; empty to leave it."""


class StaticRoutes(Protocol):
    """All static routes."""

    def e164(self, number: str) -> Sequence[StaticRoute]:
        """Give the routes of the most specific pattern that a number matches.

        @raise UnavailableError: none is known, as they have not all been read yet
        """

    def e164_matches(self, number: str) -> Iterator[tuple[object, Sequence[StaticRoute]]]:
        """Give the patterns that match a number with their routes, the most specific first."""

    def domain(self, host: str) -> Sequence[StaticRoute]:
        """Give the routes of the most specific pattern that a host matches.

        @raise UnavailableError: none is known, as they have not all been read yet
        """

    def domain_matches(self, host: str) -> Iterator[tuple[object, Sequence[StaticRoute]]]:
        """Give the patterns that match a host with their routes, the most specific first."""


class Choice(NamedTuple):
    """A route that a request may take.

    @ivar user: what the user part of the Request-URI becomes there, empty to leave it
    """

    route: StaticRoute
    user: bytes

    @property
    def weight(self) -> int:
        """The share of the route."""
        return self.route.weight


def choice(route: StaticRoute, number: str, user: bytes) -> Choice:
    """Make the choice of a route, its rewrite filled with a number.

    @param user: the user part as it is
    @raise ValueError: the number is too short for the rewrite
    """
    if not route.rewrite:
        return Choice(route, b"")
    # Cisco: "#" may stand in a user part; who escaped it gets it escaped.
    safe = _USER_SAFE + "#" if b"#" in user else _USER_SAFE
    return Choice(route, quote(fill(route.rewrite, number), safe).encode("ascii"))


class Alternates:
    """Static routes as next hops."""

    def __init__(self, locator: Locator, chance: Chance) -> None:
        self._locator = locator
        self._chance = chance
        self._literal: dict[tuple[str, int], NextHops] = {}

    def hops(self, choices: Sequence[Choice], subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give the next hops of the routes of one pattern.

        @raise RequestError: there are none: 404, or 503 where no name server answers (also in the Deferred)
        """
        if len(choices) > 1:
            choices = arrange(choices, _rank, self._chance(subject.request), MAX_HOPS, least_draw=1)
        found = [self._find(choice.route, subject) for choice in choices]
        known = [hops for hops in found if isinstance(hops, _KNOWN)]
        if len(known) == len(found):
            return _collect(choices, known, subject)
        return Deferred.fromCoroutine(_wait(choices, found, subject))

    def _find(self, route: StaticRoute, subject: Subject) -> "_Found | Deferred[_Found]":
        literal = self._literal.get((route.next_hop, route.port))
        if literal is not None:
            return literal
        try:
            hops = self._locate(route, subject)
        except RequestError as error:
            return error
        if isinstance(hops, Deferred):
            return hops.addErrback(_error)
        if not is_name(route.next_hop):
            if len(self._literal) >= _MAX_REMEMBERED:
                self._literal.clear()
            self._literal[route.next_hop, route.port] = hops
        return hops

    def _locate(self, route: StaticRoute, subject: Subject) -> "NextHops | Deferred[NextHops]":
        if route.port:
            return self._locator.by_address(route.next_hop, route.port, subject)
        try:
            hops = self._locator.by_service(route.next_hop, subject)
        except RequestError:
            return self._locator.by_address(route.next_hop, None, subject)
        if isinstance(hops, AT_HAND):
            return hops
        return Deferred.fromCoroutine(self._or_addresses(hops, route.next_hop, subject))

    async def _or_addresses(self, hops: "Deferred[NextHops]", host: str, subject: Subject) -> NextHops:
        """Cisco: where no target of its SRV records can be used, the addresses of the NextHop itself are."""
        try:
            return await hops
        except RequestError:
            return await settled(self._locator.by_address(host, None, subject))


_Found = NextHops | RequestError
_KNOWN = (*AT_HAND, RequestError)


def _rank(choice: Choice) -> tuple[int, bool]:
    return choice.route.priority, not choice.route.weight


async def _wait(choices: Sequence[Choice], found: "Sequence[_Found | Deferred[_Found]]", subject: Subject) -> NextHops:
    return _collect(choices, [await settled(hops) for hops in found], subject)


def _collect(choices: Sequence[Choice], found: "Sequence[_Found]", subject: Subject) -> NextHops:
    gateways: dict[NextHop, None] = {}
    errors: list[RequestError] = []
    for (route, user), hops in zip(choices, found, strict=True):
        if isinstance(hops, RequestError):
            errors.append(hops)
            add(subject, MODULE, Note("next hop {} is left out: {}", route.next_hop, hops))
            continue
        if route.transport != "udp":
            add(subject, MODULE, Note("transport {} of {}: there is only udp here", route.transport, route.next_hop))
        for hop in hops:
            gateways[Gateway(hop.host, hop.port, hop.transport, hop.name, user)] = None
    if gateways:
        return list(gateways)[:MAX_HOPS]
    # A silence, which leaves the question open, before an absence.
    raise max(errors, key=lambda error: error.status, default=RequestError(404, b"Unresolvable Destination"))


def _error(failure: Failure) -> RequestError:
    if not isinstance(failure.value, RequestError):
        failure.raiseException()
    return failure.value
