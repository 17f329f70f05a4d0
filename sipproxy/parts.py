"""What outlives a generation of the configuration: databases, the health of gateways, what authentication remembers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from sipproxy import __version__, directives
from sipproxy.access import settings as authen
from sipproxy.access.failures import FailureLimit
from sipproxy.access.keyed import make_secret
from sipproxy.access.nonces import Nonces
from sipproxy.accounting import settings as acct
from sipproxy.accounting.calls import Rules
from sipproxy.accounting.journal import Journal
from sipproxy.accounting.rows import SpoolFile
from sipproxy.accounting.service import AccountingService, Destinations, RadiusServers, make_accounting
from sipproxy.config import Settings
from sipproxy.control.watch_settings import METRICS_LISTEN
from sipproxy.control.watched import Watch
from sipproxy.databases import numbers, routes
from sipproxy.databases.numbers import NUMBERS_DATABASE, NumbersTable
from sipproxy.databases.records import I, R
from sipproxy.databases.registry import REGISTRY_DATABASE, Registry
from sipproxy.databases.registry_sqlite import SqliteStore
from sipproxy.databases.registry_store import MemoryStore
from sipproxy.databases.routes import RouteTable
from sipproxy.databases.routes_settings import ROUTING_DATABASE
from sipproxy.databases.subscribers_ldap import LdapStore
from sipproxy.databases.subscribers_settings import make_subscribers
from sipproxy.databases.table import Form, IRowStore, Layout, MemoryRows, Table
from sipproxy.databases.table_sqlite import SqliteRows
from sipproxy.farm import settings as farm
from sipproxy.farm.farm import Farm, SharedRows
from sipproxy.farm.keyspace import IKeyspace
from sipproxy.farm.making import Sharing, configured_keyspace
from sipproxy.farm.registry import SharedRegistry
from sipproxy.farm.table import SharedTable
from sipproxy.interfaces import INetwork, IResolver, ISubscribers
from sipproxy.logs.appending import AppendFile
from sipproxy.modules import AUTH_REALM, FARM_MEMBER
from sipproxy.net import ldap_settings
from sipproxy.net.radius import RadiusClient
from sipproxy.net.radius_settings import ADD_DOMAIN, NAS_IP_ADDRESS, RADIUS_SERVER, configured_client
from sipproxy.net.settings import configured_resolver
from sipproxy.routing import IRouter
from sipproxy.routing.gateways import HOLD_DOWN, PROBE_INTERVAL, Gateways
from sipproxy.translation import ITranslator
from sipproxy.wire.radius import nas_attributes


class Guard(NamedTuple):
    """What authentication must remember over a change of the configuration.

    @ivar secret: of the keys by which requests that come back are known
    @ivar radius: asks RADIUS servers; None where none is configured
    """

    nonces: Nonces
    failures: FailureLimit
    secret: bytes
    radius: RadiusClient | None


@dataclass(frozen=True)
class Parts:
    """What outlives a generation.

    @ivar started: the configuration that the server was started with
    @ivar network: where ports come from
    @ivar resolver: addresses of hosts
    @ivar registry: bindings of addresses of record
    @ivar subscribers: the subscriber database
    @ivar routes: the routing database
    @ivar numbers: the number-services database
    @ivar gateways: the health of next hops
    @ivar guard: what authentication remembers
    @ivar accounting: keeps records of calls; None where Accounting is Off
    @ivar farm: this member of it; None where Farm is Off
    @ivar translators: those of who embeds the server, asked before our own
    @ivar routers: likewise, for numbers and names at our own host
    @ivar via_ports: the ports that Via names, of all worker processes, where there are some
    @ivar watch: counts what translators, routers and backends give; None where nobody asks for metrics
    """

    started: Settings
    reactor: Any
    network: INetwork
    random: Random
    resolver: IResolver
    registry: Registry
    subscribers: ISubscribers
    routes: RouteTable
    numbers: NumbersTable
    gateways: Gateways
    guard: Guard
    accounting: AccountingService | None
    farm: Farm | None
    translators: tuple[ITranslator, ...]
    routers: tuple[IRouter, ...]
    watch: Watch | None
    via_ports: frozenset[int] = frozenset()


def make_parts(
    settings: Settings,
    reactor: Any,
    network: INetwork,
    random: Random,
    resolver: IResolver | None = None,
    subscribers: ISubscribers | None = None,
    translators: Sequence[ITranslator] = (),
    routers: Sequence[IRouter] = (),
) -> Parts:
    """Make the parts of a server; nothing is opened before it is started.

    @param resolver: by default the configured one
    @param subscribers: by default the configured ones
    @param translators: further ones
    @param routers: further ones
    """
    resolver = resolver or configured_resolver(settings, reactor)
    watch = Watch(reactor.seconds) if settings[METRICS_LISTEN] else None
    guard = _guard(settings, reactor, network, resolver, random)
    sharing = _sharing(settings, reactor, random, watch) if settings[farm.FARM] else None
    registry = _registry(settings, reactor, sharing, watch)
    route_table = _table("routing", routes.FORM, settings[ROUTING_DATABASE], reactor, sharing)
    numbers_table = _table("numbers", numbers.FORM, settings[NUMBERS_DATABASE], reactor, sharing)
    return Parts(
        settings,
        reactor,
        network,
        random,
        resolver,
        registry,
        subscribers or make_subscribers(settings, reactor, partial(_ldap_store, settings, reactor, resolver)),
        route_table,
        numbers_table,
        Gateways(reactor, settings[HOLD_DOWN], settings[PROBE_INTERVAL]),
        guard,
        _accounting(settings, reactor, network, guard.radius, watch) if settings[acct.ACCOUNTING] else None,
        None if sharing is None else _farm(sharing, registry, {"routing": route_table, "numbers": numbers_table}),
        tuple(translators),
        tuple(routers),
        watch,
    )


def _sharing(settings: Settings, reactor: Any, random: Random, watch: Watch | None) -> Sharing:
    listen = [str(place) for place in settings[directives.LISTEN]]
    keyspace: IKeyspace = configured_keyspace(settings, reactor)
    if watch is not None:
        keyspace = watch.keyspace(keyspace)
    place = settings[REGISTRY_DATABASE]
    return Sharing(settings, reactor, random, settings[FARM_MEMBER], __version__, listen, place, keyspace)


def _registry(settings: Settings, reactor: Any, sharing: Sharing | None, watch: Watch | None) -> Registry:
    store = _registry_store(settings, reactor)
    if watch is not None:
        store = watch.store(store)
    if sharing is None or not sharing.shares("registry"):
        return Registry(store, reactor, reactor.seconds)
    return sharing.registry(store)


def _table(name: str, form: Form[R, I], place: Path | str, reactor: Any, sharing: Sharing | None) -> Table[R, I]:
    rows = _rows(place, form.layout, reactor)
    if sharing is None or not sharing.shares(name):
        return Table(form, rows, reactor)
    return sharing.table(name, form, rows)


def _farm(sharing: Sharing, registry: Registry, tables: Mapping[str, Table[Any, Any]]) -> Farm:
    shared: dict[str, SharedRows] = {name: table for name, table in tables.items() if isinstance(table, SharedTable)}
    return sharing.farm(registry if isinstance(registry, SharedRegistry) else None, shared)


def _guard(settings: Settings, reactor: Any, network: INetwork, resolver: IResolver, random: Random) -> Guard:
    asks = bool(settings[RADIUS_SERVER])
    return Guard(
        Nonces(random, reactor.seconds, settings[authen.NONCE_LIFETIME]),
        FailureLimit(settings[authen.FAILURE_LIMIT], reactor),
        make_secret(random),
        configured_client(settings, reactor, network, resolver, random) if asks else None,
    )


def _accounting(
    settings: Settings, reactor: Any, network: INetwork, radius: RadiusClient | None, watch: Watch | None
) -> AccountingService:
    spool, place = settings[acct.SPOOL], settings[acct.ACCOUNTING_FILE]
    sends = any(server.kind == "acct" for server in settings[RADIUS_SERVER])
    return make_accounting(
        reactor,
        reactor.seconds,
        SpoolFile(spool, reactor),
        Journal(spool),
        settings[acct.SPOOL_MAX],
        Rules(
            settings[acct.MAX_CALL_AGE], settings[acct.SPOOL_MAX], settings[authen.USER_SOURCE], settings[ADD_DOMAIN]
        ),
        Destinations(
            _watched(radius, watch) if radius is not None and sends else None,
            None if place is None else AppendFile(str(place)),
        ),
        nas_attributes(nas_address(settings, network)),
    )


def _watched(radius: RadiusClient, watch: Watch | None) -> RadiusServers:
    return radius if watch is None else watch.accounting(radius)


def nas_address(settings: Settings, network: INetwork) -> str:
    """Give the address that stands for this server in RADIUS (RFC 2865 5.4)."""
    first = settings[directives.LISTEN][0].host
    if first in (None, "0.0.0.0", "::"):
        first = next(iter(network.local_addresses()), "127.0.0.1")
    return settings[NAS_IP_ADDRESS] or first or ""


def _ldap_store(settings: Settings, reactor: Any, resolver: IResolver) -> LdapStore:
    directory = ldap_settings.configured_directory(settings, reactor, resolver)
    return LdapStore(directory, settings[ldap_settings.USER_ATTRIBUTE], settings[AUTH_REALM])


def _registry_store(settings: Settings, reactor: Any) -> Any:
    place = settings[REGISTRY_DATABASE]
    return SqliteStore(place, reactor) if isinstance(place, Path) else MemoryStore()


def _rows(place: Path | str, layout: Layout, reactor: Any) -> IRowStore:
    return SqliteRows(place, layout, reactor) if isinstance(place, Path) else MemoryRows(layout)
