"""Registries of several members over one engine."""

from collections.abc import Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipproxy.databases.feed import Change
from sipproxy.errors import StoreError, UnavailableError
from sipproxy.farm.keyspace import Put, prefix_end
from sipproxy.farm.layout import read_bindings
from sipproxy.farm.memory import MemoryKeyspace
from sipproxy.interfaces import IRegistry
from sipproxy.registrar.bindings import Bindings
from sipproxy.simulation.clock import VirtualClock
from test.farm.fixtures import KEYS, NOW, Member, binding

BOB, ALICE = b"bob@test", b"alice@test"
A, B = binding(b"sip:a@h"), binding(b"sip:b@h", b"c2")
PREFIX = KEYS.database("registry")


class FarmTestCase(SynchronousTestCase):
    """Members of one farm.

    @ivar members: they are started and in the farm
    """

    count, is_strict = 2, False

    def setUp(self) -> None:
        self.clock = VirtualClock()
        self.random = Random(7)
        self.engine = MemoryKeyspace(self.clock)
        self.members = [
            Member(name, self.clock, self.random, self.engine, self.is_strict) for name in "abc"[: self.count]
        ]
        for member in self.members:
            self.addCleanup(member.kill)
            self.done(member.start())

    def done(self, deferred: "Deferred[Any]", seconds: float = 20) -> Any:
        """Let time pass until a Deferred fires."""
        self.clock.run_until(lambda: deferred.called and not deferred.paused, seconds)
        return self.successResultOf(deferred)

    def failed(self, deferred: "Deferred[Any]", error: type[Exception], seconds: float = 60) -> Any:
        """Let time pass until a Deferred fails."""
        self.clock.run_until(lambda: deferred.called and not deferred.paused, seconds)
        return self.failureResultOf(deferred, error).value

    def in_engine(self) -> dict[bytes, Bindings]:
        """Give what the engine has of the registry."""
        page = self.successResultOf(self.engine.page(PREFIX, prefix_end(PREFIX), 1000))
        return {item.key[len(PREFIX) :]: read_bindings(item.value) for item in page.items}


class SharedRegistryTests(FarmTestCase):
    """Two members."""

    def test_interface(self) -> None:
        """It is a registry."""
        self.assertTrue(verifyObject(IRegistry, self.members[0].registry))

    def test_everywhere(self) -> None:
        """What one member was told all have, in memory and on disk, and a change upon a change is seen at once."""
        one, other = self.members
        stored = one.registry.store(BOB, (A,))
        self.assertEqual(one.registry.current(BOB, NOW), (A,))
        self.assertEqual(one.registry.lookup(BOB, NOW), ())
        self.done(stored)
        self.assertEqual(one.registry.lookup(BOB, NOW), (A,))
        self.clock.run(0.1)
        self.assertEqual(other.registry.lookup(BOB, NOW), (A,))
        self.assertEqual(self.done(other.registry.page(b"", 9)), [(BOB, (A,))])
        self.assertEqual(self.in_engine(), {BOB: (A,)})
        self.done(other.registry.store(BOB, ()))
        self.clock.run(0.1)
        self.assertEqual((one.copy(), self.in_engine()), ({}, {}))

    def test_both_at_once(self) -> None:
        """Two telephones that register at two members in the same moment are both there."""
        one, other = self.members
        first, second = one.registry.store(BOB, (A,)), other.registry.store(BOB, (B,))
        self.done(first)
        self.done(second)
        self.clock.run(0.1)
        for member in self.members:
            self.assertEqual(set(member.registry.lookup(BOB, NOW)), {A, B})

    def test_cseq_decides(self) -> None:
        """Of one call at two members in the same moment the later CSeq counts, whichever comes first."""
        six, five = binding(b"sip:a@h", cseq=6), binding(b"sip:a@h", cseq=5, at=NOW + 30)
        for number in range(10):
            aor = b"user%d@test" % number
            stored = [self.members[0].registry.store(aor, (six,)), self.members[1].registry.store(aor, (five,))]
            for deferred in stored:
                self.done(deferred)
            self.clock.run(0.1)
            self.assertEqual([member.registry.lookup(aor, NOW) for member in self.members], [(six,), (six,)])

    def test_batches(self) -> None:
        """Many changes are written together; one that another member has changed does not keep the others."""
        one, other = self.members
        self.done(other.registry.store(BOB, (B,)))
        before = self.engine.revision
        stored = [one.registry.store(b"user%d@test" % number, (A,)) for number in range(150)]
        stored.append(one.registry.store(BOB, (A,)))
        for deferred in stored:
            self.done(deferred)
        self.assertLess(self.engine.revision - before, 6)
        self.assertEqual(len(self.in_engine()), 151)
        self.assertEqual(set(self.in_engine()[BOB]), {A, B})

    def test_several_of_one(self) -> None:
        """Changes of one address of record that come together are one, and each is answered."""
        registry = self.members[0].registry
        stored = [registry.store(BOB, bindings) for bindings in ((A,), (A, B), (B,))]
        for deferred in stored:
            self.done(deferred)
        self.assertEqual(self.in_engine(), {BOB: (B,)})
        self.successResultOf(registry.store(BOB, (B,)))

    def test_cut_off(self) -> None:
        """A member that is cut off goes on, says so, and is one of the farm again with all that it was told."""
        one, other = self.members
        self.done(one.registry.store(BOB, (A,)))
        self.clock.run(0.1)
        other.way.is_cut = True
        self.done(other.registry.store(ALICE, (B,)), 2)
        self.assertIsNotNone(other.farm.away_since)
        self.assertEqual(other.registry.pending, 1)
        self.assertEqual(other.registry.lookup(BOB, NOW), (A,))
        began = self.clock.seconds()
        self.done(other.registry.store(ALICE, (B, A)), 2)
        self.assertLess(self.clock.seconds() - began, 0.1)  # it is known to be away
        self.done(one.registry.store(BOB, ()))
        other.way.is_cut = False
        self.clock.run(10)
        self.assertEqual(other.registry.pending, 0)
        self.assertIsNone(other.farm.away_since)
        for member in self.members:
            self.assertEqual(member.copy(), {ALICE: (B, A)})

    def test_pending_survives(self) -> None:
        """What is pending when a member is killed is told when it is back."""
        other = self.members[1]
        other.way.is_cut = True
        self.done(other.registry.store(ALICE, (B,)), 2)
        other.kill()
        other.start().addErrback(lambda failure: failure.trap(StoreError) and None)
        self.clock.run(5)
        self.assertEqual((other.registry.pending, other.copy()), (1, {ALICE: (B,)}))
        other.way.is_cut = False
        self.clock.run(10)
        self.assertEqual((other.registry.pending, self.in_engine()), (0, {ALICE: (B,)}))

    def test_expiry(self) -> None:
        """What has run out is hidden at once everywhere, and removed by the first member only."""
        one, other = self.members
        brief = binding(b"sip:a@h", seconds=60, at=NOW + self.clock.seconds())
        longer = binding(b"sip:b@h", seconds=90, at=NOW + self.clock.seconds())
        self.done(other.registry.store(BOB, (brief, longer)))
        before = self.engine.revision
        self.clock.run(59)
        self.assertEqual(one.registry.lookup(BOB, one.now()), (brief, longer))
        self.clock.run(3)
        changed = [key for batch in self.engine._history for key, _ in batch.events if batch.revision > before]
        self.assertEqual(changed.count(PREFIX + BOB), 1)
        self.assertEqual((self.in_engine(), one.copy(), other.copy()), ({BOB: (longer,)},) * 3)
        self.clock.run(30)
        self.assertEqual((self.in_engine(), len(one.registry), len(other.registry)), ({}, 0, 0))

    def test_expiry_after_the_first_has_died(self) -> None:
        """Where the first member dies the next one removes what has run out."""
        one, other = self.members
        self.done(other.registry.store(BOB, (binding(b"sip:a@h", seconds=60, at=one.now()),)))
        one.kill()
        self.clock.run(120)
        self.assertEqual(self.in_engine(), {})
        self.assertEqual(len(other.registry), 0)

    def test_refreshed_while_it_runs_out(self) -> None:
        """A refresh at one member is not undone by another whose clock is ahead."""
        one, other = self.members
        start = self.clock.seconds()
        self.done(other.registry.store(BOB, (binding(b"sip:a@h", seconds=60, at=NOW + start),)))
        one.skew = 4.0
        later = binding(b"sip:a@h", seconds=600, at=NOW + start + 57, cseq=2)
        self.clock.run(start + 56 - self.clock.seconds())
        other.way.slowest = 0.3
        self.done(other.registry.store(BOB, (later,)))
        self.clock.run(30)
        self.assertEqual(self.in_engine(), {BOB: (later,)})

    def test_unreadable(self) -> None:
        """A value that is none is told of and left alone, until it is changed."""
        self.engine.commit([], [Put(PREFIX + BOB, b"what is that")])
        self.clock.run(1)
        self.assertEqual(self.members[0].registry.lookup(BOB, NOW), ())
        self.done(self.members[0].registry.store(BOB, (A,)))
        self.assertEqual(self.in_engine(), {BOB: (A,)})

    def test_own_change(self) -> None:
        """A change that comes back to who has made it, while it is being stored, is not stored once more."""
        store: Any = self.members[0]._store
        way: Any = self.members[0].way
        commit: Any = store.commit
        stored: list[Change] = []
        delays = iter((0.001, 0.2))  # the question, and the watch; the answer is before that
        way.delay = lambda: next(delays, 0.001)

        def commit_slowly(changes: Sequence[Change]) -> Deferred[None]:
            stored.extend(changes)
            slowly: Deferred[None] = deferLater(self.clock, 0.5, commit, changes)
            return slowly

        store.commit = commit_slowly
        self.done(self.members[0].registry.store(BOB, (A,)))
        self.clock.run(5)
        self.assertEqual([change.aor for change in stored], [BOB])
        self.assertEqual(self.members[0].registry.lookup(BOB, NOW), (A,))

    def test_disk_away(self) -> None:
        """What the farm has and this disk does not take is stored as soon as it can be."""
        one, other = self.members
        store: Any = other._store
        commit = store.commit
        store.commit = lambda changes: fail(StoreError("disk full"))
        self.done(one.registry.store(BOB, (A,)))
        self.clock.run(5)
        self.assertEqual(other.registry.lookup(BOB, NOW), ())
        self.assertIsNotNone(other.farm.away_since)
        store.commit = commit
        self.clock.run(10)
        self.assertEqual(other.registry.lookup(BOB, NOW), (A,))
        self.assertIsNone(other.farm.away_since)


class StrictTests(FarmTestCase):
    """FarmAcknowledge Strict."""

    is_strict = True

    def test_cut_off(self) -> None:
        """Without the farm a registration is refused in time, with Retry-After, and nothing has changed."""
        member = self.members[1]
        member.way.is_cut = True
        error = self.failed(member.registry.store(BOB, (A,)), UnavailableError, 2)
        self.assertEqual((error.status, error.headers), (503, (b"Retry-After: 30",)))
        self.assertEqual((member.registry.pending, member.registry.current(BOB, NOW)), (0, ()))
        member.way.is_cut = False
        self.clock.run(10)
        self.done(member.registry.store(BOB, (A,)))
        self.assertEqual(self.members[0].copy(), {BOB: (A,)})
