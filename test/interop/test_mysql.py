"""Subscribers in a real MariaDB, which is restarted, killed, mute, closed to us, and read by others."""

import os
import signal
import threading
import time
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from sipproxy.databases import schema
from sipproxy.databases.mysql import MysqlAddress
from sipproxy.databases.subscribers import ISubscriberStore, Subscriber, Subscribers
from sipproxy.databases.subscribers_fields import RefusedError
from sipproxy.databases.subscribers_mysql import MysqlStore
from sipproxy.errors import StoreError, UnavailableError
from test.databases import subscribers_tests  # As a module, or trial would run its tests for themselves.
from test.interop.harness import LEEWAY, LOOPBACK, PATIENCE
from test.interop.importing import kill_import, some_subscribers
from test.interop.mysql import DATABASE, PASSWORD, USER, MariaDb, MuteServer

TABLE = "subscribers"
#: Timeout of the store where something is to be waited for, seconds.
SHORT = 0.3


def make_store(address: MysqlAddress, table: str = TABLE, size: int = 4, timeout: float = 5.0) -> MysqlStore:
    """Give a store in the real reactor's threads."""
    from twisted.internet import reactor

    return MysqlStore(address, table, reactor, size, timeout)


async def pause(seconds: float) -> None:
    """Let time pass."""
    from twisted.internet import reactor

    await deferLater(reactor, seconds)


class MariaDbTestCase(TestCase):
    """A server for each test."""

    timeout = 60

    def begin(self) -> None:
        """Start the server; it ends with the test."""
        self.server = MariaDb()
        self.addCleanup(self.server.remove)
        self.server.install()

    def in_database(self, *statements: str) -> Any:
        """Run statements as the administrator, and give the last one's rows."""
        return self.server.as_root(*statements, database=DATABASE)


class MysqlSubscribersTests(MariaDbTestCase, subscribers_tests.SubscribersTests):
    """What holds whatever the store."""

    async def setUp(self) -> None:  # type: ignore[override]
        self.begin()
        await super().setUp()

    def opened(self) -> ISubscriberStore:
        """Give a store of the table."""
        return make_store(self.server.address())


class SchemaTests(MariaDbTestCase):
    """Tables that are there, ours and others', with rights and without."""

    def setUp(self) -> None:
        self.begin()

    async def opened(self, user: str = USER, table: str = TABLE) -> MysqlStore:
        """Open a store that is closed with the test."""
        store = make_store(self.server.address(user), table)
        self.addCleanup(store.close)
        await store.open()
        return store

    async def refusal(self, user: str = USER) -> str:
        """Give why a store cannot be opened."""
        with self.assertRaises(StoreError) as caught:
            await self.opened(user)
        return str(caught.exception)

    def make_user(self, name: str, rights: str) -> None:
        """Make a user with some rights."""
        self.server.as_root(f"DROP USER IF EXISTS {name}@'%'", f"CREATE USER {name}@'%'")
        escaped = PASSWORD.replace("\\", "\\\\").replace("'", "''")
        self.server.as_root(
            f"ALTER USER {name}@'%' IDENTIFIED BY '{escaped}'", f"GRANT {rights} ON {DATABASE}.* TO {name}@'%'"
        )

    async def test_script(self) -> None:
        """The schema that the package prints makes the same table as the server, and is used as ours."""
        await self.opened(table="other")
        self.in_database(schema.script("mysql"))
        await self.opened()
        made = [self.in_database(f"SHOW CREATE TABLE {table}")[0][1] for table in (TABLE, "other")]
        self.assertEqual(made[0], made[1].replace("other", TABLE))
        self.assertIn("COMMENT='sipproxy subscribers 1'", made[0])

    async def test_several_at_once(self) -> None:
        """Servers that start together make one table."""
        stores = [make_store(self.server.address()) for _ in range(4)]
        opened = [store.open() for store in stores]
        for each in opened:
            await each
        for store in stores:
            await store.close()
        self.assertEqual(len(self.in_database("SHOW TABLES")), 1)

    async def test_later_release(self) -> None:
        """A table of a later release is left alone."""
        await self.opened()
        self.in_database(f"ALTER TABLE {TABLE} COMMENT='sipproxy subscribers 2'")
        self.assertIn("of a later release (schema 2)", await self.refusal())

    async def test_no_right_to_create(self) -> None:
        """Who may not make the table is told so; once it is there it is enough to read and write it."""
        self.make_user("reader", "SELECT, INSERT, UPDATE, DELETE")
        refusal = await self.refusal("reader")
        self.assertIn("there is no table subscribers (CREATE command denied", refusal)
        self.in_database(schema.script("mysql"))
        store = await self.opened("reader")
        await store.add([Subscriber("bob")], False, 1.0)
        self.assertEqual(await store.find(["bob"]), {"bob": Subscriber("bob", created=1.0, updated=1.0)})

    async def test_may_only_read(self) -> None:
        """Who may only read can be asked, and says what the server says about changes."""
        self.in_database(schema.script("mysql"), f"INSERT INTO {TABLE} (username) VALUES ('bob')")
        self.make_user("reader", "SELECT")
        store = await self.opened("reader")
        self.assertEqual(await store.find(["bob"]), {"bob": Subscriber("bob")})
        with self.assertRaises(StoreError) as caught:
            await store.delete("bob")
        self.assertIn("DELETE command denied", str(caught.exception))

    async def test_somebody_elses_table(self) -> None:
        """A table without our mark is used where it has all columns, else they are named; it is not changed."""
        self.in_database(f"CREATE TABLE {TABLE} (username VARCHAR(64) PRIMARY KEY, password TEXT)")
        before = self.in_database(f"SHOW CREATE TABLE {TABLE}")
        refusal = await self.refusal()
        self.assertIn("table subscribers has no column domain, display_name, realm, ha1_md5,", refusal)
        self.assertIn("updated", refusal)
        self.assertEqual(self.in_database(f"SHOW CREATE TABLE {TABLE}"), before)

    async def test_careless_table(self) -> None:
        """In a table that takes alike for equal nobody gets another's record, and nobody else's is changed."""
        script = schema.MYSQL.pending(TABLE, 0)[0].replace("VARBINARY(1020)", "VARCHAR(20) COLLATE utf8mb4_general_ci")
        self.in_database(script.replace("COMMENT='sipproxy subscribers 1'", "COMMENT=''"))
        store = await self.opened()
        await store.add([Subscriber("bob")], False, 1.0)
        self.assertEqual(await store.find(["BOB", "bob "]), {})
        with self.assertRaises(RefusedError):
            await store.delete("BOB")
        with self.assertRaises(RefusedError):
            await store.change("BOB", {"busy": "sip:x@h"})
        with self.assertRaises(StoreError):  # too long for it, and not cut off
            await store.add([Subscriber("b" * 21)], False, 1.0)
        self.assertEqual(await store.page("", 9), [Subscriber("bob", created=1.0, updated=1.0)])

    async def test_written_by_hand(self) -> None:
        """A row that somebody has inserted with a key and a password is a subscriber; an empty password is none."""
        store = await self.opened()
        self.in_database(f"INSERT INTO {TABLE} (username, password) VALUES ('bob', 'secret'), ('eve', '')")
        expected = {"bob": Subscriber("bob", password="secret"), "eve": Subscriber("eve")}
        self.assertEqual(await store.find(["bob", "eve"]), expected)

    async def test_index(self) -> None:
        """A question reads the rows that it asks for and no others; a page begins where it is to."""
        store = await self.opened()
        await store.add([Subscriber(f"{number:05}") for number in range(2000)], False, 1.0)
        asked = self.in_database(f"EXPLAIN SELECT * FROM {TABLE} WHERE username IN ('00007', '01000')")
        self.assertEqual((asked[0][3], asked[0][5], int(asked[0][8])), ("range", "PRIMARY", 2))
        paged = self.in_database(f"EXPLAIN SELECT * FROM {TABLE} WHERE username > '01990' ORDER BY username LIMIT 5")
        self.assertEqual((paged[0][3], paged[0][5]), ("range", "PRIMARY"))

    async def test_table_is_dropped(self) -> None:
        """A table that is gone is made anew when the store is opened again; until then the answer is an error."""
        store = await self.opened()
        self.in_database(f"DROP TABLE {TABLE}")
        with self.assertRaises(StoreError) as caught:
            await store.find(["bob"])
        self.assertIn("doesn't exist", str(caught.exception))
        await store.open()
        self.assertEqual(await store.find(["bob"]), {})

    async def test_pending(self) -> None:
        """What opening would do is told, and not done; there is nothing for a table that is there."""
        store = make_store(self.server.address())
        self.addCleanup(store.close)
        self.assertEqual(await store.pending(), schema.MYSQL.pending(TABLE, 0))
        self.assertEqual(self.in_database("SHOW TABLES"), ())
        await store.open()
        self.assertEqual(await store.pending(), ())


class AwayTests(MariaDbTestCase):
    """A server that goes away, comes back, and is never there."""

    def setUp(self) -> None:
        self.begin()

    def made(self, address: MysqlAddress, timeout: float = SHORT, size: int = 4) -> Subscribers:
        """Give a database on the real clock that believes answers for an instant."""
        from twisted.internet import reactor

        subscribers = Subscribers(make_store(address, size=size, timeout=timeout), reactor, 0.001)
        self.addCleanup(subscribers.stop)
        return subscribers

    async def test_killed_and_restarted(self) -> None:
        """While the server is away what was known is answered at once, the rest is 503; then all is well by itself."""
        subscribers = self.made(self.server.address())
        await subscribers.start()
        await subscribers.add(Subscriber("bob"))
        for _ in range(4):  # so that more than one thread has a connection
            await subscribers.get("bob")
        bob = await subscribers.find(["bob"])  # type: ignore[misc]
        self.assertIsNone(await subscribers.find(["nobody"]))  # type: ignore[misc]
        self.server.kill()
        await pause(0.01)
        self.assertEqual(await subscribers.find(["bob"]), bob)  # type: ignore[misc]
        self.assertIn("mysql://", subscribers.away_reason)
        self.assertNotIn(PASSWORD, subscribers.away_reason)
        for _ in range(1000):
            self.assertEqual(subscribers.find(["nobody", "bob"]), bob)
            with self.assertRaises(UnavailableError):
                subscribers.find(["alice"])
        with self.assertRaises(StoreError):
            await subscribers.add(Subscriber("alice"))
        self.server.start()
        end = time.monotonic() + PATIENCE
        while subscribers.away_since is not None and time.monotonic() < end:
            await pause(0.05)
        self.assertIsNone(await subscribers.find(["alice"]))  # type: ignore[misc]
        self.assertEqual(await subscribers.find(["bob"]), bob)  # type: ignore[misc]
        await subscribers.add(Subscriber("alice"))

    async def test_restarted_unnoticed(self) -> None:
        """Connections that died while nobody asked are made anew; who asks then notices nothing."""
        subscribers = self.made(self.server.address(), timeout=5)
        await subscribers.start()
        await subscribers.add(Subscriber("bob"))
        self.server.kill()
        self.server.start()
        for _ in range(8):
            self.assertIsNotNone(await subscribers.get("bob"))
        self.assertIsNone(subscribers.away_since)

    async def test_mute(self) -> None:
        """A server that says nothing costs who asks one timeout, and gives the threads back."""
        mute = MuteServer()
        self.addCleanup(mute.close)
        threads = threading.active_count()
        subscribers = self.made(mute.address(), size=2)
        begun = time.monotonic()
        asked = [subscribers.find([f"{number}"]) for number in range(50)]
        for each in asked:
            with self.assertRaises(UnavailableError):
                await each  # type: ignore[misc]
        took = time.monotonic() - begun
        self.assertTrue(SHORT * 0.9 <= took < SHORT + LEEWAY, took)
        self.assertIn("no answer in time", subscribers.away_reason)
        await subscribers.stop()
        self.assertLess(time.monotonic() - begun, SHORT + 2 * LEEWAY)
        self.assertEqual(threading.active_count(), threads)

    async def test_stopped_server(self) -> None:
        """A server that falls silent in the middle is noticed by the deadline, and is used again when it goes on."""
        subscribers = self.made(self.server.address())
        await subscribers.start()
        await subscribers.add(Subscriber("bob"))
        pid = int((self.server.folder / "m.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with self.assertRaises(StoreError):
                await subscribers.get("bob")
            self.assertLess(time.monotonic() - begun, SHORT + LEEWAY)
        finally:
            os.kill(pid, signal.SIGCONT)
        await pause(2 * SHORT)
        self.assertIsNotNone(await subscribers.get("bob"))

    async def test_cancel(self) -> None:
        """A question that is cancelled is let go, one in the queue is never asked, and neither hinders others."""
        store = make_store(self.server.address(), size=1)
        self.addCleanup(store.close)
        await store.open()
        asked: list[Deferred[Any]] = [store.add([Subscriber(str(number))], False, 1.0) for number in range(3)]
        for each in asked[1:]:
            each.cancel()
        for each in asked[1:]:
            with self.assertRaises(CancelledError):
                await each
        await asked[0]
        self.assertEqual([each.key for each in await store.page("", 9)], ["0"])

    async def test_wrong_password(self) -> None:
        """A refused login is said in the server's words, without the password."""
        subscribers = self.made(self.server.address(password="wr\u00f6ng"))
        with self.assertRaises(StoreError) as caught:
            await subscribers.start()
        self.assertIn(f"Access denied for user '{USER}'", str(caught.exception))
        self.assertNotIn("wr\u00f6ng", str(caught.exception))
        with self.assertRaises(UnavailableError):
            subscribers.find(["bob"])

    async def test_nobody_there(self) -> None:
        """A port that nobody listens on, a host that is none and a server of another kind are errors of one line."""
        mute = MuteServer()
        port = mute.port
        mute.close()
        for host in (LOOPBACK, "no.such.host.invalid"):
            store = make_store(MysqlAddress(host, port, DATABASE, USER, b""))
            with self.assertRaises(StoreError) as caught:
                await store.open()
            self.assertIn(f"mysql://{USER}@{host}:{port}/{DATABASE}: Can't connect", str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))
            await store.close()

    async def test_rubbish(self) -> None:
        """A server that speaks something else is an error, whatever it says."""
        from twisted.internet import reactor
        from twisted.internet.protocol import Factory, Protocol

        said = [
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"\x01\0\0\0\x0a",
            b"\x03\0\0\0\x0a5\0",
            bytes(64),
            b"\xff" * 64,
            b"",
        ]

        class Speaking(Protocol):
            def connectionMade(self) -> None:
                self.transport.write(said[0])  # type: ignore[union-attr]
                self.transport.loseConnection()  # type: ignore[union-attr]

        port: Any = reactor.listenTCP(0, Factory.forProtocol(Speaking), interface=LOOPBACK)  # type: ignore[arg-type]
        self.addCleanup(port.stopListening)
        while said:
            store = make_store(MysqlAddress(LOOPBACK, port.getHost().port, DATABASE, USER, b""), timeout=SHORT)
            with self.assertRaises(StoreError):
                await store.open()
            await store.close()
            del said[0]


class ImportTests(MariaDbTestCase):
    """Many subscribers at once, and a process that is killed among them."""

    async def test_killed_import(self) -> None:
        """After kill -9 in the middle of an import there is what was there before, and the import can be made."""
        self.begin()
        store = make_store(self.server.address())
        self.addCleanup(store.close)
        await store.add([Subscriber("bob")], False, 1.0)
        for seconds in (0.1, 0.6):
            kill_import(["mysql", str(self.server.port)], seconds)
            self.assertEqual(await store.page("", 9), [Subscriber("bob", created=1.0, updated=1.0)])
        await store.add(some_subscribers(100), False, 1.0)

    async def test_questions_during_an_import(self) -> None:
        """Calls ask while an import runs, and see all of it or nothing."""
        self.begin()
        store = make_store(self.server.address())
        self.addCleanup(store.close)
        await store.open()
        added = store.add(some_subscribers(10_000), False, 1.0)
        asked = 0
        while not added.called:
            self.assertIn(len(await store.find(["5000000", "5009999"])), (0, 2))
            asked += 1
        self.assertEqual(await added, 10_000)
        self.assertGreater(asked, 5)
