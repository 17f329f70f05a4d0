"""The composition root: a configuration in, a MultiService out.

The only place that knows concrete classes. C{make_service} is for embedders
and for C{twistd} alike; see docs/embedding.md.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure

from sipproxy import directives
from sipproxy.chance import PooledSystemRandom
from sipproxy.config import Settings, load
from sipproxy.control import CONTROL_SOCKET, Api, ControlService, Resource
from sipproxy.control.calls import calls_resource
from sipproxy.control.log_levels import log_levels_resource
from sipproxy.control.registrations import Registrations
from sipproxy.control.status import Status
from sipproxy.control.transactions import transactions_resource
from sipproxy.control.version import version_resource
from sipproxy.databases.registry import REGISTRY_DATABASE, MemoryStore, Registry
from sipproxy.databases.registry_sqlite import SqliteStore
from sipproxy.databases.static import STATIC_REGISTRATION, WithStatic, by_aor
from sipproxy.errors import StoreError
from sipproxy.interfaces import INetwork, IOutcomeObserver, IRegistry, IResolver
from sipproxy.logs import Logs, open_logs
from sipproxy.logs import directives as log_directives
from sipproxy.logs.levels import CORE
from sipproxy.modules import MODULES, PROXY_DOMAIN
from sipproxy.net.settings import configured_resolver
from sipproxy.net.udp import UdpNetwork
from sipproxy.proxy.core import Core
from sipproxy.proxy.generation import Generation
from sipproxy.proxy.identity import Identity
from sipproxy.proxy.points import Points
from sipproxy.proxy.settings import Policy
from sipproxy.proxy.targets import Location
from sipproxy.registrar.registrar import Registrar, policy_of
from sipproxy.routing import RoutingChain
from sipproxy.routing.direct import DirectRouter
from sipproxy.server import SipService, make_folders, own_hosts
from sipproxy.services import RoutingService, TranslationService
from sipproxy.transaction import TimerWheel
from sipproxy.translation import TranslationChain
from sipproxy.translation.expansion import INTERPRETATION, NUM_EXPAND, Expansion
from sipproxy.translation.registry import REGISTRY, RegistryTranslator

log = Logger(namespace="mod_sip")


def load_settings(path: str | Path) -> Settings:
    """Read a configuration file.

    @raise sipproxy.config.ConfigError: with all that is wrong in it
    """
    return load(Path(path), MODULES, os.environ, directives.SERVER_ROOT)


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Make settings from directives and their texts, as they would stand in sipd.conf.

    @param values: text, or a list of texts for a directive that may be repeated
    @raise sipproxy.config.ConfigError: with all that is wrong in it
    """
    return Settings.of(MODULES, values, Path.cwd(), directives.SERVER_ROOT)


class LogService(Service):
    """The logs; the first service to start and the last to stop."""

    def __init__(self, logs: Logs) -> None:
        self.setName("logs")
        self.logs = logs

        self._attached = False

    def attach(self) -> None:
        """Take the events of twisted.logger; a second call does nothing."""
        if not self._attached:
            self._attached = True
            globalLogPublisher.addObserver(self.logs.error_observer)

    def stopService(self) -> None:
        """Write what waits and close."""
        super().stopService()
        if self._attached:
            globalLogPublisher.removeObserver(self.logs.error_observer)
        self.logs.close()


class RegistryService(Service):
    """The registry database.

    @ivar loaded: fires with None once all bindings are in memory
    """

    def __init__(self, registry: Registry) -> None:
        self.setName("registry")
        self.registry = registry
        self.loaded: Deferred[None] = Deferred()

    def startService(self) -> None:
        """Load the bindings."""
        super().startService()
        self.registry.start().addBoth(self.loaded.callback)

    def stopService(self) -> "Deferred[None]":
        """Store what is on its way."""
        super().stopService()
        return self.registry.stop()


class Server(MultiService):
    """The whole server as one service.

    @ivar sip: ports, transactions and core
    @ivar registry: bindings of addresses of record
    @ivar logs: error log and access logs
    """

    def __init__(self, sip: SipService, registry: RegistryService, logs: LogService, parts: Sequence[Service]) -> None:
        super().__init__()
        self.setName("sipproxy")
        self.sip = sip
        self.registry = registry.registry
        self.logs = logs.logs
        self._registry = registry
        self._logs = logs
        # Stopped in reverse: ports first, then what they use, then the logs.
        for part in (logs, *parts, sip):
            part.setServiceParent(self)

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
        self._registry.loaded.addCallbacks(self._serve, self._unusable)

    def _serve(self, _: None) -> None:
        if self.running:
            self.sip.serve()
            log.info("serving, {count} addresses of record registered", count=len(self.registry), severity="notice")

    def _unusable(self, failure: Failure) -> None:
        # Calls go on without what was registered; each REGISTER is told that nothing can be stored.
        if not isinstance(failure.value, StoreError):
            failure.raiseException()
        log.critical("the registry cannot be read: {error}", error=failure.value)
        if self.running:
            self.sip.serve()

    def stopService(self) -> "Deferred[None]":
        """End: requests that are being dealt with first (GracefulStopInS), then all else."""
        services = [service for service in self if service is not self.sip]
        self.running = 0
        stopped: Deferred[Any] = self.sip.stopService()
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
    resolver: IResolver | None = None,
) -> Server:
    """Make the server that a configuration describes.

    Nothing is opened before C{startService}, but the folders of configured
    paths are created and the log files opened.

    @param reactor: the reactor, by default the global one; C{task.Clock} with a memory network and a resolver
    @param network: where ports come from, by default the operating system's UDP
    @param random: source of branches and tags, by default the system's
    @param observers: further observers of finished requests
    @param resolver: addresses of hosts, by default from the hosts file and the DNS
    @raise sipproxy.errors.ListenError: a folder cannot be created
    """
    if reactor is None:
        from twisted.internet import reactor
    if network is None:
        network = UdpNetwork(reactor, settings[directives.RECEIVE_BUFFER], settings[directives.DSCP])
    make_folders(settings, _paths(settings))
    logs = open_logs(settings, reactor, settings[directives.SERVER_NAME])
    registry = Registry(_registry_store(settings, reactor), reactor, reactor.seconds)
    identity = identity_of(settings, network)
    translation = _translation(settings, registry, identity)
    routing = RoutingService(
        RoutingChain(identity.is_ours, (), (DirectRouter(resolver or configured_resolver(settings, reactor)),))
    )
    generation = Generation(
        identity,
        Policy.of(settings),
        Location(identity, translation.chain, Expansion(settings[NUM_EXPAND], settings[INTERPRETATION])),
        routing.chain,
        Registrar(registry, identity, policy_of(settings), reactor.seconds) if settings[REGISTRY] else None,
    )
    wheel, points = TimerWheel(reactor), Points()
    core = Core(
        generation,
        wheel,
        points,
        random or PooledSystemRandom(),
        reactor.seconds,
        (*logs.access_observers, *observers),
        settings[directives.MAX_TRANSACTIONS],
    )
    registry_service = RegistryService(registry)
    registry_service.setServiceParent(translation)
    sip = SipService(settings, reactor, network, core, wheel, points)
    return Server(sip, registry_service, LogService(logs), (translation, routing))


def make_control(server: Server, settings: Settings, reactor: Any = None) -> ControlService:
    """Make the control socket of a server, for C{sipproxyctl}, as one more part of the server.

    @param server: what C{make_service} has made of the same settings
    @param reactor: a real reactor, by default the global one
    """
    if reactor is None:
        from twisted.internet import reactor
    core = server.sip.core
    resources = (
        version_resource(),
        Status(server.sip, server.registry, server.logs, reactor.seconds()).resource(),
        calls_resource(core.table),
        transactions_resource(core.table),
        log_levels_resource(server.logs.levels, (CORE, *(module.name for module in MODULES))),
        registrations_resource(settings, server.registry, core.generation.identity, reactor.seconds),
    )
    control = ControlService(settings[CONTROL_SOCKET], Api(resources), reactor)
    control.setServiceParent(server)
    return control


def registrations_resource(
    settings: Settings, registry: Registry, identity: Identity, now: Callable[[], float]
) -> Resource:
    """Give what the control socket tells and does about registrations."""
    static = by_aor(settings[STATIC_REGISTRATION], identity.aor_key)
    return Registrations(registry, static, identity.aor_key, now).resource()


def identity_of(settings: Settings, network: INetwork) -> Identity:
    """Tell who a configured server is."""
    return Identity(
        settings[PROXY_DOMAIN],
        own_hosts(settings, network),
        {place.port for place in settings[directives.LISTEN]},
        settings[directives.ADVERTISED],
    )


def _translation(settings: Settings, registry: Registry, identity: Identity) -> TranslationService:
    if not settings[REGISTRY]:
        return TranslationService(TranslationChain(()))
    called: IRegistry = WithStatic(registry, by_aor(settings[STATIC_REGISTRATION], identity.aor_key))
    return TranslationService(TranslationChain((RegistryTranslator(called, identity.aor_key),)))


def _registry_store(settings: Settings, reactor: Any) -> Any:
    place = settings[REGISTRY_DATABASE]
    return SqliteStore(place, reactor) if isinstance(place, Path) else MemoryStore()


def _paths(settings: Settings) -> list[Path | str]:
    return [
        settings[directives.PID_FILE],
        settings[directives.LOCK_FILE],
        settings[log_directives.ERROR_LOG],
        settings[REGISTRY_DATABASE],
        settings[CONTROL_SOCKET],
        *(custom.path for custom in settings[log_directives.CUSTOM_LOG]),
    ]
