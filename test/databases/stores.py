"""A registry over each of the stores, for tests whose body is the same."""

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from sipproxy.databases.registry import LINGER, Registry
from sipproxy.databases.registry_sqlite import SqliteStore
from sipproxy.databases.registry_store import IRegistryStore, MemoryStore
from sipproxy.registrar.bindings import Binding

NOW = 1_790_000_000.0
BOB, ALICE, FLUSH = b"bob@example.com", b"alice@example.com", b"flush@example.com"


def binding(contact: bytes, seconds: float = 3600, cseq: int = 1) -> Binding:
    """Give a binding that lasts some seconds from L{NOW}."""
    return Binding(contact, expires=NOW + seconds, updated=NOW, call_id=b"c1", cseq=cseq)


class RegistryTestCase(TestCase):
    """A registry that is started; one of the classes below gives it a store.

    The threads of SQLite are real, so the tests wait for real Deferreds; all delays are on a L{Clock}.
    """

    timeout = 20

    async def setUp(self) -> None:  # type: ignore[override]
        self.clock = Clock()
        self.now = NOW
        self.store = self.opened()
        self.registry = Registry(self.store, self.clock, lambda: self.now)
        await self.registry.start()

    async def tearDown(self) -> None:  # type: ignore[override]
        await self.registry.stop()

    def opened(self) -> IRegistryStore:
        """Give a store over what earlier ones of this test have kept."""
        raise NotImplementedError

    async def restart(self) -> None:
        """Stop the registry and start another over what is stored."""
        await self.registry.stop()
        self.store = self.opened()
        self.registry = Registry(self.store, self.clock, lambda: self.now)
        await self.registry.start()

    async def commit(self, *changes: Deferred[Any]) -> None:
        """Let the time of lingering pass and wait for changes."""
        self.clock.advance(LINGER)
        for change in changes:
            await change

    async def flushed(self) -> None:
        """Wait until what is to be stored has been: changes are stored in order, so another one is stored last."""
        await self.commit(self.registry.store(FLUSH, (binding(b"sip:flush@h"),)))
        await self.commit(self.registry.store(FLUSH, ()))


class InMemory(RegistryTestCase):
    """A registry that keeps nothing on disk."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.memory = MemoryStore()
        await super().setUp()

    def opened(self) -> IRegistryStore:
        """A process that ends loses all; what is tested here is that the store gives what it holds."""
        return self.memory


class InSqlite(RegistryTestCase):
    """A registry in a SQLite file."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.path = Path(self.mktemp())
        await super().setUp()

    def opened(self) -> SqliteStore:
        """Give a store of the file."""
        from twisted.internet import reactor

        return SqliteStore(self.path, reactor, timeout=0.05)  # type: ignore[arg-type]
