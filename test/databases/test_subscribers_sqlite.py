"""What only a file can do wrong, and what others may have written into it."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from sipproxy.databases import schema
from sipproxy.databases.subscribers import ExistsError, Subscriber
from sipproxy.databases.subscribers_sqlite import SqliteStore
from sipproxy.errors import StoreError
from test.interop.importing import kill_import, some_subscribers

BOB = Subscriber("bob", created=1.0, updated=1.0)


class FileTests(TestCase):
    """A file of subscribers."""

    timeout = 60

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()

    def made(self) -> SqliteStore:
        """Give a store that is closed with the test."""
        from twisted.internet import reactor

        store = SqliteStore(self.path, reactor, timeout=0.05)  # type: ignore[arg-type]
        self.addCleanup(store.close)
        return store

    def run_statements(self, *statements: str) -> None:
        """Run statements in the file, as another program."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    async def test_private(self) -> None:
        """A file that is made here can be read by its owner only, its log as well; one that is there is left so."""
        store = self.made()
        await store.open()
        await store.add([BOB], False, 1.0)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in self.path.parent.glob(f"{self.path.name}*")}
        self.assertEqual(set(modes.values()), {0o600}, modes)
        self.path.chmod(0o640)
        await store.open()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o640)

    async def test_script(self) -> None:
        """A file that was made with the printed schema is used as it is."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(schema.script("sqlite"))
        store = self.made()
        self.assertEqual(store.pending(), ())
        await store.open()
        await store.add([BOB], False, 1.0)
        self.assertEqual(await store.page("", 9), [BOB])

    async def test_pending(self) -> None:
        """What opening would do can be asked before."""
        store = self.made()
        self.assertEqual(store.pending(), schema.SQLITE.pending(0))
        self.assertFalse(self.path.exists())
        await store.open()
        self.assertEqual(store.pending(), ())

    async def test_not_ours(self) -> None:
        """A file of another program or of a later release is left alone."""
        self.run_statements("CREATE TABLE subscribers (username)")
        before = self.path.read_bytes()
        with self.assertRaises(StoreError) as caught:
            await self.made().open()
        self.assertIn("not a subscriber database of sipproxy", str(caught.exception))
        self.assertEqual(self.path.read_bytes(), before)
        self.path.unlink()
        await self.made().open()
        self.run_statements("PRAGMA user_version = 99")
        with self.assertRaises(StoreError) as caught:
            await self.made().open()
        self.assertIn("of a later release (schema 99)", str(caught.exception))

    async def test_unusable_path(self) -> None:
        """A folder that is not there is an error with the file's name."""
        self.path = self.path / "subscribers.db"
        with self.assertRaises(StoreError) as caught:
            await self.made().open()
        self.assertIn(f"{self.path}: unable to open", str(caught.exception))

    async def test_locked(self) -> None:
        """While another process holds the lock changes fail, and questions are answered."""
        store = self.made()
        await store.open()
        await store.add([BOB], False, 1.0)
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with self.assertRaises(StoreError) as caught:
                await store.delete("bob")
            self.assertIn("locked", str(caught.exception))
            self.assertEqual(await store.find(["bob"]), {"bob": BOB})
            other.execute("ROLLBACK")
        await store.delete("bob")

    async def test_seen_across_processes(self) -> None:
        """What one process changes another sees; of two that add the same the second is told."""
        first, second = self.made(), self.made()
        await first.open()
        await second.open()
        await first.add([BOB], False, 1.0)
        self.assertEqual(await second.find(["bob"]), {"bob": BOB})
        with self.assertRaises(ExistsError):
            await second.add([BOB], False, 1.0)

    async def test_opened_together(self) -> None:
        """Processes that make the file at the same time make it once, or say that it is locked."""
        stores = [self.made() for _ in range(4)]
        for opened in [store.open() for store in stores]:
            try:
                await opened
            except StoreError as error:
                self.assertIn("locked", str(error))
        for store in stores:
            await store.open()
            self.assertEqual(await store.page("", 9), [])

    async def test_written_by_hand(self) -> None:
        """Rows with what we would not write are read as far as they make sense; an empty password is none."""
        store = self.made()
        await store.open()
        self.run_statements(
            "INSERT INTO subscribers (username, password) VALUES ('eve', '')",
            "INSERT INTO subscribers (username, ring_time_ms, enabled, created) VALUES ('odd', 'soon', 'x', 'today')",
            "INSERT INTO subscribers (username, domain, ring_time_ms) VALUES (x'ff62', 5, -1)",
        )
        expected = [Subscriber("eve"), Subscriber("odd", enabled=False), Subscriber("\ufffdb", domain="5")]
        self.assertEqual(await store.page("", 9), expected)

    async def test_questions_during_an_import(self) -> None:
        """Calls ask while an import runs, and see all of it or nothing."""
        store = self.made()
        await store.open()
        added: Deferred[int] = store.add(some_subscribers(20_000), False, 1.0)
        asked = 0
        while not added.called:
            self.assertIn(len(await store.find(["5000000", "5019999"])), (0, 2))
            asked += 1
        self.assertEqual(await added, 20_000)
        self.assertGreater(asked, 5)

    async def test_killed_import(self) -> None:
        """After kill -9 in the middle of an import there is what was there before, and the import can be made."""
        from twisted.internet import reactor

        before = SqliteStore(self.path, reactor)  # type: ignore[arg-type]
        await before.open()
        await before.add([BOB], False, 1.0)
        await before.close()
        for seconds in (0.05, 0.3):
            kill_import(["sqlite", str(self.path)], seconds)
            store = self.made()
            await store.open()
            self.assertEqual(await store.page("", 9), [BOB])
        await store.add(some_subscribers(100), False, 1.0)
