"""What the configuration says of static routes and of the routing database (mod_sip_routing.c)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sipproxy.config import Block, Directive, Problem, Section, Settings, WrongValueError, on_off, path, words
from sipproxy.databases.fields import WrongFieldError
from sipproxy.databases.routes import (
    NEXT_HOP,
    PORT,
    PRIORITY,
    REWRITE,
    TRANSPORT,
    WEIGHT,
    RouteKind,
    StaticRoute,
    read_kind,
    read_pattern,
    what_rewrite_needs,
)

STATIC_ROUTING = Directive(
    "StaticRouting", on_off(), True, "Use the static routes, of this file and of RoutingDatabase."
)
SRV_ROUTING = Directive(
    "SRVRouting",
    on_off(),
    True,
    "Find the servers of other domains by their SRV records (RFC 3263); Off: by their addresses. What is said of the "
    "next hop of a static route does not depend on it.",
)
ROUTING_DATABASE: Directive[Path | str] = Directive(
    "RoutingDatabase",
    path(keywords=("memory",)),
    Path("data/routing.db"),
    "The SQLite file that keeps the routes that sipproxyctl adds, or memory: then none survives a restart.",
)

ROUTE_NEXT_HOP: Directive[str | None] = Directive(
    "Static_Route_NextHop", NEXT_HOP, None, "The host that calls are sent to. It must be there."
)
ROUTE_PORT = Directive(
    "Static_Route_NextHopPort", PORT, 0, "Its port; 0: what its SRV records say, or 5060 where it has none."
)
ROUTE_PRIORITY = Directive(
    "Static_Route_Priority", PRIORITY, 1, "Of several routes with one pattern, those with the lowest are tried first."
)
ROUTE_WEIGHT = Directive(
    "Static_Route_Weight", WEIGHT, 1, "The share of calls that it takes among routes of one pattern and priority."
)
ROUTE_TRANSPORT = Directive("Static_Route_Transport", TRANSPORT, "udp", "How the next hop is reached.")
ROUTE_REWRITE: Directive[str | None] = Directive(
    "Static_Route_Rewrite",
    REWRITE,
    None,
    "What the user part becomes there; dots stand for the last digits of the number.",
)


def _read_place(given: Sequence[str]) -> tuple[RouteKind, str]:
    """Read the words of the opening tag.

    @raise WrongValueError: a word is not what it should be
    """
    try:
        kind = read_kind(given[0])
        if len(given) != 2:
            raise WrongValueError("end of line" if len(given) > 2 else "a pattern", min(len(given), 2))
        return kind, read_pattern(kind, given[1])
    except WrongFieldError as wrong:
        raise WrongValueError(wrong.expected, 0 if wrong.field == "kind" else 1) from None


STATIC_ROUTE: Block[tuple[RouteKind, str]] = Block(
    "StaticRoute",
    words(_read_place, "E164 or Domain, and a pattern", "E164 pattern | Domain name"),
    (ROUTE_NEXT_HOP, ROUTE_PORT, ROUTE_PRIORITY, ROUTE_WEIGHT, ROUTE_TRANSPORT, ROUTE_REWRITE),
    "A route for the numbers that match the pattern, or for a domain: its name, *.name for all below it, or * for all. "
    "Several with one pattern are alternates.",
)

ROUTING_DIRECTIVES = (STATIC_ROUTING, SRV_ROUTING, ROUTING_DATABASE)
ROUTING_BLOCKS = (STATIC_ROUTE,)


def check_routes(settings: Settings) -> Iterator[Problem]:
    """Find routes without a next hop, rewrites that do not go with their pattern, and routes that stand there twice."""
    seen: set[object] = set()
    for section in settings.blocks(STATIC_ROUTE):
        inner = section.settings
        if inner[ROUTE_NEXT_HOP] is None:
            yield inner.error(ROUTE_NEXT_HOP, ROUTE_NEXT_HOP.name)
            continue
        wanted = what_rewrite_needs(*section.arguments, inner[ROUTE_REWRITE] or "")
        if wanted:
            yield inner.error(ROUTE_REWRITE, wanted)
        key = _route(section).key
        if key in seen:
            yield inner.error(ROUTE_NEXT_HOP, "a next hop that no other route of the pattern has")
        seen.add(key)


def static_routes(settings: Settings) -> tuple[StaticRoute, ...]:
    """Give the static routes of a configuration, in its order."""
    return tuple(map(_route, settings.blocks(STATIC_ROUTE)))


def _route(section: Section[tuple[RouteKind, str]]) -> StaticRoute:
    kind, pattern = section.arguments
    inner = section.settings
    return StaticRoute(
        kind,
        pattern,
        inner[ROUTE_NEXT_HOP] or "",
        inner[ROUTE_PORT],
        inner[ROUTE_PRIORITY],
        inner[ROUTE_WEIGHT],
        inner[ROUTE_TRANSPORT],
        inner[ROUTE_REWRITE] or "",
        "configuration",
    )
