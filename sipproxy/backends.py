"""What a server depends on: how each is, since when and why it is away, and what goes on without it.

They know that themselves; here it is put together for status, metrics and
D-Bus. What is told of each, and for how long it stays so, is theirs.
"""

from collections.abc import Iterator
from typing import Any

from sipproxy.app import Server
from sipproxy.composition import Composition
from sipproxy.config import Settings
from sipproxy.control.status import Dependency
from sipproxy.databases import subscribers_settings
from sipproxy.databases.subscribers import Subscribers
from sipproxy.farm import settings as farm
from sipproxy.net import ldap_settings
from sipproxy.net.ras_gatekeeper import UNASKED
from sipproxy.net.resolver import Resolver
from sipproxy.net.sockets import address_text
from sipproxy.parts import Parts

_REGISTRY = "calls go on from memory, REGISTER is answered 503"
_ROUTES = "calls go on by the routes in memory, which cannot be changed"
_NUMBERS = "calls go on by the numbers in memory, which cannot be changed"
_SUBSCRIBERS = "who is cached goes on; who is not is answered 503 where that is needed"
_DNS = "addresses, known names and static routes to addresses go on; other names are answered 503"
_RADIUS = {
    "auth": "the next server is asked; with none, who must authenticate is answered 503",
    "acct": "calls go on, records wait in the spool",
}
_ACCOUNTING = {
    "accounting spool": "calls go on, records wait in memory and the journal",
    "accounting servers": "calls go on, records wait in the spool",
    "accounting file": "calls go on, records wait in the spool",
}
_GATEKEEPER = "the others are asked; calls go on without its answer"
_NAM = "the next one is asked; with none, calls go on without its answer"
_FARM = {
    "Majority": "calls go on, registrations are pending, routes and numbers cannot be changed",
    "Strict": "calls go on, REGISTER is answered 503, routes and numbers cannot be changed",
}
_IPSEC = "nothing is sent in the clear to peers that are not protected, nor taken from them; others go on"
_BUS = "all goes on, signals are not sent"


def backends(server: Server) -> list[Dependency]:
    """Tell how all is that a server depends on; after a reload it may depend on others."""
    found = [*_databases(server.parts), *_asked(server.parts), *_asked_by_modules(server.composition)]
    if server.ipsec is not None:
        found.append(_dependency("IPsec", server.ipsec, _IPSEC))
    if server.bus is not None:
        found.append(_dependency("D-Bus", server.bus, _BUS))
    return found


def _databases(parts: Parts) -> Iterator[Dependency]:
    yield _dependency("registry", parts.registry, _REGISTRY)
    yield _dependency("routes", parts.routes, _ROUTES)
    yield _dependency("numbers", parts.numbers, _NUMBERS)
    # Whoever embeds a server may have them elsewhere.
    if isinstance(parts.subscribers, Subscribers):
        name = _subscribers_name(parts.started)
        yield _dependency(name, parts.subscribers, _SUBSCRIBERS, parts.subscribers.is_asked)
    if parts.farm is not None:
        yield _dependency("farm", parts.farm, _FARM[parts.started[farm.ACKNOWLEDGE]])


def _subscribers_name(settings: Settings) -> str:
    """Say where subscribers are, as far as an operator must know to look there."""
    place = settings[subscribers_settings.SUBSCRIBER_DATABASE]
    if place == "mysql":
        address = settings[subscribers_settings.DB_HOST] or "", settings[subscribers_settings.DB_PORT]
        return f"MySQL {address_text(address)}"
    directory = settings[ldap_settings.SERVER]
    if place == "ldap" and directory is not None:
        return f"LDAP {address_text((directory.host, directory.port))}"
    return "subscribers"


def _asked(parts: Parts) -> Iterator[Dependency]:
    """Tell of those who are asked for what is not known here."""
    if isinstance(parts.resolver, Resolver) and parts.resolver.name_servers is not None:
        servers = parts.resolver.name_servers
        servers.look()
        yield _dependency("DNS", servers, _DNS, servers.is_asked)
    if parts.guard.radius is not None:
        for each in parts.guard.radius.servers:
            yield _dependency(each.name, each, _RADIUS[each.server.kind], each.is_asked)
    if parts.accounting is not None:
        for name, since, reason in parts.accounting.states:
            yield Dependency(name, since, reason, _ACCOUNTING[name])


def _asked_by_modules(composition: Composition) -> Iterator[Dependency]:
    if composition.gatekeepers is not None:
        for gatekeeper in composition.gatekeepers.gatekeepers:
            is_asked = gatekeeper.state.state != UNASKED
            yield _dependency(f"gatekeeper {gatekeeper.name}", gatekeeper, _GATEKEEPER, is_asked)
    if composition.nams is not None:
        for nam in composition.nams.states:
            since = nam.since if nam.state in ("away", "blocked") else None
            yield Dependency(f"NAM {nam.server}", since, nam.reason, _NAM, nam.state == "up")


def _dependency(name: str, source: Any, without: str, is_asked: bool = True) -> Dependency:
    return Dependency(name, source.away_since, source.away_reason, without, is_asked)
