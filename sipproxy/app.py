"""The composition root: a configuration in, a MultiService out.

The only place that knows concrete classes. C{make_service} is for embedders
and for C{twistd} alike; see docs/embedding.md.
"""

import gc
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from sipproxy import directives, privileges
from sipproxy.access import settings as authen
from sipproxy.accounting import settings as acct
from sipproxy.chance import PooledSystemRandom
from sipproxy.composition import Composition, compose
from sipproxy.config import Directive, Line, Settings, changed, load, load_lines, load_value
from sipproxy.control import CONTROL_SOCKET
from sipproxy.control import watch_settings as watch
from sipproxy.control.dbus_settings import DBUS
from sipproxy.control.tallies import Lateness, RequestTally
from sipproxy.databases import subscribers_settings
from sipproxy.databases.numbers import NUMBERS_DATABASE
from sipproxy.databases.registry import REGISTRY_DATABASE
from sipproxy.databases.routes_settings import ROUTING_DATABASE
from sipproxy.databases.subscribers import Subscribers
from sipproxy.databases.subscribers_settings import SUBSCRIBER_DATABASE
from sipproxy.farm import settings as farm
from sipproxy.interfaces import Address, ICallObserver, INetwork, IOutcomeObserver, IResolver, ISubscribers
from sipproxy.ipsec import IPSEC, VICI_SOCKET, IPSecService, ProtectedNetwork, configured_peers, make_ipsec
from sipproxy.logs import directives as log_directives
from sipproxy.logs import open_logs
from sipproxy.modules import FARM_MEMBER, MODULES
from sipproxy.net import ldap_settings, radius_settings
from sipproxy.net import settings as net
from sipproxy.net.hep import HepSender
from sipproxy.net.tapped import TappedNetwork
from sipproxy.net.udp import UdpNetwork
from sipproxy.parts import Parts, make_parts
from sipproxy.preview import Preview, preview
from sipproxy.proxy.core import Core
from sipproxy.proxy.history import CallHistory
from sipproxy.proxy.points import Points
from sipproxy.routing import IRouter
from sipproxy.routing.gateways import HOLD_DOWN, PROBE_INTERVAL
from sipproxy.server import Claim, SipService, make_folders, most_transactions
from sipproxy.services import DatabaseService, LogService, RadiusService
from sipproxy.transaction import TimerWheel
from sipproxy.translation import ITranslator

if TYPE_CHECKING:
    from sipproxy.control.dbus import DBusService

log = Logger(namespace="mod_sip")

#: Seconds between two looks at whether requests of an earlier configuration are left.
_LOOK_AGAIN = 1.0
#: What a running server cannot change.
FIXED: tuple[Directive[Any], ...] = (
    directives.SERVER_ROOT,
    directives.PID_FILE,
    directives.LOCK_FILE,
    directives.LISTEN,
    directives.ADVERTISED,
    directives.RECEIVE_BUFFER,
    directives.DSCP,
    directives.GRACEFUL_STOP,
    directives.START_SERVERS,
    privileges.USER,
    privileges.GROUP,
    directives.EXPLAIN_HISTORY,
    REGISTRY_DATABASE,
    ROUTING_DATABASE,
    NUMBERS_DATABASE,
    *subscribers_settings.DIRECTIVES,
    *ldap_settings.DIRECTIVES,
    CONTROL_SOCKET,
    *(directive for directive in log_directives.MODULE.directives if directive is not log_directives.LOG_LEVEL),
    *net.DIRECTIVES,
    *watch.DIRECTIVES,
    authen.NONCE_LIFETIME,
    authen.FAILURE_LIMIT,
    authen.USER_SOURCE,
    *radius_settings.DIRECTIVES,
    *acct.DIRECTIVES,
    DBUS,
    IPSEC,
    VICI_SOCKET,
    FARM_MEMBER,
    *(directive for directive in farm.DIRECTIVES if directive is not farm.DRAIN_TIMEOUT),
)


def load_settings(path: str | Path) -> Settings:
    """Read a configuration file.

    @raise sipproxy.config.ConfigError: with all that is wrong in it
    """
    return load(Path(path), MODULES, os.environ, directives.SERVER_ROOT)


def control_socket_in(path: str | Path) -> Path | None:
    """Find the control socket that a configuration file names, whatever else is wrong with it.

    @return: None where that is wrong too
    """
    return load_value(CONTROL_SOCKET, Path(path), MODULES, os.environ, directives.SERVER_ROOT)


def load_again(lines: Iterable[Sequence[Any]], directory: str) -> Settings:
    """Make settings from what those of another process were read from.

    @param lines: C{Settings.lines}, maybe as JSON has them
    @param directory: C{Settings.directory}
    @raise sipproxy.config.ConfigError: with all that is wrong in it
    """
    given = [Line(file, number, text, tuple(map(tuple, joints))) for file, number, text, joints in lines]
    return load_lines(given, Path(directory), MODULES, os.environ, directives.SERVER_ROOT)


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Make settings from directives and their texts, as they would stand in sipd.conf.

    @param values: text, or a list of texts for a directive that may be repeated
    @raise sipproxy.config.ConfigError: with all that is wrong in it
    """
    return Settings.of(MODULES, values, Path.cwd(), directives.SERVER_ROOT)


class Counts(NamedTuple):
    """What is counted for metrics only.

    @ivar requests: requests by method, and their responses
    @ivar lateness: how late the reactor is
    """

    requests: RequestTally
    lateness: Lateness


class Server(MultiService):
    """The whole server as one service.

    @ivar composition: the configuration that it serves by, and what was made of it
    @ivar generation: how many configurations it has served by
    @ivar generation_since: when it began to serve by this one, seconds since 1970
    @ivar sip: ports, transactions and core
    @ivar registry: bindings of addresses of record
    @ivar logs: error log and access logs
    @ivar bus: the bus of D-Bus that it is on, None for none
    @ivar when_serving: fires with None once it serves for the first time
    @cvar sip_service: what opens its ports
    """

    sip_service: type[SipService] = SipService

    def __init__(
        self,
        parts: Parts,
        composition: Composition,
        sip: SipService,
        databases: Sequence[DatabaseService],
        logs: LogService,
    ) -> None:
        super().__init__()
        self.setName("sipproxy")
        self.parts = parts
        self.composition = composition
        self.generation = 1
        self.generation_since: float = parts.reactor.seconds()
        self._started_with = composition.settings
        self.sip = sip
        self.registry = parts.registry
        self.logs = logs.logs
        self._databases = databases
        self._logs = logs
        self.ipsec: IPSecService | None = None
        self.bus: DBusService | None = None
        self.when_serving: Deferred[None] = Deferred()
        self.counts: Counts | None = None
        self.hep: HepSender | None = None
        # Stopped in reverse: ports first, then what they use, then the logs.
        clients = [] if parts.guard.radius is None else [RadiusService(parts.guard.radius)]
        records = [] if parts.accounting is None else [parts.accounting]
        for part in (logs, *databases, *clients, *records, composition.service, sip):
            part.setServiceParent(self)

    def protect(self, ipsec: IPSecService | None) -> None:
        """Let the protection of peers start and stop with the server."""
        self.ipsec = ipsec
        if ipsec is not None:
            ipsec.setServiceParent(self)

    def join(self, bus: "DBusService") -> None:
        """Let the place on a bus start and stop with the server."""
        self.bus = bus
        bus.setServiceParent(self)

    def observe(self, counts: Counts | None, hep: HepSender | None) -> None:
        """Let what counts and copies start and stop with the server."""
        self.counts, self.hep = counts, hep
        for part in (hep, None if counts is None else counts.lateness):
            if part is not None:
                part.setServiceParent(self)

    @staticmethod
    def compose(settings: Settings, parts: Parts) -> Composition:
        """Make what it serves by."""
        return compose(settings, parts)

    def changes(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Tell what another configuration would change.

        @return: names of directives: of those that take effect at once, and of those that do at the next start
        """
        fixed = {directive.name for directive in FIXED}
        now = [each.name for each in changed(MODULES, self.composition.settings, settings) if each.name not in fixed]
        later = [each.name for each in changed(MODULES, self._started_with, settings) if each.name in fixed]
        return now, later

    async def preview(self, settings: Settings) -> Preview:
        """Tell which of the last calls would go elsewhere with another configuration.

        @raise sipproxy.errors.SipproxyError: it cannot be composed
        """
        return await preview(self.sip.core, self.parts, self.composition.settings, settings)

    def reload(self, settings: Settings) -> None:
        """Serve by another configuration from now on; requests that are being dealt with end by theirs.

        @raise sipproxy.errors.SipproxyError: something in it cannot be opened; the server goes on as before
        """
        peers = () if self.ipsec is None else configured_peers(settings)
        made, old = self.compose(settings, self.parts), self.composition
        if self.running:
            made.service.startService()
        made.service.setServiceParent(self)
        self.composition = made
        self.generation += 1
        self.generation_since = self.parts.reactor.seconds()
        self.sip.core.serve_by(made.generation)
        self.sip.serve_by(settings)
        self.parts.gateways.configure(settings[HOLD_DOWN], settings[PROBE_INTERVAL])
        if self.ipsec is not None:
            self.ipsec.serve_by(peers)
        chosen = settings[log_directives.LOG_LEVEL]
        if chosen != old.settings[log_directives.LOG_LEVEL]:
            self.logs.levels.replace(chosen.default, chosen.by_module)
        log.info("serving by generation {number} of the configuration", number=self.generation, severity="notice")
        self._end_when_unused(old)

    def _end_when_unused(self, old: Composition) -> None:
        """Close what a configuration uses once no request is left of it."""

        def look() -> None:
            if not self.running or not self.sip.core.uses(old.generation):
                looking.stop()
                if old.service.parent is not None:
                    old.service.disownServiceParent()
                gc.collect()  # seldom done otherwise, and a configuration is many rings of references

        looking = LoopingCall(look)
        looking.clock = self.parts.reactor
        looking.start(_LOOK_AGAIN, now=False)

    def open(self) -> None:
        """Open the ports without serving yet; a second call does nothing.

        @raise sipproxy.errors.ListenError: a port cannot be opened
        """
        self.sip.open()
        # Only now: twistd repeats to every observer there is what was said before its own log began.
        self._logs.attach()

    def startService(self) -> None:
        """Open the ports; they are read once the registrations are loaded.

        @raise sipproxy.errors.ListenError: a port cannot be opened
        """
        self._logs.attach()
        self.open()
        super().startService()
        needed = [database.loaded for database in self._databases if database.is_needed]
        if self.parts.accounting is not None:
            needed.append(self.parts.accounting.loaded)
        waited: Deferred[Any] = DeferredList(needed)
        waited.addCallback(self._serve)

    def _serve(self, results: "Sequence[tuple[bool, Any]]") -> None:
        # Calls go on without what cannot be read; who asks for it is told.
        for _, error in results:
            if error is not None:
                log.critical("a database cannot be read: {error}", error=error)
        if self.running:
            self.parts.gateways.start(self.sip.probe)
            self.sip.serve().addCallback(self._serves)

    def _serves(self, _: None) -> None:
        if not self.when_serving.called:
            self.when_serving.callback(None)
        log.info("serving, {count} addresses of record registered", count=len(self.registry), severity="notice")

    def reopen_logs(self) -> None:
        """Open all log files anew, as somebody has renamed them."""
        self.logs.reopen()
        if self.parts.accounting is not None:
            self.parts.accounting.reopen()

    def stopService(self) -> "Deferred[None]":
        """End: requests that are being dealt with first (GracefulStopInS), then all else."""
        services = [service for service in self if service is not self.sip]
        self.running = 0
        stopped: Deferred[Any] = self.sip.stopService()
        stopped.addCallback(lambda _: self.parts.gateways.stop())
        for service in reversed(services):
            stopped.addCallback(_stop, service)
        return stopped.addCallback(_none)


def _stop(_: object, service: IService) -> Any:
    return service.stopService()


def _none(_: object) -> None:
    """The end of a chain."""


def make_service(
    settings: Settings,
    reactor: Any = None,
    network: INetwork | None = None,
    random: Random | None = None,
    observers: Sequence[IOutcomeObserver] = (),
    call_observers: Sequence[ICallObserver] = (),
    resolver: IResolver | None = None,
    subscribers: ISubscribers | None = None,
    translators: Sequence[ITranslator] = (),
    routers: Sequence[IRouter] = (),
) -> Server:
    """Make the server that a configuration describes.

    Nothing is opened before C{startService}, but the folders of configured
    paths are created and the log files opened.

    @param reactor: the reactor, by default the global one; C{task.Clock} with a memory network and a resolver
    @param network: where ports come from, by default the operating system's UDP
    @param random: source of branches and tags, by default the system's
    @param observers: further observers of finished requests
    @param call_observers: further observers of calls
    @param subscribers: the subscriber database, by default the configured one
    @param resolver: addresses of hosts, by default from the hosts file and the DNS
    @param translators: translators of one's own, asked before the configured ones
    @param routers: routers of one's own for our own host, asked before the configured ones
    @raise sipproxy.errors.ListenError: a folder cannot be created
    """
    if reactor is None:
        from twisted.internet import reactor
    if network is None:
        network = UdpNetwork(reactor, settings[directives.RECEIVE_BUFFER], settings[directives.DSCP])
    make_folders(settings, paths_of(settings))
    parts = make_parts(
        settings, reactor, network, random or PooledSystemRandom(), resolver, subscribers, translators, routers
    )
    return assemble(parts, observers, call_observers)


def assemble(
    parts: Parts,
    observers: Sequence[IOutcomeObserver] = (),
    call_observers: Sequence[ICallObserver] = (),
    kind: type[Server] = Server,
    claim: Claim | None = None,
    via_ports: Mapping[Address, int] | None = None,
) -> Server:
    """Make a server of its parts.

    @param kind: what it is to be
    @param claim: see L{SipService}
    @param via_ports: see L{SipService}
    """
    settings, reactor, network = parts.started, parts.reactor, parts.network
    logs = open_logs(settings, reactor, settings[directives.SERVER_NAME])
    counts = None if parts.watch is None else Counts(RequestTally(), Lateness(reactor))
    hep = _hep(settings, reactor, network, parts.resolver) if settings[watch.HEP_SERVER] else None
    made = kind.compose(settings, parts)
    wheel, points = TimerWheel(reactor), Points()
    core = Core(
        made.generation,
        wheel,
        points,
        parts.random,
        reactor.seconds,
        (*logs.access_observers, *([] if counts is None else [counts.requests]), *observers),
        most_transactions(settings),
        (*call_observers, *([] if parts.accounting is None else [parts.accounting.calls])),
        history=CallHistory(settings[directives.EXPLAIN_HISTORY]) if settings[directives.EXPLAIN_HISTORY] else None,
    )
    # Only SIP is copied: what the RADIUS client sends leaves by the network itself.
    carrier = network if hep is None else TappedNetwork(network, hep)
    ipsec = None
    if settings[IPSEC]:
        ports = [place.port for place in settings[directives.LISTEN]]
        ipsec = make_ipsec(settings, reactor, network, ports, parts.random)
        carrier = ProtectedNetwork(carrier, ipsec.guard, reactor)
    sip = kind.sip_service(settings, reactor, carrier, core, wheel, points, claim, via_ports)
    server = kind(parts, made, sip, _databases(parts), LogService(logs))
    server.protect(ipsec)
    server.observe(counts, hep)
    return server


def _hep(settings: Settings, reactor: Any, network: INetwork, resolver: IResolver) -> HepSender:
    place, agent = settings[watch.HEP_SERVER], settings[watch.HEP_CAPTURE_ID]
    assert place is not None
    return HepSender(place, agent, watch.hep_password(settings), network, resolver, reactor)


def _databases(parts: Parts) -> list[DatabaseService]:
    found = [
        DatabaseService("registry", parts.registry),
        DatabaseService("routes", parts.routes),
        DatabaseService("numbers", parts.numbers),
    ]
    if isinstance(parts.subscribers, Subscribers):
        found.append(DatabaseService("subscribers", parts.subscribers, is_needed=False))
    if parts.farm is not None:
        # First, as it must be stopped last: the databases tell it what is on its way.
        found.insert(0, DatabaseService("farm", parts.farm))
    return found


def paths_of(settings: Settings) -> list[Path | str]:
    """Give the paths that the server writes to."""
    return [
        settings[directives.PID_FILE],
        settings[directives.LOCK_FILE],
        settings[log_directives.ERROR_LOG],
        settings[REGISTRY_DATABASE],
        settings[ROUTING_DATABASE],
        settings[NUMBERS_DATABASE],
        settings[SUBSCRIBER_DATABASE],
        *([settings[acct.SPOOL], settings[acct.ACCOUNTING_FILE] or ""] if settings[acct.ACCOUNTING] else []),
        settings[CONTROL_SOCKET],
        *([] if settings[watch.MANHOLE_LISTEN] is None else [settings[directives.SERVER_ROOT] / watch.HOST_KEY]),
        *(place for place in [settings[watch.MANHOLE_LISTEN]] if isinstance(place, Path)),
        *(custom.path for custom in settings[log_directives.CUSTOM_LOG]),
    ]
