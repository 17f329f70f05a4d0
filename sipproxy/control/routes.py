"""C{/v1/routes}: static routes, page by page; those of the routing database added, deleted and imported.

C{/v1/routes/test} tells which routes a number or a host finds, and which ones
these win over: the search is the one that calls use.
"""

from collections.abc import Callable, Iterable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.imports import Imports
from sipproxy.control.paging import ORIGIN, PAGING, page_of
from sipproxy.control.patterns import Pattern
from sipproxy.control.schema import COUNT, TEXT, TRUTH, an_array, an_object
from sipproxy.databases.fields import WrongFieldError, read_field
from sipproxy.databases.records import Change, Mode
from sipproxy.databases.routes import (
    DOMAIN,
    E164,
    FIELDS,
    NEXT_HOP,
    Routes,
    StaticRoute,
    is_dialled,
    read_kind,
    read_pattern,
    read_route,
)

_SHORT = {"type": "string", "maxLength": 300}
_NUMBER = {"type": "integer", "minimum": 0, "maximum": 65535}
_KIND = Field("kind", {"type": "string", "enum": [E164, DOMAIN]}, "For numbers, or for domains.", True)
_PATTERN = Field("pattern", _SHORT, "The pattern of numbers; or a domain, *.domain or *.", True)
_NEXT_HOP = Field("next_hop", _SHORT, "The host that calls are sent to.", True)
_ADD = (
    _KIND,
    _PATTERN,
    _NEXT_HOP,
    Field("port", _NUMBER, "Its port; 0, or none: what its SRV records say."),
    Field("transport", _SHORT, "How it is reached, udp where it is not said."),
    Field("priority", _NUMBER, "The lowest are tried first; 1 where there is none."),
    Field("weight", _NUMBER, "Its share among those of equal priority; 1 where there is none."),
    Field("rewrite", _SHORT, "What the user part becomes; dots stand for the last digits of the number."),
)
_LIST = (
    Field("kind", _KIND.schema, "Only those for numbers, or for domains."),
    Field("pattern", _SHORT, "Only those whose pattern reads like this; * stands for any text."),
    Field("next_hop", _SHORT, "Only those to these hosts; * stands for any text."),
    *PAGING,
)
_DELETE = (_KIND, _PATTERN, Field("next_hop", _SHORT, "The next hop; without one, all of the pattern."))
_TARGET = Field("target", {"type": "string", "minLength": 1, "maxLength": 300}, "A number, expanded; or a host.", True)

_ITEM = an_object(
    kind=_KIND.schema,
    pattern=TEXT,
    next_hop=TEXT,
    port=COUNT,
    transport=TEXT,
    priority=COUNT,
    weight=COUNT,
    rewrite=TEXT,
    origin=ORIGIN,
)
_ITEMS = an_array(_ITEM)
_PAGE = an_object(routes=_ITEMS, next={"type": ["string", "null"]})
_MATCH = an_object(pattern=TEXT, wins=TRUTH, routes=_ITEMS)
_TEST = an_object(target=TEXT, kind=_KIND.schema, matches=an_array(_MATCH))
_REFUSALS = {
    404: "There is no such route.",
    409: "It stands in the configuration.",
    422: "A value is none of a route.",
}


class RouteControl:
    """The static routes of one server.

    @param current: gives the routes of the configuration that is in force
    @param clock: ends imports that nobody goes on with
    """

    def __init__(self, current: Callable[[], Routes], clock: IReactorTime) -> None:
        self._current = current
        self._imports: Imports[StaticRoute] = Imports("/routes", FIELDS, read_route, self._take, clock)

    def _take(self, records: Sequence[StaticRoute], mode: Mode) -> Deferred[Change[StaticRoute]]:
        return self._current().import_(records, mode)

    def resources(self) -> tuple[Resource, ...]:
        """Give the resources."""
        operations = (
            Operation(
                "GET", "List routes, a page at a time.", self.show, _PAGE, query=_LIST, refusals={422: _REFUSALS[422]}
            ),
            Operation(
                "POST",
                "Add a route, or replace the one of the same pattern, next hop, port and transport.",
                self.add,
                _ITEM,
                body=_ADD,
                status=201,
                refusals={409: _REFUSALS[409], 422: _REFUSALS[422]},
            ),
            Operation(
                "DELETE",
                "Delete the routes of a pattern.",
                self.delete,
                an_object(routes=_ITEMS),
                query=_DELETE,
                refusals=_REFUSALS,
            ),
        )
        test = Operation("GET", "Tell which routes a number or a host finds.", self.test, _TEST, query=(_TARGET,))
        return Resource("/routes", operations), Resource("/routes/test", (test,)), self._imports.resource()

    def show(self, arguments: Arguments) -> Deferred[Json]:
        """Give a page.

        @raise ControlError: the place to go on from is none
        """
        kind = arguments.get("kind")
        patterns = Pattern(arguments.get("pattern", "*"))
        next_hops = Pattern(arguments.get("next_hop", "*"))

        def matches(item: Json) -> bool:
            return (
                kind in (None, item["kind"])
                and patterns.matches(item["pattern"])
                and next_hops.matches(item["next_hop"])
            )

        return page_of(self._current(), "routes", _item, matches, arguments)

    def add(self, arguments: Arguments) -> Deferred[Json]:
        """Add a route, or replace the one that is the same.

        @raise ControlError: it is none, or it stands in the configuration
        """
        try:
            route = read_route({name: str(value) for name, value in arguments.items()})
        except WrongFieldError as wrong:
            raise ControlError(422, str(wrong)) from None
        if self._current().configured.get(route) is not None:
            raise ControlError(409, f"{_named(route.kind, route.pattern, route.next_hop)} stands in the configuration")
        return self._current().add(route).addCallback(lambda _: _item(route))

    def delete(self, arguments: Arguments) -> Deferred[Json]:
        """Delete the routes of a pattern, or those to one next hop.

        @raise ControlError: they cannot be
        """
        try:
            kind = read_kind(arguments["kind"])
            pattern = read_pattern(kind, arguments["pattern"])
            next_hop = arguments.get("next_hop")
            if next_hop is not None:
                next_hop = read_field("next_hop", NEXT_HOP, next_hop)
        except WrongFieldError as wrong:
            raise ControlError(422, str(wrong)) from None

        def deleted(change: Change[StaticRoute]) -> Json:
            if not change.deleted:
                name = _named(kind, pattern, next_hop)
                if self._current().is_configured(kind, pattern, next_hop):
                    raise ControlError(409, f"{name} stands in the configuration and cannot be deleted here")
                raise ControlError(404, f"there is no {name}")
            return {"routes": _items(change.deleted)}

        return self._current().delete(kind, pattern, next_hop).addCallback(deleted)

    def test(self, arguments: Arguments) -> Json:
        """Tell which routes a number or a host finds, and over which others they win."""
        target = arguments["target"]
        kind = E164 if is_dialled(target) else DOMAIN
        found = self._current().e164_matches(target) if kind == E164 else self._current().domain_matches(target)
        return {
            "target": target,
            "kind": kind,
            "matches": [
                {"pattern": pattern, "wins": at == 0, "routes": _items(routes)}
                for at, (pattern, routes) in enumerate(found)
            ],
        }


def _named(kind: str, pattern: str, next_hop: str | None) -> str:
    return f"route {kind} {pattern}" + (f" to {next_hop}" if next_hop is not None else "")


def _items(routes: Iterable[StaticRoute]) -> list[Json]:
    return [_item(route) for route in routes]


def _item(route: StaticRoute) -> Json:
    return {**dict(zip(FIELDS, route.row, strict=True)), "origin": route.origin}
