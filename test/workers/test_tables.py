"""The tables of a worker and the owner's."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.numbers import FORM, LAYOUT, NumberService
from sipproxy.databases.table import MemoryRows, Table
from sipproxy.errors import StoreError
from sipproxy.workers.tables import PAGE, TableFeed, WorkerTable
from test.workers.wire import Wire

GONE, KEPT, NEW = (NumberService(pattern, "800") for pattern in ("1", "2", "3"))


class TableTests(SynchronousTestCase):
    """One owner, one worker."""

    def setUp(self) -> None:
        """Start the owner with two rows."""
        self.clock = Clock()
        self.wire = Wire()
        self.owner = Table(FORM, MemoryRows(LAYOUT), self.clock)
        self.successResultOf(self.owner.start())
        feed = TableFeed({"numbers": self.owner}, self.wire.owner.tell)
        self.worker = WorkerTable("numbers", FORM, self.wire.worker.ask, self.clock)
        self.wire.serve(feed.deeds, {"table": self.apply})
        for record in (GONE, KEPT):
            self.owner.add(record)

    def apply(self, table: str, deleted: object = None, stored: object = None) -> None:
        """Take news as a worker process does."""
        self.assertEqual(table, "numbers")
        if stored is None:
            self.worker.read_anew()
        else:
            self.worker.apply(deleted, stored)  # type: ignore[arg-type]

    def refuse(self, **_: object) -> None:
        """Be away."""
        raise StoreError("away")

    def start(self) -> None:
        """Let the worker read."""
        started = self.worker.start()
        self.wire.pump()
        self.successResultOf(started)

    def seen(self) -> list[NumberService]:
        """Give what the worker has."""
        return sorted(self.worker.index, key=lambda record: record.key)

    def test_changes(self) -> None:
        """It reads all, and what changes later."""
        self.start()
        self.assertEqual(self.seen(), [GONE, KEPT])
        self.owner.add(NEW)
        self.owner.delete(lambda index: [record for record in index if record == GONE])
        self.wire.pump()
        self.assertEqual(self.seen(), [KEPT, NEW])

    def test_many(self) -> None:
        """Where much changes at once it reads all again."""
        self.start()
        many = [NumberService(f"{number:06d}", "800") for number in range(PAGE + 1)]
        self.owner.import_(many, "replace")
        self.wire.pump()
        self.assertEqual(self.seen(), many)

    def test_change_while_it_reads(self) -> None:
        """What changes while it reads is not lost."""
        started = self.worker.start()
        self.wire.to_owner()
        self.owner.add(NEW)
        self.wire.pump()
        self.successResultOf(started)
        self.assertEqual(self.seen(), [GONE, KEPT, NEW])

    def test_owner_is_away(self) -> None:
        """What cannot be read now is read when it can."""
        self.wire.pump()
        self.wire.serve({"rows": self.refuse}, {"table": self.apply})
        started = self.worker.start()
        self.wire.pump()
        self.failureResultOf(started, StoreError)
        feed = TableFeed({"numbers": self.owner}, self.wire.owner.tell)
        self.wire.serve(feed.deeds, {"table": self.apply})
        self.clock.advance(5)
        self.wire.pump()
        self.assertEqual(self.seen(), [GONE, KEPT])
