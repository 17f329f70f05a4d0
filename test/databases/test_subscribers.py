"""The subscriber database over memory and SQLite."""

from pathlib import Path

from sipproxy.databases.subscribers import ISubscriberStore
from sipproxy.databases.subscribers_memory import MemoryStore
from sipproxy.databases.subscribers_sqlite import SqliteStore
from test.databases import subscribers_tests  # As a module, or trial would run its tests for themselves.


class MemorySubscribersTests(subscribers_tests.SubscribersTests):
    """Subscribers in memory."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.memory = MemoryStore()
        await super().setUp()

    def opened(self) -> ISubscriberStore:
        """A process that ends loses all; what is tested here is that the store gives what it holds."""
        return self.memory


class SqliteSubscribersTests(subscribers_tests.SubscribersTests):
    """Subscribers in a SQLite file."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.path = Path(self.mktemp())
        await super().setUp()

    def opened(self) -> ISubscriberStore:
        """Give a store of the file."""
        from twisted.internet import reactor

        return SqliteStore(self.path, reactor, timeout=0.05)  # type: ignore[arg-type]
