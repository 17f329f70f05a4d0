"""Static routes: from a number or a domain to the next hop, of the configuration and of the routing database.

A route for numbers (E164) has a pattern of the dial plan (L{sipproxy.dialplan}),
a route for domains one of L{sipproxy.databases.domains}. Routes with one
pattern are alternates. Which of them a call takes (priority, then weight), what
becomes of its user part, and where the name of a next hop leads is the router's
business.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Literal

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sipproxy.config import Kind, one_of, whole
from sipproxy.config.addresses import TRANSPORTS
from sipproxy.config.kinds import one_word
from sipproxy.databases.configured import Configured
from sipproxy.databases.domains import EXPECTED, DomainMap, international_host, is_literal, read_domain
from sipproxy.databases.fields import WrongFieldError, read_field
from sipproxy.databases.grouped import Grouped
from sipproxy.databases.records import Change, Key, Row
from sipproxy.databases.table import Form, IRowStore, Layout, Table
from sipproxy.dialplan import PatternMap, is_number, is_pattern, parse_pattern
from sipproxy.errors import UnavailableError

RouteKind = Literal["E164", "Domain"]
Origin = Literal["configuration", "database"]

E164: RouteKind = "E164"
DOMAIN: RouteKind = "Domain"

#: Symbols of a pattern or a rewrite: E.164 has 15 digits, a prefix some more.
LONGEST = 64
_REWRITE_EXPECTED = "digits, # and *, perhaps a + before, and dots for the last digits of the number"

#: The fields of a route, in the order of their columns.
FIELDS = ("kind", "pattern", "next_hop", "port", "transport", "priority", "weight", "rewrite")
#: Those that must be there.
REQUIRED = FIELDS[:3]

LAYOUT = Layout(
    "routing database",
    "routes",
    (
        ("kind", "TEXT"),
        ("pattern", "TEXT"),
        ("next_hop", "TEXT"),
        ("port", "INTEGER"),
        ("transport", "TEXT"),
        ("priority", "INTEGER"),
        ("weight", "INTEGER"),
        ("rewrite", "TEXT"),
    ),
    5,
    0x53505254,  # "SPRT"
)


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """A next hop for a pattern.

    @ivar kind: C{E164} for numbers, C{Domain} for host parts
    @ivar pattern: what it is for
    @ivar next_hop: host name or literal address, IPv6 without brackets
    @ivar port: 0 where SRV records are to say, then the default one
    @ivar priority: lower first
    @ivar weight: share of the calls among those of equal priority
    @ivar transport: in small letters
    @ivar rewrite: what the user part becomes, dots standing for the last digits of the number; empty to leave it
    @ivar origin: C{configuration}, or C{database}
    """

    kind: RouteKind
    pattern: str
    next_hop: str
    port: int = 0
    priority: int = 1
    weight: int = 1
    transport: str = "udp"
    rewrite: str = ""
    origin: Origin = "database"

    @property
    def key(self) -> Key:
        """What a route is told from others by; another one with the same key takes its place."""
        return self.kind, self.pattern, self.next_hop, self.port, self.transport

    @property
    def row(self) -> Row:
        """All of it but its origin, in the order of L{FIELDS}."""
        return (*self.key, self.priority, self.weight, self.rewrite)


# Reading what an operator wrote


def _read_number_pattern(word: str) -> str:
    if len(word) > LONGEST:
        raise ValueError(f"a pattern of at most {LONGEST} characters")
    return parse_pattern(word).text


def _read_rewrite(word: str) -> str:
    if len(word) > LONGEST or not is_number(word.replace(".", "0")):
        raise ValueError
    return word


KIND = one_of(E164, DOMAIN)
NUMBER_PATTERN: Kind[str] = one_word(_read_number_pattern, "a pattern of digits", "pattern")
DOMAIN_PATTERN: Kind[str] = one_word(read_domain, EXPECTED, "domain | *.domain | *")
NEXT_HOP = international_host()
PORT = whole(0, 65535)
#: The range of SRV records (RFC 2782), as is that of weights.
PRIORITY = whole(0, 65535)
WEIGHT = whole(0, 65535)
TRANSPORT = one_of(*TRANSPORTS)
REWRITE: Kind[str] = one_word(_read_rewrite, _REWRITE_EXPECTED, "number")


def read_pattern(kind: RouteKind, text: str) -> str:
    """Read the pattern of a route of some kind.

    @raise WrongFieldError: it is none
    """
    if kind == E164 and len(text) <= LONGEST and is_pattern(text):
        return text  # what nearly all are, and quickly
    return read_field("pattern", NUMBER_PATTERN if kind == E164 else DOMAIN_PATTERN, text)


def is_dialled(text: str) -> bool:
    """Tell whether a text is a number, for which E164 routes are looked for, and not a host."""
    return is_number(text)


def read_kind(text: str) -> RouteKind:
    """Read the kind of a route.

    @raise WrongFieldError: it is none
    """
    return E164 if read_field("kind", KIND, text) == E164 else DOMAIN


@lru_cache(maxsize=4096)
def _read_details(
    kind: str, next_hop: str, port: str, transport: str, priority: str, weight: str, rewrite: str
) -> StaticRoute:
    """Read all but the pattern; most routes of a table share it with many others, so it is read and kept once.

    @raise WrongFieldError: a field is wrong, or missing
    """
    return StaticRoute(
        read_kind(kind),
        "",
        read_field("next_hop", NEXT_HOP, next_hop),
        read_field("port", PORT, port or "0"),
        read_field("priority", PRIORITY, priority or "1"),
        read_field("weight", WEIGHT, weight or "1"),
        read_field("transport", TRANSPORT, transport or "udp"),
        read_field("rewrite", REWRITE, rewrite) if rewrite else "",
    )


def _with_pattern(details: StaticRoute, pattern: str, origin: Origin) -> StaticRoute:
    """Give a route of its details."""
    return StaticRoute(
        details.kind,
        pattern,
        details.next_hop,
        details.port,
        details.priority,
        details.weight,
        details.transport,
        details.rewrite,
        origin,
    )


def read_route(texts: Mapping[str, str], origin: Origin = "database") -> StaticRoute:
    """Read a route.

    @param texts: by the names of L{FIELDS}; what is left out or empty has its default
    @raise WrongFieldError: a field is wrong, or missing
    """
    kind, pattern, *others = [texts.get(name, "") for name in FIELDS]
    details = _read_details(kind, *others)
    pattern = read_pattern(details.kind, pattern)
    wanted = what_rewrite_needs(details.kind, pattern, details.rewrite)
    if wanted:
        raise WrongFieldError("rewrite", wanted, details.rewrite)
    return _with_pattern(details, pattern, origin)


def what_rewrite_needs(kind: RouteKind, pattern: str, rewrite: str) -> str:
    """Say what is expected of a rewrite that does not go with its pattern; empty where it does."""
    if rewrite and kind == E164 and not pattern.endswith("T") and rewrite.count(".") > len(pattern.removeprefix("+")):
        return "a rewrite with no more dots than the pattern has digits"
    return ""


@lru_cache(maxsize=4096)
def _stored_details(kind: str, *others: str | int) -> StaticRoute:
    """Give the details of a stored row.

    @raise ValueError: it has none, or written otherwise than we do
    """
    details = _read_details(kind, *map(str, others))
    if details.row != (kind, "", *others):
        raise ValueError(others)
    return details


def _from_row(row: Row) -> StaticRoute:
    """Give the route of a stored row.

    @raise ValueError: it is none, or written otherwise than we do
    """
    kind, pattern, *others = row
    details = _stored_details(str(kind), *others)
    if read_pattern(details.kind, str(pattern)) != pattern:
        raise ValueError(pattern)
    if what_rewrite_needs(details.kind, str(pattern), details.rewrite):
        raise ValueError(details.rewrite)
    return _with_pattern(details, pattern, "database")


class RouteIndex:
    """Routes by what they are for.

    @ivar numbers: those for numbers
    @ivar domains: those for domains
    """

    def __init__(self) -> None:
        self.numbers: Grouped[StaticRoute] = Grouped(PatternMap[tuple[StaticRoute, ...]](), _order)
        self.domains: Grouped[StaticRoute] = Grouped(DomainMap[tuple[StaticRoute, ...]](), _order)

    def __len__(self) -> int:
        return len(self.numbers) + len(self.domains)

    def __iter__(self) -> Iterator[StaticRoute]:
        yield from self.numbers
        yield from self.domains

    def of_kind(self, kind: RouteKind) -> Grouped[StaticRoute]:
        """Give the routes of a kind."""
        return self.numbers if kind == E164 else self.domains

    def update(self, records: Iterable[StaticRoute]) -> None:
        """Take routes, each in place of the one with its key; it is fastest in the order of their keys."""
        for kind, group in groupby(records, _kind):
            self.of_kind(kind).update(group)

    def discard(self, records: Iterable[StaticRoute]) -> None:
        """Forget routes by their keys."""
        for kind, group in groupby(records, _kind):
            self.of_kind(kind).discard(group)

    def get(self, record: StaticRoute) -> StaticRoute | None:
        """Give the route that is there with the key of another."""
        return self.of_kind(record.kind).get(record)

    def copy(self) -> "RouteIndex":
        """Give the same routes, to be changed by themselves."""
        other = RouteIndex()
        other.numbers, other.domains = self.numbers.copy(), self.domains.copy()
        return other


def _order(route: StaticRoute) -> tuple[int, str, int, str]:
    return route.priority, route.next_hop, route.port, route.transport


_kind = attrgetter("kind")


RouteTable = Table[StaticRoute, RouteIndex]

FORM: Form[StaticRoute, RouteIndex] = Form(LAYOUT, "mod_sip_routing", RouteIndex, _from_row)


def route_table(store: IRowStore, clock: IReactorTime) -> RouteTable:
    """Make the routing database over a store.

    @param clock: measures delays, and gives the time in seconds since 1970
    """
    return Table(FORM, store, clock)


class Routes(Configured[StaticRoute, RouteIndex]):
    """The static routes of one generation of the configuration, and those of the routing database.

    A call sees all of a change, or nothing: what is given is never changed afterwards.
    """

    def e164(self, number: str) -> Sequence[StaticRoute]:
        """Give the routes of the most specific pattern that matches a number, by priority; empty where none does.

        @param number: expanded, without visual separators, with its plus where it has one
        @raise UnavailableError: none is known, as the database has not been read
        """
        found = self.configured.numbers.over(self._table.index.numbers, number)
        if not found and self._table.is_unread:
            raise UnavailableError(b"Routing Database Unavailable")
        return found

    def e164_matches(self, number: str) -> Iterator[tuple[str, Sequence[StaticRoute]]]:
        """Give each pattern that matches a number, most specific first, with its routes by priority."""
        return self.configured.numbers.all_over(self._table.index.numbers, number)

    def domain(self, host: str) -> Sequence[StaticRoute]:
        """Give the routes of the most specific pattern that matches a host, by priority; empty where none does.

        @param host: name or literal address, IPv6 with or without brackets
        @raise UnavailableError: none is known, as the database has not been read; not for a literal address, or
            nothing registered could be called
        """
        found = self.configured.domains.over(self._table.index.domains, host)
        if not found and self._table.is_unread and not is_literal(host):
            raise UnavailableError(b"Routing Database Unavailable")
        return found

    def domain_matches(self, host: str) -> Iterator[tuple[str, Sequence[StaticRoute]]]:
        """Give each pattern that matches a host, most specific first, with its routes by priority."""
        return self.configured.domains.all_over(self._table.index.domains, host)

    def delete(self, kind: RouteKind, pattern: str, next_hop: str | None = None) -> Deferred[Change[StaticRoute]]:
        """Delete the routes of a pattern, or those to one next hop, from the database.

        @return: fires with the change, an empty one where there are none, once it is durable and in force
        @raise StoreError: in the Deferred: nothing has changed
        """
        return self._table.delete(lambda index: _chosen(index, kind, pattern, next_hop))

    def is_configured(self, kind: RouteKind, pattern: str, next_hop: str | None = None) -> bool:
        """Tell whether the configuration has routes of a pattern, to one next hop or to any."""
        return bool(_chosen(self.configured, kind, pattern, next_hop))


def _chosen(index: RouteIndex, kind: RouteKind, pattern: str, next_hop: str | None) -> list[StaticRoute]:
    return [route for route in index.of_kind(kind).of(pattern) if next_hop is None or route.next_hop == next_hop]
