"""The parts of a server as services: logs, databases, and what one generation of the configuration keeps open."""

from collections.abc import Sequence
from typing import Any, Protocol

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from sipproxy.errors import StoreError
from sipproxy.logs import Logs
from sipproxy.routing import RoutingChain
from sipproxy.translation import TranslationChain


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


class Database(Protocol):
    """A database that is opened and closed."""

    def start(self) -> Deferred[Any]:
        """Open it; fails with a StoreError where it is away, and is tried again."""

    def stop(self) -> Deferred[Any]:
        """Store what is on its way, and close it."""


class DatabaseService(Service):
    """One database.

    @ivar is_needed: whether nothing is served before it was read
    @ivar loaded: fires once it was read for the first time, or could not be, with None or a StoreError
    """

    def __init__(self, name: str, database: Database, is_needed: bool = True) -> None:
        """
        @param is_needed: whether nothing is served before it was read
        """
        self.setName(name)
        self.is_needed = is_needed
        self.loaded: Deferred[StoreError | None] = Deferred()
        self._database = database

    def startService(self) -> None:
        """Open it; where it is away, the rest goes on."""
        super().startService()
        self._database.start().addCallbacks(_none, _away).addBoth(self.loaded.callback)

    def stopService(self) -> "Deferred[Any]":
        """Store what is on its way, and close it."""
        super().stopService()
        return self._database.stop()


def _none(_: object) -> None:
    """It is there."""


def _away(failure: Failure) -> StoreError:
    if not isinstance(failure.value, StoreError):
        failure.raiseException()
    return failure.value


class Client(Protocol):
    """Something that asks others over the network."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End; what is asked fails."""


class RadiusService(Service):
    """The RADIUS client."""

    def __init__(self, client: Client) -> None:
        self.setName("radius")
        self._client = client

    def startService(self) -> None:
        """Let it ask."""
        super().startService()
        self._client.start()

    def stopService(self) -> None:
        """End it."""
        super().stopService()
        self._client.stop()


class GenerationService(MultiService):
    """What one generation of the configuration keeps open; it has no name, as there may be two for a while."""

    def __init__(self, parts: Sequence[IService]) -> None:
        super().__init__()
        for part in parts:
            part.setServiceParent(self)

    def startService(self) -> None:
        """Open it, once: a reload does so before the server has it, and a server that runs starts what it gets."""
        if not self.running:
            super().startService()


class TranslationService(MultiService):
    """The translators' connections.

    @ivar chain: the translators in their order
    """

    def __init__(self, chain: TranslationChain, parts: Sequence[IService] = ()) -> None:
        super().__init__()
        self.setName("translation")
        self.chain = chain
        for part in parts:
            part.setServiceParent(self)


class RoutingService(MultiService):
    """The routers' connections.

    @ivar chain: the routers in their order
    """

    def __init__(self, chain: RoutingChain, parts: Sequence[IService] = ()) -> None:
        super().__init__()
        self.setName("routing")
        self.chain = chain
        for part in parts:
            part.setServiceParent(self)
