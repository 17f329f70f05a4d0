"""Tables over each of the stores: what is stored, what is not, and who hears of it."""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from sipproxy.databases.records import Change, Mode, Row
from sipproxy.databases.routes import LAYOUT, RouteTable, StaticRoute, route_table
from sipproxy.databases.table import RETRY, IRowStore, MemoryRows, Plan
from sipproxy.databases.table_sqlite import SqliteRows, schema_of
from sipproxy.errors import StoreError
from test.databases.routing import MovableRows, route, unread

A, B = route("E164", "1408555....", "a.example.com"), route("E164", "1408555....", "b.example.com", port=5070)
C = route("Domain", "*.example.org", "c.example.com", priority=2, weight=0)


class TableTests:
    """What holds whatever the store; the classes below give it one."""

    table: RouteTable

    async def setUp(self) -> None:
        self.store = self.opened()
        self.table = route_table(self.store, Clock())
        await self.table.start()
        self.changes: list[Change[StaticRoute]] = []
        self.table.subscribe(self.changes.append)

    async def tearDown(self) -> None:
        await self.table.stop()

    def opened(self) -> Any:
        """Give a store over what earlier ones of this test have kept."""
        raise NotImplementedError

    async def restart(self) -> None:
        """Stop the table and start another over what is stored."""
        await self.table.stop()
        self.store = self.opened()
        self.table = route_table(self.store, Clock())
        await self.table.start()

    async def see(self, *routes: StaticRoute) -> None:
        """See that these are there, now and after a restart."""
        expected = sorted(routes, key=lambda route: route.key)
        for _ in range(2):
            assert sorted(self.table.index, key=lambda route: route.key) == expected, list(self.table.index)
            assert len(self.table.index) == len(expected)
            assert await self.table.page((), 10_000) == expected
            await self.restart()

    async def test_interface(self) -> None:
        """The store does what its interface says."""
        assert verifyObject(IRowStore, self.store)

    async def test_add(self) -> None:
        """What is added is stored and told; the very same again is no change, the same key another value is one."""
        assert await self.table.add(A) == ((), (A,))
        assert await self.table.add(C) == ((), (C,))
        assert await self.table.add(A) == ((), ())
        other = route("E164", "1408555....", "a.example.com", weight=9)
        assert await self.table.add(other) == ((), (other,))
        assert self.changes == [((), (A,)), ((), (C,)), ((), (other,))]
        await self.see(other, C)

    async def test_delete(self) -> None:
        """What is chosen goes, and nothing else."""
        await self.table.import_([A, B, C], "add")
        assert await self.table.delete(lambda index: index.numbers.of(A.pattern)) == ((A, B), ())
        assert await self.table.delete(lambda index: index.numbers.of(A.pattern)) == ((), ())
        assert len(self.changes) == 2
        await self.see(C)

    async def test_import(self) -> None:
        """Rows are added to those that are there, or take their place; only what differs is a change."""
        await self.table.import_([A, C], "add")
        other = route("Domain", "*.example.org", "c.example.com")
        assert await self.table.import_([other, B, A], "add") == ((), (other, B))
        assert await self.table.import_([B, C], "replace") == ((A,), (C,))
        await self.see(B, C)

    async def test_replace_by_nothing(self) -> None:
        """An empty table can take the place of a full one."""
        await self.table.import_([A, B, C], "add")
        assert len((await self.table.import_([], "replace")).deleted) == 3
        await self.see()

    async def test_many(self) -> None:
        """More rows than go to a store at once are stored, replaced and deleted whole."""
        many = [route("E164", f"1{number:06}....", f"gw{number % 7}") for number in range(2500)]
        await self.table.import_(many, "add")
        await self.see(*many)
        assert len((await self.table.import_(many[:3], "replace")).deleted) == 2497
        await self.see(*many[:3])

    async def test_alternates(self) -> None:
        """A pattern with thousands of alternates is no trouble."""
        many = [route("E164", "1T", f"gw{number}") for number in range(3000)]
        await self.table.import_(many, "add")
        assert len(self.table.index.numbers.of("1T")) == 3000
        await self.table.import_(many[1000:2000], "replace")
        await self.see(*many[1000:2000])

    async def test_at_once(self) -> None:
        """Changes that are asked for together come one after the other, each upon the one before."""
        await gatherResults(
            [
                self.table.add(A),
                self.table.import_([B, C], "replace"),
                self.table.delete(lambda index: index.domains.of(C.pattern)),
            ]
        )
        assert self.changes == [((), (A,)), ((A,), (C, B)), ((C,), ())]
        await self.see(B)

    async def test_pages(self) -> None:
        """Pages of any size give everything once, in order."""
        many = sorted(
            [*(route("E164", f"{number}T", f"gw{port}", port=port) for number in range(5) for port in range(3)), C],
            key=lambda route: route.key,
        )
        await self.table.import_(many, "add")
        for limit in (1, 3, 16, 100):
            found: list[StaticRoute] = []
            while page := await self.table.page(found[-1].key if found else (), limit):
                assert len(page) <= limit
                found += page
            assert found == many


class MemoryTableTests(TableTests, TestCase):
    """The table in memory."""

    timeout = 20

    async def setUp(self) -> None:  # type: ignore[override]
        self.memory = MemoryRows(LAYOUT)
        await super().setUp()

    async def tearDown(self) -> None:  # type: ignore[override]
        await super().tearDown()

    def opened(self) -> MemoryRows:
        """A process that ends loses all; what is tested here is that the store gives what it holds."""
        return self.memory


class SqliteTableTests(TableTests, TestCase):
    """The table in a SQLite file."""

    timeout = 20

    async def setUp(self) -> None:  # type: ignore[override]
        self.path = Path(self.mktemp())
        await super().setUp()

    async def tearDown(self) -> None:  # type: ignore[override]
        await super().tearDown()

    def opened(self) -> SqliteRows:
        """Give a store of the file."""
        from twisted.internet import reactor

        return SqliteRows(self.path, LAYOUT, reactor, timeout=0.05)  # type: ignore[arg-type]

    async def refused(self, change: Deferred[Any]) -> str:
        """Give the error of a change that cannot be stored."""
        with self.assertRaises(StoreError) as caught:
            await change
        return str(caught.exception)

    async def test_locked(self) -> None:
        """While another process holds the file nothing changes, here or there; then it does again."""
        await self.table.add(A)
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN EXCLUSIVE")
        for change in (self.table.add(B), self.table.import_([B], "replace"), self.table.delete(list)):
            self.assertIn("locked", await self.refused(change))
        self.assertIn("locked", self.table.away_reason)
        self.assertEqual((list(self.table.index), self.changes), ([A], [((), (A,))]))
        other.execute("ROLLBACK")
        await self.table.add(B)
        self.assertIsNone(self.table.away_since)
        await self.see(A, B)

    async def test_full(self) -> None:
        """An import that the disk has no room for changes nothing."""
        await self.table.add(A)
        await self.store.file.run(lambda cursor: cursor.execute("PRAGMA max_page_count = 1"))
        many = [route("E164", f"{number:06}T") for number in range(2000)]
        self.assertIn("full", await self.refused(self.table.import_(many, "replace")))
        self.assertEqual(list(self.table.index), [A])
        await self.store.file.run(lambda cursor: cursor.execute("PRAGMA max_page_count = 10000"))
        await self.see(A)

    async def test_mistakes(self) -> None:
        """An error that is ours reaches who asked for the change, and nothing has changed."""
        await self.table.add(A)
        with self.assertRaises(ZeroDivisionError):
            await self.table.delete(_mistaken)
        self.assertIsNone(self.table.away_since)
        await self.see(A)

    async def test_readable(self) -> None:
        """The file has a column for each field, and keeps out what is of another type."""
        await self.table.add(B)
        with sqlite3.connect(self.path) as other:
            rows = other.execute("SELECT * FROM routes").fetchall()
            with self.assertRaises(sqlite3.IntegrityError):
                other.execute("UPDATE routes SET port = 'x'")
        other.close()
        self.assertEqual(rows, [("E164", "1408555....", "b.example.com", 5070, "udp", 1, 1, "")])

    async def test_written_by_others(self) -> None:
        """What another program has written and is no route has no effect, is told of, and hinders no other."""
        await self.table.add(A)
        with sqlite3.connect(self.path) as other:
            for at, change in enumerate(
                (
                    "kind = 'X'",
                    "pattern = '12a'",
                    "port = 70000",
                    "transport = 'pigeon'",
                    "rewrite = '.........'",
                    "next_hop = 'A'",
                )
            ):
                other.execute(f"INSERT INTO routes VALUES ('E164', '{at}.', 'gw', 0, 'udp', 1, 1, '')")
                other.execute(f"UPDATE routes SET {change} WHERE pattern = '{at}.'")
        other.close()
        await self.restart()
        self.assertEqual(list(self.table.index), [A])
        self.assertEqual(await self.table.page((), 100), [A])
        await self.table.add(B)

    async def test_not_ours(self) -> None:
        """A file of another program is left alone."""
        path = Path(self.mktemp())
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE x (y)")
        other.close()
        self.path = path
        table = route_table(self.opened(), Clock())
        self.assertIn("not a routing database of sipproxy", await self.refused(table.start()))
        self.assertEqual((table.is_unread, table.away_since), (True, 0))
        self.assertIn("cannot be read", await self.refused(table.add(A)))
        await table.stop()

    def test_schema(self) -> None:
        """The key is the primary key of the table."""
        ((create,),) = schema_of(LAYOUT).migrations
        self.assertIn("PRIMARY KEY (kind, pattern, next_hop, port, transport)) WITHOUT ROWID", create)


def _mistaken(_: object) -> list[StaticRoute]:
    raise ZeroDivisionError


class AwayTests(SynchronousTestCase):
    """A store that is away."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)

    def test_read_late(self) -> None:
        """A store that cannot be read at the start is tried again until it can; nothing is changed before."""
        rows, table = unread(self.clock)
        self.assertEqual((table.is_unread, table.away_since, table.away_reason), (True, 1000, "disk error"))
        self.failureResultOf(table.add(A), StoreError)
        self.clock.advance(RETRY)
        self.assertEqual((table.is_unread, table.away_since), (True, 1000))
        rows.error = None
        self.clock.advance(RETRY)
        self.assertEqual((table.is_unread, table.away_since), (False, None))
        self.successResultOf(table.add(A))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped_unread(self) -> None:
        """A table that is stopped is not tried again."""
        _, table = unread(self.clock)
        self.successResultOf(table.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_comes_back(self) -> None:
        """Since when and why changes cannot be stored is told while they cannot."""
        rows = MovableRows()
        table = route_table(rows, self.clock)
        self.successResultOf(table.start())
        rows.error = StoreError("disk full")
        self.failureResultOf(table.add(A), StoreError)
        self.clock.advance(5)
        self.failureResultOf(table.add(A), StoreError)
        self.assertEqual((table.away_since, table.away_reason, len(table.index)), (1000, "disk full", 0))
        rows.error = None
        self.successResultOf(table.add(A))
        self.assertEqual((table.away_since, table.away_reason, len(table.index)), (None, "", 1))

    def test_nobody_sees_half(self) -> None:
        """Until a change is durable all is as it was; then all of it is there at once."""
        waiting: list[Callable[[], None]] = []

        class Slow(MemoryRows):
            def change(self, plan: Callable[[], Plan[Any]]) -> Deferred[Any]:
                done: Deferred[Any] = Deferred()
                waiting.append(lambda: done.callback(plan().result))
                return done

            def load(self, build: Callable[[Iterable[Row]], Any]) -> Deferred[Any]:
                return succeed(build(()))

        table = route_table(Slow(LAYOUT), self.clock)
        self.successResultOf(table.start())
        self.see_at_once(table, "add", waiting)
        self.see_at_once(table, "replace", waiting)

    def see_at_once(self, table: RouteTable, mode: Mode, waiting: list[Callable[[], None]]) -> None:
        """See that an import of other routes than those that are there comes at once, when the store says so."""
        before = set(table.index)
        many = {route("E164", f"{number}T", mode) for number in range(50)}
        done = table.import_(list(many), mode)
        self.assertEqual(set(table.index), before)
        seen: list[set[StaticRoute]] = []
        table.subscribe(lambda _: seen.append(set(table.index)))
        waiting.pop()()
        self.successResultOf(done)
        self.assertEqual(seen, [many])

    def test_followers(self) -> None:
        """A follower that fails keeps a change from nobody; one that has left hears nothing."""
        table = route_table(MemoryRows(LAYOUT), self.clock)
        self.successResultOf(table.start())
        heard: list[object] = []

        def broken(change: object) -> None:
            raise ZeroDivisionError

        table.subscribe(broken)
        table.subscribe(heard.append)
        self.successResultOf(table.add(A))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        table.unsubscribe(heard.append)
        table.unsubscribe(broken)
        self.successResultOf(table.add(B))
        self.assertEqual(heard, [((), (A,))])

    def test_mistakes_of_the_store(self) -> None:
        """What is no StoreError is no state of the store."""
        rows = MovableRows()
        table = route_table(rows, self.clock)
        self.successResultOf(table.start())
        rows.error = ZeroDivisionError()
        failure: Failure = self.failureResultOf(table.add(A), ZeroDivisionError)
        self.assertIsNone(table.away_since)
        self.assertIs(failure.value, rows.error)
