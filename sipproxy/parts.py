"""What outlives a generation of the configuration: databases, the health of gateways, what authentication remembers."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from sipproxy.access import settings as authen
from sipproxy.access.failures import FailureLimit
from sipproxy.access.keyed import make_secret
from sipproxy.access.nonces import Nonces
from sipproxy.config import Settings
from sipproxy.databases import numbers, routes
from sipproxy.databases.numbers import NUMBERS_DATABASE, NumbersTable, numbers_table
from sipproxy.databases.registry import REGISTRY_DATABASE, MemoryStore, Registry
from sipproxy.databases.registry_sqlite import SqliteStore
from sipproxy.databases.routes import RouteTable, route_table
from sipproxy.databases.routes_settings import ROUTING_DATABASE
from sipproxy.databases.subscribers_ldap import LdapStore
from sipproxy.databases.subscribers_settings import make_subscribers
from sipproxy.databases.table import IRowStore, Layout, MemoryRows
from sipproxy.databases.table_sqlite import SqliteRows
from sipproxy.interfaces import INetwork, IResolver, ISubscribers
from sipproxy.modules import AUTH_REALM
from sipproxy.net import ldap_settings
from sipproxy.net.radius import RadiusClient
from sipproxy.net.radius_settings import RADIUS_SERVER, configured_client
from sipproxy.net.settings import configured_resolver
from sipproxy.routing.gateways import HOLD_DOWN, PROBE_INTERVAL, Gateways


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

    @ivar network: where ports come from
    @ivar resolver: addresses of hosts
    @ivar registry: bindings of addresses of record
    @ivar subscribers: the subscriber database
    @ivar routes: the routing database
    @ivar numbers: the number-services database
    @ivar gateways: the health of next hops
    @ivar guard: what authentication remembers
    """

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


def make_parts(
    settings: Settings,
    reactor: Any,
    network: INetwork,
    random: Random,
    resolver: IResolver | None = None,
    subscribers: ISubscribers | None = None,
) -> Parts:
    """Make the parts of a server; nothing is opened before it is started.

    @param resolver: by default the configured one
    @param subscribers: by default the configured ones
    """
    resolver = resolver or configured_resolver(settings, reactor)
    return Parts(
        reactor,
        network,
        random,
        resolver,
        Registry(_registry_store(settings, reactor), reactor, reactor.seconds),
        subscribers or make_subscribers(settings, reactor, partial(_ldap_store, settings, reactor, resolver)),
        route_table(_rows(settings[ROUTING_DATABASE], routes.LAYOUT, reactor), reactor),
        numbers_table(_rows(settings[NUMBERS_DATABASE], numbers.LAYOUT, reactor), reactor),
        Gateways(reactor, settings[HOLD_DOWN], settings[PROBE_INTERVAL]),
        _guard(settings, reactor, network, resolver, random),
    )


def _guard(settings: Settings, reactor: Any, network: INetwork, resolver: IResolver, random: Random) -> Guard:
    asks = bool(settings[RADIUS_SERVER])
    return Guard(
        Nonces(random, reactor.seconds, settings[authen.NONCE_LIFETIME]),
        FailureLimit(settings[authen.FAILURE_LIMIT], reactor),
        make_secret(random),
        configured_client(settings, reactor, network, resolver, random) if asks else None,
    )


def _ldap_store(settings: Settings, reactor: Any, resolver: IResolver) -> LdapStore:
    directory = ldap_settings.configured_directory(settings, reactor, resolver)
    return LdapStore(directory, settings[ldap_settings.USER_ATTRIBUTE], settings[AUTH_REALM])


def _registry_store(settings: Settings, reactor: Any) -> Any:
    place = settings[REGISTRY_DATABASE]
    return SqliteStore(place, reactor) if isinstance(place, Path) else MemoryStore()


def _rows(place: Path | str, layout: Layout, reactor: Any) -> IRowStore:
    return SqliteRows(place, layout, reactor) if isinstance(place, Path) else MemoryRows(layout)
