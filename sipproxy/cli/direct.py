"""Control requests without a server: its own code, here, on the SQLite file.

The server's lock file is held meanwhile, so that none starts.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from sipproxy import directives
from sipproxy.app import identity_of, registrations_resource
from sipproxy.cli.failure import Failure
from sipproxy.cli.transport import target
from sipproxy.config import Settings
from sipproxy.control import Api, Json, Reply
from sipproxy.control.api import JSON_TYPE, encode
from sipproxy.databases.registry import REGISTRY_DATABASE, Registry
from sipproxy.databases.registry_sqlite import SqliteStore
from sipproxy.errors import ListenError, StoreError
from sipproxy.net.udp import UdpNetwork
from sipproxy.server import LockFile


class DirectTransport:
    """The registry's file.

    @param reactor: a reactor that runs in another thread
    @param release: called at the end
    """

    def __init__(self, settings: Settings, path: Path, reactor: Any, release: Callable[[], object]) -> None:
        self._reactor = reactor
        self._release = release
        network = UdpNetwork(reactor, settings[directives.RECEIVE_BUFFER], settings[directives.DSCP])
        self._registry = Registry(SqliteStore(path, reactor), reactor, reactor.seconds)
        identity = identity_of(settings, network)
        self._api = Api((registrations_resource(settings, self._registry, identity, reactor.seconds),))
        self._is_loaded = False

    def request(self, method: str, path: str, query: Mapping[str, object], body: Json | None) -> tuple[int, Json]:
        """Do what a server would, and give the status and the JSON object of its answer.

        @raise Failure: the file cannot be read
        """
        if method != "GET" and not self._is_loaded:
            # What is changed has to be read whole before; pages are read as they are asked for.
            self._load()
        data = b"" if body is None else encode(body)
        reply: Reply = self._wait(self._api.handle, method, target(path, query), JSON_TYPE, data)
        return reply.status, reply.content

    def _load(self) -> None:
        try:
            self._wait(self._registry.start)
        except StoreError as error:
            raise Failure(str(error)) from None
        self._is_loaded = True

    def close(self) -> None:
        """Store what is on its way, and let others have the file."""
        self._wait(self._registry.stop)
        self._release()

    def _wait(self, function: Callable[..., "Deferred[Any]"], *arguments: object) -> Any:
        return blockingCallFromThread(self._reactor, function, *arguments)


def open_direct(settings: Settings) -> DirectTransport:
    """Begin to work on the file in place of the server.

    @raise Failure: there is no such file, or a server runs after all
    """
    path = settings[REGISTRY_DATABASE]
    if not isinstance(path, Path):
        raise Failure("the server is down, and its registry with it: RegistryDatabase is memory")
    if not path.exists():
        # The server makes it, as the user that it runs as.
        raise Failure(f"the server is down, and there is no {path} yet")
    lock = LockFile(settings[directives.LOCK_FILE])
    try:
        lock.take()
    except ListenError:
        raise Failure("the server runs, but nobody answers at its control socket") from None
    except OSError as error:
        raise Failure(f"{settings[directives.LOCK_FILE]} cannot be locked: {error.strerror}") from None
    reactor, end = _running_reactor()

    def release() -> None:
        end()
        lock.release()

    return DirectTransport(settings, path, reactor, release)


def _running_reactor() -> tuple[Any, Callable[[], None]]:
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
