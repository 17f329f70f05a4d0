"""What a day of the access log would have come to with another configuration.

Both configurations are composed as the server does it, and each logged INVITE is
taken through both (L{sipproxy.proxy.explain}). What is registered and what the
databases hold is read from their files as it is now, and left as it is. Name
servers are asked; gatekeepers, NAMs and RADIUS servers are not. Chance is the
same for both, so that weights make no difference.
"""

import re
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from zope.interface import implementer

from sipproxy import directives
from sipproxy.composition import compose
from sipproxy.config import Settings
from sipproxy.databases import numbers, routes
from sipproxy.databases.feed import Change
from sipproxy.databases.numbers import NUMBERS_DATABASE, numbers_table
from sipproxy.databases.registry import REGISTRY_DATABASE, Registry
from sipproxy.databases.registry_sqlite import SqliteStore
from sipproxy.databases.registry_store import MemoryStore
from sipproxy.databases.routes import route_table
from sipproxy.databases.routes_settings import ROUTING_DATABASE
from sipproxy.databases.subscribers import Subscribers
from sipproxy.databases.subscribers_memory import MemoryStore as NoSubscribers
from sipproxy.databases.subscribers_settings import SUBSCRIBER_CACHE, SUBSCRIBER_DATABASE
from sipproxy.databases.table import IRowStore, Layout, MemoryRows
from sipproxy.databases.table_sqlite import SqliteRows
from sipproxy.errors import SipParseError, StoreError
from sipproxy.interfaces import Address, INetwork, IPort
from sipproxy.message import Request, parse_message
from sipproxy.parts import Parts, make_parts
from sipproxy.preview import destination
from sipproxy.proxy.core import Core
from sipproxy.proxy.explain import explain
from sipproxy.proxy.points import Point, Points
from sipproxy.transaction import TimerWheel

_PAGE = 1000
_QUOTED = rb'"((?:[^"\\]|\\.)*)"'
# combined-sip: %h %l %u %t "%r" %>s %b %D "%{Call-ID}i" "%{From}i" "%{To}i" ...
_LINE = re.compile(rb"(\S+) \S+ .*? \[([^\]]*)\] %b \S+ \S+ \S+ %b %b %b" % ((_QUOTED,) * 4))
_ESCAPED = re.compile(rb"\\(x[0-9a-f]{2}|.)")
_NAMED = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


class Logged(NamedTuple):
    """A call in the access log.

    @ivar when: its time as written
    @ivar request: an INVITE with what the log knows of it
    """

    when: str
    source: Address
    request: Request


def read_line(line: bytes) -> Logged | None:
    """Read a line of an access log in combined-sip; None where it is not of a new call, or cannot be read."""
    found = _LINE.match(line)
    if found is None:
        return None
    host, when, start, call_id, from_, to = found.groups()
    start, call_id, from_, to = map(_unescaped, (start, call_id, from_, to))
    if not start.startswith(b"INVITE ") or b";tag=" in to.lower():
        return None
    data = b"\r\n".join(
        (
            start,
            b"Via: SIP/2.0/UDP replay.invalid;branch=z9hG4bKreplay",
            b"Max-Forwards: 70",
            b"From: " + from_,
            b"To: " + to,
            b"Call-ID: " + call_id,
            b"CSeq: 1 INVITE",
            b"Content-Length: 0",
            b"",
            b"",
        )
    )
    try:
        request = parse_message(data)
        address = str(ip_address(host.decode("ascii").partition("%")[0]))
    except (SipParseError, ValueError):
        return None
    return Logged(when.decode("latin-1"), (address, 5060), request) if isinstance(request, Request) else None


def _unescaped(field: bytes) -> bytes:
    if b"\\" not in field:
        return field
    return _ESCAPED.sub(_octet, field)


def _octet(escape: "re.Match[bytes]") -> bytes:
    name = escape[1]
    return bytes([int(name[1:], 16)]) if len(name) == 3 else _NAMED.get(name, name)


@implementer(IPort)
class _Nowhere:
    """A port that is not open."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def write(self, data: bytes, destination: Address) -> None:
        """Nothing is sent."""

    def pause(self) -> None:
        """Nothing is read."""

    def resume(self) -> None:
        """Nothing is read."""

    def stop(self) -> None:
        """Nothing is open."""


class Replay:
    """Two configurations, and what calls come to with each."""

    def __init__(self, current: Settings, other: Settings, reactor: Any, network: INetwork) -> None:
        """
        @param current: its databases are used for both
        """
        self._random = Random(0)
        self._registrations = MemoryStore()
        self._current = current
        self._parts = self._reading(make_parts(current, reactor, network, self._random))
        self._cores = [_core(settings, self._parts) for settings in (current, other)]

    def _reading(self, parts: Parts) -> Parts:
        """Give parts that leave the files of a server alone; one that is not there is not made."""
        settings, reactor = self._current, parts.reactor
        changes: dict[str, Any] = {
            "registry": Registry(self._registrations, reactor, reactor.seconds),
            "routes": route_table(_rows(settings[ROUTING_DATABASE], routes.LAYOUT, reactor), reactor),
            "numbers": numbers_table(_rows(settings[NUMBERS_DATABASE], numbers.LAYOUT, reactor), reactor),
            "farm": None,
        }
        place = settings[SUBSCRIBER_DATABASE]
        if isinstance(place, Path) and not place.exists():
            changes["subscribers"] = Subscribers(NoSubscribers(), reactor, settings[SUBSCRIBER_CACHE])
        return replace(parts, **changes)

    async def start(self) -> None:
        """Read the databases.

        @raise StoreError: one cannot be read
        """
        await self._copy_registrations()
        await self._parts.registry.start()
        await self._parts.routes.start()
        await self._parts.numbers.start()
        if isinstance(self._parts.subscribers, Subscribers):
            await self._parts.subscribers.start().addErrback(_away)

    async def _copy_registrations(self) -> None:
        place = self._current[REGISTRY_DATABASE]
        if not isinstance(place, Path) or not place.exists():
            return
        store, after, revision = SqliteStore(place, self._parts.reactor), b"", 0
        while rows := await store.page(after, _PAGE):
            self._registrations.commit([Change(revision, *row) for row in rows])
            after = rows[-1][0]
        await store.close()

    async def stop(self) -> None:
        """Let go of the files."""
        await self._parts.registry.stop()
        await self._parts.routes.stop()
        await self._parts.numbers.stop()
        if isinstance(self._parts.subscribers, Subscribers):
            await self._parts.subscribers.stop()

    async def compare(self, logged: Logged) -> tuple[str, str]:
        """Tell where a call goes with the current configuration, and where with the other."""
        found = []
        for core in self._cores:
            self._random.seed(0)
            found.append(destination(await explain(core, logged.request, logged.source)))
        return found[0], found[1]


def _rows(place: Path | str, layout: Layout, reactor: Any) -> IRowStore:
    """Give what is in a file, nothing where there is none."""
    return SqliteRows(place, layout, reactor) if isinstance(place, Path) and place.exists() else MemoryRows(layout)


def _core(settings: Settings, parts: Parts) -> Core:
    made = compose(settings, replace(parts, started=settings))
    place = settings[directives.LISTEN][0]
    port = _Nowhere((place.host or "0.0.0.0", place.port))
    points = Points([Point(port, None, parts.network.local_address)])
    return Core(made.generation, TimerWheel(parts.reactor), points, parts.random, parts.reactor.seconds, (), 1)


def _away(failure: Any) -> None:
    failure.trap(StoreError)
