"""What the subscriber database does, whatever keeps it; it is run over memory, SQLite and MySQL."""

from dataclasses import replace

from twisted.internet.defer import gatherResults
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from sipproxy.databases.subscribers import (
    ExistsError,
    ISubscriberStore,
    MissingError,
    RefusedError,
    Subscriber,
    Subscribers,
)
from sipproxy.databases.subscribers_fields import FIELDS, LONGEST
from sipproxy.interfaces import ISubscriber, ISubscribers

NOW = 1_790_000_000.25
CACHE = 60.0
BOB = Subscriber("bob@example.com", "example.com", "Bob", password="secret", created=NOW, updated=NOW)
ALICE = Subscriber("alice", created=NOW, updated=NOW)
# What breaks SQL, CSV, JSON and lines, and letters of one, two, three and four octets.
NASTY = "'; DROP TABLE subscribers; --\"`\\%s%(x)s?:1\0\r\n\t e\u0301\u00e9\u4e2d\U0001f600 "


def full(key: str, text: str) -> Subscriber:
    """Give a subscriber with a text in every field that may have any."""
    texts = {name: text for name in LONGEST if name != "key" and not name.startswith("ha1")}
    return Subscriber(
        key,
        **texts,
        ha1_md5="0" * 32,
        ha1_sha256="1" * 64,
        ha1b_md5="a" * 32,
        ha1b_sha256="f" * 64,
        ring_time=0.001,
        enabled=False,
        created=NOW,
        updated=NOW + 1 / 3,
    )


class SubscribersTestCase(TestCase):
    """A subscriber database that is started; a class beside the tests gives it a store.

    Threads are real, so the tests wait for real Deferreds; all delays are on a L{Clock}.
    """

    timeout = 20

    async def setUp(self) -> None:  # type: ignore[override]
        self.clock = Clock()
        self.clock.advance(NOW)
        self.store = self.opened()
        self.subscribers = Subscribers(self.store, self.clock, CACHE)
        await self.subscribers.start()

    async def tearDown(self) -> None:  # type: ignore[override]
        await self.subscribers.stop()

    def opened(self) -> ISubscriberStore:
        """Give a store over what earlier ones of this test have kept."""
        raise NotImplementedError

    async def restart(self) -> None:
        """Stop, and start another over what is stored."""
        await self.subscribers.stop()
        self.store = self.opened()
        self.subscribers = Subscribers(self.store, self.clock, CACHE)
        await self.subscribers.start()

    async def found(self, *keys: str) -> ISubscriber | None:
        """Ask, and wait where the answer is not at hand."""
        found = self.subscribers.find(keys)
        return found if found is None or isinstance(found, Subscriber) else await found  # type: ignore[misc]


class SubscribersTests(SubscribersTestCase):
    """What holds whatever the store."""

    maxDiff = None

    async def test_interfaces(self) -> None:
        """The database, its store and its records do what their interfaces say."""
        self.assertTrue(verifyObject(ISubscribers, self.subscribers))
        self.assertTrue(verifyObject(ISubscriberStore, self.store))
        self.assertTrue(verifyObject(ISubscriber, BOB))

    async def test_add(self) -> None:
        """A subscriber that was added is there, also after a restart, with the times of its making."""
        await self.subscribers.add(Subscriber("bob", display_name="Bob"))
        await self.restart()
        expected = Subscriber("bob", display_name="Bob", created=NOW, updated=NOW)
        self.assertEqual(await self.subscribers.get("bob"), expected)
        self.assertIsNone(await self.subscribers.get("alice"))

    async def test_every_field(self) -> None:
        """Each field comes back as it was: metacharacters, line ends, any Unicode, at its longest."""
        given = [full(NASTY, NASTY), full("k" * 255, ""), Subscriber("\U0001f600" * 255, created=0.5, updated=1e9)]
        given[1] = replace(given[1], password=None)
        widest = Subscriber("wide", created=NOW, updated=NOW)
        for name, longest in LONGEST.items():
            if name != "key" and not name.startswith("ha1"):
                widest = replace(widest, **{name: "\U0001f600" * longest})  # type: ignore[arg-type]
        given.append(replace(widest, ring_time=4_294_967.295))
        for subscriber in given:
            await self.subscribers.add(subscriber)
        for subscriber in given:
            self.assertEqual(await self.subscribers.get(subscriber.key), subscriber)

    async def test_keys_differ(self) -> None:
        """Keys that look alike are different: case, blanks at either end, accents, composed or not."""
        keys = [
            "bob",
            "Bob",
            "bob ",
            " bob",
            "bob\t",
            "bob\0",
            "b\u00f6b",
            "bo\u0308b",
            "bo\u0308b ",
            "\u00df",
            "ss",
            "1",
            "01",
        ]
        await self.subscribers.add_all([Subscriber(key, display_name=repr(key)) for key in keys], replace=False)
        for key in keys:
            found = await self.found(key)
            assert found is not None
            self.assertEqual((found.key, found.display_name), (key, repr(key)))
        self.assertIsNone(await self.found("BOB"))
        listed = await self.subscribers.page("", 100)
        self.assertEqual([each.key for each in listed], sorted(keys, key=str.encode))

    async def test_order_of_keys(self) -> None:
        """The first key that has a subscriber counts, from the store and from the cache."""
        await self.subscribers.add_all([BOB, ALICE], replace=False)
        for _ in range(2):
            self.assertEqual(await self.found("nobody", "alice", BOB.key), ALICE)
            self.assertEqual(await self.found(BOB.key, "alice"), BOB)
            self.assertIsNone(await self.found("nobody", "none"))
            self.assertIsNone(await self.found())

    async def test_no_such_keys(self) -> None:
        """Nobody has an empty key, one that is too long, or one that is no Unicode."""
        for key in ("", "x" * 256, "x" * 100_000, "\udcff"):
            self.assertIsNone(await self.found(key))
            self.assertIsNone(await self.subscribers.get(key))
            with self.assertRaises(MissingError):
                await self.subscribers.delete(key)
            with self.assertRaises(MissingError):
                await self.subscribers.change(key, {"busy": ""})
            with self.assertRaises(RefusedError):
                await self.subscribers.add(Subscriber(key))

    async def test_add_twice(self) -> None:
        """A key that there is already is refused, and what is there stays."""
        await self.subscribers.add(BOB)
        with self.assertRaises(ExistsError) as caught:
            await self.subscribers.add(replace(BOB, busy="sip:x@h"))
        self.assertIn("bob@example.com", str(caught.exception))
        self.assertEqual(await self.subscribers.get(BOB.key), BOB)

    async def test_change(self) -> None:
        """Fields are changed one by one, the others stay; the time of the change is kept."""
        await self.subscribers.add_all([BOB, ALICE], replace=False)
        self.clock.advance(10)
        changes = {"busy": NASTY, "password": None, "ring_time": 20.5, "enabled": False}
        changed = await self.subscribers.change(BOB.key, changes)
        expected = replace(BOB, busy=NASTY, password=None, ring_time=20.5, enabled=False, updated=NOW + 10)
        self.assertEqual(changed, expected)
        self.assertEqual(await self.subscribers.get(BOB.key), expected)
        self.assertEqual(await self.subscribers.get("alice"), ALICE)
        self.assertEqual(await self.subscribers.change(BOB.key, changes), expected)
        back = await self.subscribers.change(BOB.key, {"ring_time": None, "enabled": True})
        self.assertEqual((back.ring_time, back.enabled), (None, True))
        with self.assertRaises(MissingError):
            await self.subscribers.change("nobody", {"busy": ""})

    async def test_delete(self) -> None:
        """One that is deleted is gone; one that is not there cannot be."""
        await self.subscribers.add_all([BOB, ALICE], replace=False)
        await self.subscribers.delete(BOB.key)
        with self.assertRaises(MissingError):
            await self.subscribers.delete(BOB.key)
        self.assertEqual(await self.subscribers.page("", 9), [ALICE])

    async def test_pages(self) -> None:
        """A list is read page by page; what changes in between does not shift it."""
        keys = [f"{number:04}" for number in range(5)]
        await self.subscribers.add_all([Subscriber(key) for key in keys], replace=False)
        first = await self.subscribers.page("", 2)
        self.assertEqual([each.key for each in first], keys[:2])
        await self.subscribers.delete(keys[0])
        second = await self.subscribers.page(first[-1].key, 9)
        self.assertEqual([each.key for each in second], keys[2:])
        self.assertEqual(await self.subscribers.page(keys[4], 9), [])
        with self.assertRaises(RefusedError):
            await self.subscribers.page("\udcff", 9)

    async def test_all_or_none(self) -> None:
        """Of many of which one is there, is there twice, or is wrong, none is stored."""
        await self.subscribers.add(BOB)
        many = [Subscriber(f"{number:05}") for number in range(1200)]
        cases: tuple[tuple[Subscriber, type[RefusedError], str], ...] = (
            (BOB, ExistsError, BOB.key),
            (Subscriber("00000"), RefusedError, "00000: it is there twice"),
            (Subscriber("wrong", busy="x" * 1024), RefusedError, "wrong: busy: 1024 characters, at most 1023"),
        )
        for last, kind, text in cases:
            with self.assertRaises(kind) as caught:
                await self.subscribers.add_all([*many, last], replace=False)
            self.assertIn(text, str(caught.exception))
            self.assertEqual(await self.subscribers.page("", 9), [BOB])
        self.assertEqual(await self.subscribers.add_all(many, replace=False), 1200)
        self.assertEqual(await self.subscribers.add_all([], replace=False), 0)
        listed = await self.subscribers.page("", 2000)
        self.assertEqual(len(listed), 1201)

    async def test_replace(self) -> None:
        """Those that are there are written over whole where that is asked for, the others stay."""
        await self.subscribers.add_all([BOB, ALICE], replace=False)
        other = Subscriber(BOB.key, busy="sip:x@h", created=NOW + 1, updated=NOW + 1)
        new = Subscriber("new", created=NOW, updated=NOW)
        self.assertEqual(await self.subscribers.add_all([other, new], replace=True), 2)
        self.assertEqual(await self.subscribers.page("", 9), [ALICE, other, new])

    async def test_wrong_values(self) -> None:
        """What a field cannot hold is refused before the store sees it, not cut off."""
        await self.subscribers.add(BOB)
        cases: list[tuple[str, object]] = [(name, "x" * (longest + 1)) for name, longest in LONGEST.items()]
        cases += [(name, "\udcff") for name in LONGEST]
        cases += [("password", ""), ("ha1_md5", "0" * 31), ("ha1_sha256", "g" * 64), ("busy", None), ("busy", 1)]
        cases += [("ring_time", value) for value in (0, -1.0, 1e10, float("nan"), float("inf"), "9", True, 10**400)]
        cases += [("enabled", 1), ("enabled", None), ("created", -1.0), ("updated", "now"), ("colour", "red"), ("", "")]
        for name, value in cases:
            with self.assertRaises(RefusedError) as caught:
                await self.subscribers.change(BOB.key, {name: value})
            self.assertIn(f"{name}:", str(caught.exception))
        self.assertEqual(await self.subscribers.get(BOB.key), BOB)
        for name, value in cases:
            if name in FIELDS:
                with self.assertRaises(RefusedError):
                    await self.subscribers.add(replace(ALICE, **{name: value}))  # type: ignore[arg-type]
        self.assertEqual(await self.subscribers.page("", 9), [BOB])

    async def test_changes_are_seen(self) -> None:
        """What was known of a subscriber is forgotten when it is changed, added or deleted."""
        self.assertIsNone(await self.found("bob"))
        await self.subscribers.add(Subscriber("bob", busy="sip:a@h"))
        found = await self.found("bob")
        assert found is not None
        await self.subscribers.change("bob", {"busy": "sip:b@h"})
        found = await self.found("bob")
        assert found is not None
        self.assertEqual(found.busy, "sip:b@h")
        await self.subscribers.delete("bob")
        self.assertIsNone(await self.found("bob"))
        await self.subscribers.add_all([Subscriber("bob")], replace=True)
        self.assertIsNotNone(await self.found("bob"))

    async def test_followers(self) -> None:
        """Who follows is told the key of what has changed, and nothing about what was refused."""
        told: list[str] = []
        self.subscribers.subscribe(told.append)
        await self.subscribers.add(ALICE)
        await self.subscribers.change("alice", {"busy": "sip:x@h"})
        with self.assertRaises(ExistsError):
            await self.subscribers.add(ALICE)
        await self.subscribers.delete("alice")
        await self.subscribers.add_all([ALICE, BOB], replace=False)
        self.assertEqual((told[:3], sorted(told[3:])), (["alice"] * 3, ["alice", BOB.key]))

    async def test_many_questions(self) -> None:
        """Questions at one time each have their own answer."""
        keys = [f"{number:03}" for number in range(200)]
        await self.subscribers.add_all([Subscriber(key) for key in keys[::2]], replace=False)
        asked = [self.subscribers.find((key,)) for key in keys]
        answers = await gatherResults(asked)  # type: ignore[arg-type]
        self.assertEqual(
            [each and each.key for each in answers], [k if n % 2 == 0 else None for n, k in enumerate(keys)]
        )
