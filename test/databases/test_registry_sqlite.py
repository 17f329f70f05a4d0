"""What only a file can do wrong, and how it is read."""

import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.enterprise.adbapi import Transaction
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.registry_sqlite import REGISTRY_SCHEMA, SqliteStore, from_json, to_json
from sipproxy.databases.sqlite import SqliteFile
from sipproxy.errors import StoreError, UnavailableError
from sipproxy.registrar.bindings import Binding
from test.databases.stores import ALICE, BOB, NOW, InSqlite, binding

A = binding(b"sip:a@h")

BINDINGS = st.builds(
    Binding,
    contact=st.binary(),
    params=st.binary(),
    q=st.sampled_from([0.0, 0.125, 1.0]),
    action=st.sampled_from(["", "proxy", "redirect"]),
    expires=st.floats(0, 2**33) | st.just(float("inf")),
    updated=st.floats(0, 2**33),
    call_id=st.binary(),
    cseq=st.integers(0, 2**31 - 1),
    path=st.lists(st.binary(), max_size=3).map(tuple),
    instance=st.just(b""),
    reg_id=st.just(0),
)
WITH_FLOW = st.tuples(BINDINGS, st.binary(), st.integers(1, 2**31)).map(
    lambda made: made[0]._replace(instance=made[1], reg_id=made[2])
)


class JsonTests(SynchronousTestCase):
    """Bindings as text."""

    @given(st.lists(BINDINGS | WITH_FLOW, max_size=3).map(tuple))
    def test_round_trip(self, bindings: tuple[Binding, ...]) -> None:
        """Any bindings come back as they were."""
        self.assertEqual(from_json(to_json(bindings)), bindings)

    def test_readable(self) -> None:
        """The text names its fields and holds no more than it must."""
        self.assertEqual(
            to_json((A,)),
            '[{"contact":"sip:a@h","updated":1790000000.0,"call_id":"c1","cseq":1,"expires":1790003600.0}]',
        )


class FileTests(InSqlite):
    """A file that is full, locked, of somebody else, of another time."""

    async def refused(self, aor: bytes, contact: bytes) -> None:
        """See that a change is refused."""
        stored = self.registry.store(aor, (binding(contact),))
        self.assertEqual(self.registry.current(aor, NOW)[0].contact, contact)
        with self.assertRaises(UnavailableError) as caught:
            await self.commit(stored)
        self.assertEqual(caught.exception.headers, (b"Retry-After: 30",))

    async def test_full(self) -> None:
        """Registrations are refused while the disk is full; what is stored is called; then they are stored again."""
        await self.commit(self.registry.store(BOB, (A,)))
        pages = await self.file().run(_limit, 1)
        await self.refused(ALICE, b"sip:" + b"a" * 50_000 + b"@h")
        self.assertIn("full", self.registry.away_reason)
        self.assertEqual((self.registry.lookup(BOB, NOW), self.registry.lookup(ALICE, NOW)), ((A,), ()))
        await self.file().run(_limit, pages + 100)
        await self.commit(self.registry.store(ALICE, (A,)))
        self.assertEqual(self.registry.lookup(ALICE, NOW), (A,))

    async def test_locked(self) -> None:
        """Registrations are refused while another process holds the file, and stored again when it lets go."""
        await self.commit(self.registry.store(BOB, (A,)))
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN EXCLUSIVE")
        await self.refused(BOB, b"sip:b@h")
        self.assertIn("locked", self.registry.away_reason)
        self.assertEqual(self.registry.lookup(BOB, NOW), (A,))
        other.execute("ROLLBACK")
        await self.commit(self.registry.store(BOB, (binding(b"sip:c@h"),)))
        await self.restart()
        self.assertEqual(self.registry.lookup(BOB, NOW)[0].contact, b"sip:c@h")

    async def test_durable(self) -> None:
        """A commit is synchronous: full synchronisation of a write-ahead log."""
        found = await self.file().run(_settings)
        self.assertEqual(found, ("wal", 2, REGISTRY_SCHEMA.application_id, len(REGISTRY_SCHEMA.migrations)))

    async def test_revision_of_what_is_gone(self) -> None:
        """Revisions do not begin anew where the last change was a removal, or has run out."""
        await self.commit(self.registry.store(BOB, (A,)))
        await self.commit(self.registry.store(BOB, ()))
        await self.commit(self.registry.store(ALICE, (A,)))
        self.now += 10_000
        await self.restart()
        await self.restart()
        self.assertEqual((self.registry.revision, len(self.registry)), (3, 0))

    async def test_not_ours(self) -> None:
        """A file of another program, of a later release, or no database at all is left alone."""
        later = len(REGISTRY_SCHEMA.migrations) + 1
        cases = (
            (("CREATE TABLE x (y)",), "not a registry of sipproxy"),
            (("PRAGMA application_id = 7",), "not a registry of sipproxy"),
            (
                (f"PRAGMA application_id = {REGISTRY_SCHEMA.application_id}", f"PRAGMA user_version = {later}"),
                "of a later release",
            ),
        )
        for statements, reason in cases:
            path = Path(self.mktemp())
            with sqlite3.connect(path) as other:
                for statement in statements:
                    other.execute(statement)
            other.close()
            before = path.read_bytes()
            self.assertIn(reason, await self.start_error(path))
            self.assertEqual(path.read_bytes(), before)

    async def test_unusable_path(self) -> None:
        """What is no database, and what cannot be opened, is an error with the file's name."""
        path = Path(self.mktemp())
        path.write_text("PidFile logs/sipd.pid\n" * 100)
        self.assertIn("file is not a database", await self.start_error(path))
        self.assertIn("unable to open", await self.start_error(path / "registry.db"))

    async def start_error(self, path: Path) -> str:
        """Give the error of a store that cannot be read."""
        self.path = path
        store = self.opened()
        with self.assertRaises(StoreError) as caught:
            await store.load(lambda aor, bindings: None, NOW)
        await store.close()
        self.assertIn(str(path), str(caught.exception))
        return str(caught.exception)

    def file(self) -> SqliteFile:
        """Give the file of the registry."""
        assert isinstance(self.store, SqliteStore)
        return self.store.file


def _limit(cursor: Transaction, pages: int) -> int:
    """Let the file grow to so many pages; fewer than it has is as many.

    @return: the limit that holds
    """
    cursor.execute(f"PRAGMA max_page_count = {pages:d}")
    limit: int = cursor.fetchone()[0]
    return limit


def _settings(cursor: Transaction) -> tuple[object, ...]:
    """Give what the connection is set to."""
    found = []
    for name in ("journal_mode", "synchronous", "application_id", "user_version"):
        cursor.execute(f"PRAGMA {name}")
        found.append(cursor.fetchone()[0])
    return tuple(found)
