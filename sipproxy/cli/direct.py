"""Control requests without a server: its own code, here, on a SQLite file, or for subscribers on MySQL.

The server's lock file is held meanwhile, so that none starts.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from sipproxy import directives
from sipproxy.cli.failure import Failure
from sipproxy.cli.transport import target
from sipproxy.composition import identity_of
from sipproxy.config import Directive, Settings
from sipproxy.control import Api, Json, Reply, Resource
from sipproxy.control.api import JSON_TYPE, encode
from sipproxy.control.numbers import NumberControl
from sipproxy.control.routes import RouteControl
from sipproxy.control.subscribers import SubscriberControl
from sipproxy.databases import numbers, routes
from sipproxy.databases.numbers import NUMBERS_DATABASE, Numbers, numbers_table
from sipproxy.databases.registry import REGISTRY_DATABASE, Registry
from sipproxy.databases.registry_sqlite import SqliteStore
from sipproxy.databases.routes import Routes, route_table
from sipproxy.databases.routes_settings import ROUTING_DATABASE, static_routes
from sipproxy.databases.subscribers_settings import (
    SUBSCRIBER_DATABASE,
    SUBSCRIBER_PASSWORDS,
    address_of,
    make_subscribers,
)
from sipproxy.databases.table_sqlite import SqliteRows
from sipproxy.errors import ListenError, StoreError
from sipproxy.farm.settings import FARM, SHARED
from sipproxy.modules import AUTH_REALM
from sipproxy.net.udp import UdpNetwork
from sipproxy.oversight import registrations_resource
from sipproxy.server import LockFile


class IStarted(Protocol):
    """What is loaded before it is changed, and stores what is on its way at its end."""

    def start(self) -> Deferred[None]:
        """Load what is stored."""

    def stop(self) -> Deferred[None]:
        """Store what is on its way."""


class Opened(NamedTuple):
    """A database that is open.

    @ivar database: it
    @ivar resources: what can be done with it
    """

    database: IStarted
    resources: tuple[Resource, ...]


class Database(NamedTuple):
    """A database of the server that can be worked on without it.

    @ivar title: what it is called
    @ivar directive: tells its file, or what else it is in
    @ivar path: of the resource that lists it page by page, for which it need not be loaded
    @ivar open: opens what the directive tells, with a reactor that runs in another thread
    """

    title: str
    directive: Directive[Path | str]
    path: str
    open: Callable[[Settings, Any, Any], Opened]


def _open_registry(settings: Settings, path: Path, reactor: Any) -> Opened:
    network = UdpNetwork(reactor, settings[directives.RECEIVE_BUFFER], settings[directives.DSCP])
    registry = Registry(SqliteStore(path, reactor), reactor, reactor.seconds)
    identity = identity_of(settings, network)
    return Opened(registry, (registrations_resource(settings, registry, identity, reactor.seconds),))


def _open_routes(settings: Settings, path: Path, reactor: Any) -> Opened:
    table = route_table(SqliteRows(path, routes.LAYOUT, reactor), reactor)
    opened = Routes(static_routes(settings), table)
    return Opened(opened, RouteControl(lambda: opened, reactor).resources())


def _open_numbers(settings: Settings, path: Path, reactor: Any) -> Opened:
    table = numbers_table(SqliteRows(path, numbers.LAYOUT, reactor), reactor)
    opened = Numbers(settings[numbers.NUMBER_SERVICE], table)
    return Opened(opened, NumberControl(lambda: opened, reactor).resources())


def _open_subscribers(settings: Settings, _: object, reactor: Any) -> Opened:
    opened = make_subscribers(settings, reactor)
    control = SubscriberControl(opened, lambda: settings[AUTH_REALM], settings[SUBSCRIBER_PASSWORDS], reactor)
    return Opened(opened, control.resources())


REGISTRY = Database("registry", REGISTRY_DATABASE, "/registrations", _open_registry)
ROUTING = Database("routing database", ROUTING_DATABASE, "/routes", _open_routes)
NUMBERS = Database("number-services database", NUMBERS_DATABASE, "/numbers", _open_numbers)
SUBSCRIBERS = Database("subscriber database", SUBSCRIBER_DATABASE, "/subscribers", _open_subscribers)


#: What the databases that a farm may share are called in FarmDatabases; to change them beside it would be undone.
_SHARED: dict[Directive[Any], str] = {
    REGISTRY_DATABASE: "registry",
    ROUTING_DATABASE: "routing",
    NUMBERS_DATABASE: "numbers",
}


class DirectTransport:
    """A database without its server.

    @param reactor: a reactor that runs in another thread
    @param release: called at the end
    @ivar place: what is worked on, in words
    """

    def __init__(self, opened: Opened, path: str, place: str, reactor: Any, release: Callable[[], object]) -> None:
        """
        @param path: of the resource for whose GET nothing need be loaded
        """
        self.place = place
        self._reactor = reactor
        self._release = release
        self._database = opened.database
        self._path = path
        self._api = Api(opened.resources)
        self._is_loaded = False

    def request(self, method: str, path: str, query: Mapping[str, object], body: Json | None) -> tuple[int, Json]:
        """Do what a server would, and give the status and the JSON object of its answer.

        @raise Failure: the file cannot be read
        """
        if not self._is_loaded and (method, path) != ("GET", self._path):
            # What is changed or searched has to be read whole before; pages are read as they are asked for.
            self._load()
        data = b"" if body is None else encode(body)
        reply: Reply = self._wait(self._api.handle, method, target(path, query), JSON_TYPE, data)
        return reply.status, reply.content

    def _load(self) -> None:
        try:
            self._wait(self._database.start)
        except StoreError as error:
            raise Failure(str(error)) from None
        self._is_loaded = True

    def close(self) -> None:
        """Store what is on its way, and let others have the file."""
        self._wait(self._database.stop)
        self._release()

    def _wait(self, function: Callable[..., "Deferred[Any]"], *arguments: object) -> Any:
        return blockingCallFromThread(self._reactor, function, *arguments)


def open_direct(settings: Settings, database: Database) -> DirectTransport:
    """Begin to work on a database in place of the server.

    @raise Failure: there is no such file, it cannot be reached so, or a server runs after all
    """
    place = _place_of(settings, database)
    path = settings[directives.LOCK_FILE]
    lock = LockFile(path)
    # A server that has a file, or has ever run here, has made it.
    if isinstance(settings[database.directive], Path) or path.exists():
        _take(lock, path)
    reactor, end = running_reactor()

    def release() -> None:
        end()
        lock.release()

    opened = database.open(settings, settings[database.directive], reactor)
    return DirectTransport(opened, database.path, place, reactor, release)


def _place_of(settings: Settings, database: Database) -> str:
    """Say what is worked on.

    @raise Failure: there is nothing that can be
    """
    found = settings[database.directive]
    if settings[FARM] and _SHARED.get(database.directive) in settings[SHARED]:
        raise Failure(f"the server is down, and its {database.title} is the farm's: ask another member")
    if found == "mysql":
        return f"its {database.title}, {address_of(settings)}"
    if found == "ldap":
        raise Failure(f"the server is down, and only it asks its {database.title}, an LDAP directory")
    if not isinstance(found, Path):
        raise Failure(f"the server is down, and its {database.title} with it: {database.directive.name} is memory")
    if not found.exists():
        # The server makes it, as the user that it runs as.
        raise Failure(f"the server is down, and there is no {found} yet")
    return f"the file of its {database.title}"


def _take(lock: LockFile, path: Path) -> None:
    """Take the server's lock, so that no server starts.

    @raise Failure: a server has it
    """
    try:
        lock.take()
    except ListenError:
        raise Failure("the server runs, but nobody answers at its control socket") from None
    except OSError as error:
        raise Failure(f"{path} cannot be locked: {error.strerror}") from None


def running_reactor() -> tuple[Any, Callable[[], None]]:
    """Give a reactor that runs in a thread of its own, and what ends it.

    The commands are plain functions that wait; what they wait for is the server's own code, which needs a reactor.
    """
    from twisted.internet import reactor

    running: Any = reactor
    thread = Thread(target=running.run, kwargs={"installSignalHandlers": False}, daemon=True)
    thread.start()

    def end() -> None:
        running.callFromThread(running.stop)
        thread.join()

    return running, end
