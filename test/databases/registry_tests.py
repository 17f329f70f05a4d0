"""What the registry database does, whatever keeps it; L{test.databases.test_registry} runs it over each store."""

from zope.interface.verify import verifyObject

from sipproxy.databases.feed import Change
from sipproxy.databases.registry_store import IRegistryStore
from sipproxy.interfaces import IRegistry
from sipproxy.registrar.bindings import Binding
from test.databases.stores import ALICE, BOB, FLUSH, NOW, RegistryTestCase, binding

A, B = binding(b"sip:a@h"), binding(b"sip:b@h", seconds=60)


class RegistryTests(RegistryTestCase):
    """What holds whatever the store."""

    async def test_interfaces(self) -> None:
        """The registry and its store do what their interfaces say."""
        self.assertTrue(verifyObject(IRegistry, self.registry))
        self.assertTrue(verifyObject(IRegistryStore, self.store))

    async def test_visible_when_durable(self) -> None:
        """A change is seen by the next change at once, by lookups when it is durable."""
        stored = self.registry.store(BOB, (A, B))
        self.assertEqual(self.registry.current(BOB, NOW), (A, B))
        self.assertEqual(self.registry.lookup(BOB, NOW), ())
        await self.commit(stored)
        self.assertEqual(self.registry.current(BOB, NOW), (A, B))
        self.assertEqual(self.registry.lookup(BOB, NOW), (A, B))
        self.assertEqual(len(self.registry), 1)

    async def test_unchanged(self) -> None:
        """What is stored already is durable at once and no change."""
        await self.commit(self.registry.store(BOB, (A,)))
        self.successResultOf(self.registry.store(BOB, (A,)))
        self.successResultOf(self.registry.store(ALICE, ()))
        self.assertEqual(self.registry.revision, 1)

    async def test_changes_upon_changes(self) -> None:
        """Of several changes in a batch the last one counts, and each has its revision."""
        stored = [self.registry.store(BOB, bindings) for bindings in ((A,), (A, B), (B,))]
        await self.commit(*stored)
        self.assertEqual(self.registry.lookup(BOB, NOW), (B,))
        self.assertEqual(self.registry.revision, 3)
        await self.restart()
        self.assertEqual(self.registry.lookup(BOB, NOW), (B,))
        self.assertEqual(self.registry.revision, 3)

    async def test_restart(self) -> None:
        """All is there again after a restart, what has run out aside, and revisions go on."""
        full = Binding(
            b"sip:a@h;pn=1", b';x="\xff\xc3\xa9"', 0.5, "proxy", NOW + 9, NOW, b"\xe9", 7, (b"<sip:p;lr>",), b"<i>", 2
        )
        static = Binding(b"sip:s@h")
        await self.commit(self.registry.store(BOB, (full, A, static)), self.registry.store(ALICE, (B,)))
        self.now += 61
        await self.restart()
        self.assertEqual(self.registry.lookup(BOB, NOW), (full, A, static))
        self.assertEqual(len(self.registry), 1)
        await self.commit(self.registry.store(BOB, ()))
        await self.restart()
        self.assertEqual((len(self.registry), self.registry.revision), (0, 3))

    async def test_many_at_once(self) -> None:
        """Batches larger than a statement are stored whole, and removed whole."""
        keys = [b"user%d@example.com" % number for number in range(200)]
        await self.commit(*(self.registry.store(key, (A,)) for key in keys))
        await self.restart()
        self.assertEqual([key for key in keys if self.registry.lookup(key, NOW) != (A,)], [])
        await self.commit(*(self.registry.store(key, ()) for key in keys))
        await self.restart()
        self.assertEqual(len(self.registry), 0)

    async def test_lookup_minds_the_time(self) -> None:
        """A binding that has run out is not given, removed or not."""
        await self.commit(self.registry.store(BOB, (A, B)))
        self.assertEqual(self.registry.lookup(BOB, NOW + 60), (A,))
        self.assertEqual(self.registry.current(BOB, NOW + 60), (A,))

    async def test_expiry(self) -> None:
        """What has run out leaves memory and store, and is a change."""
        await self.commit(self.registry.store(BOB, (A, B)), self.registry.store(ALICE, (B,)))
        changes: list[Change] = []
        self.registry.subscribe(changes.append)
        self.now += 61
        self.clock.advance(1)
        await self.flushed()
        self.assertEqual(sorted(change[1:] for change in changes if change.aor != FLUSH), [(ALICE, ()), (BOB, (A,))])
        self.assertEqual(len(self.registry), 1)
        self.assertEqual(await self.registry.page(b"", 9), [(BOB, (A,))])

    async def test_refreshed_in_time(self) -> None:
        """A binding that was refreshed does not run out at its old time, but at its new one."""
        await self.commit(self.registry.store(BOB, (B,)))
        later = binding(b"sip:b@h", seconds=120, cseq=2)
        await self.commit(self.registry.store(BOB, (later,)))
        self.now += 61
        self.clock.advance(1)
        self.assertEqual(self.registry.lookup(BOB, self.now), (later,))
        self.now += 60
        self.clock.advance(1)
        await self.flushed()
        self.assertEqual(len(self.registry), 0)

    async def test_refreshed_while_it_runs_out(self) -> None:
        """A refresh that is being stored when the old time comes is not undone."""
        await self.commit(self.registry.store(BOB, (B,)))
        later = binding(b"sip:b@h", seconds=120, cseq=2)
        stored = self.registry.store(BOB, (later,))
        self.now += 61
        self.clock.advance(1)
        await stored
        await self.flushed()
        self.assertEqual(self.registry.lookup(BOB, self.now), (later,))

    async def test_clock_set_back(self) -> None:
        """After a step of the clock nothing runs out too early, and all does in the end."""
        self.now += 10_000
        ahead = binding(b"sip:a@h", seconds=10_060)
        await self.commit(self.registry.store(BOB, (ahead,)))
        self.clock.advance(1)
        self.now = NOW
        await self.commit(self.registry.store(ALICE, (B,)))
        self.clock.advance(1)
        self.assertEqual(len(self.registry), 2)
        self.now = NOW + 61
        self.clock.advance(1)
        await self.flushed()
        self.assertEqual(len(self.registry), 1)
        self.now = NOW + 10_061
        self.clock.advance(1)
        await self.flushed()
        self.assertEqual(len(self.registry), 0)

    async def test_followers(self) -> None:
        """Who follows hears of changes in order once they are durable; who was away catches up or takes all."""
        changes: list[Change] = []
        self.registry.subscribe(changes.append)
        stored = [self.registry.store(BOB, (A,)), self.registry.store(ALICE, (B,)), self.registry.store(BOB, ())]
        self.assertEqual(changes, [])
        await self.commit(*stored)
        self.assertEqual(changes, [Change(1, BOB, (A,)), Change(2, ALICE, (B,)), Change(3, BOB, ())])
        self.assertEqual(self.registry.since(1), changes[1:])
        self.assertIsNone(self.registry.since(4))
        self.registry.unsubscribe(changes.append)
        revision, rows = self.registry.snapshot()
        await self.commit(self.registry.store(BOB, (A, B)))
        self.assertEqual((revision, list(rows)), (3, [(ALICE, (B,))]))
        self.assertEqual(len(changes), 3)

    async def test_pages(self) -> None:
        """A list is read page by page; what changes in between does not shift it."""
        keys = [b"%d@example.com" % number for number in range(5)]
        await self.commit(*(self.registry.store(key, (A,)) for key in keys))
        first = await self.registry.page(b"", 2)
        self.assertEqual(first, [(keys[0], (A,)), (keys[1], (A,))])
        await self.commit(self.registry.store(keys[0], ()), self.registry.store(keys[1], ()))
        second = await self.registry.page(first[-1][0], 9)
        self.assertEqual([aor for aor, _ in second], keys[2:])
        self.assertEqual(await self.registry.page(keys[4], 9), [])

    async def test_stop_stores(self) -> None:
        """A change on its way is stored before the registry stops."""
        stored = self.registry.store(BOB, (A,))
        await self.restart()
        self.successResultOf(stored)
        self.assertEqual(self.registry.lookup(BOB, NOW), (A,))
