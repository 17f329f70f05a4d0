"""Members that come, go, and find a farm that they cannot be in."""

from random import Random
from typing import Any

from twisted.internet.defer import Deferred

from sipproxy.databases.routes import StaticRoute
from sipproxy.errors import StoreError
from sipproxy.farm.keyspace import KeyspaceError, Put
from sipproxy.farm.memory import MemoryKeyspace
from test.farm.fixtures import KEYS, TTL, Member, binding
from test.farm.test_registry import ALICE, BOB, FarmTestCase

A, B = binding(b"sip:a@h"), binding(b"sip:b@h")
ROUTE = StaticRoute("E164", "1408555....", "gw")


class FarmTests(FarmTestCase):
    """Two members; a third is expected."""

    def verify(self, member: Member) -> dict[str, Any]:
        """Compare a member's copies with the farm's."""
        found: dict[str, Any] = self.done(Deferred.fromCoroutine(member.farm.verify()))
        return found

    def test_members(self) -> None:
        """Each knows who is there, and who is missing; one that dies is missed in time, one that leaves at once."""
        self.clock.run(1)
        one, other = self.members
        self.assertEqual(sorted(one.farm.members.there), ["a", "b"])
        self.assertEqual(one.farm.members.missing, ["c"])
        self.assertEqual(one.farm.members.there["b"]["listen"], ["udp:5060"])
        other.kill()
        self.clock.run(TTL / 2)
        self.assertEqual(sorted(one.farm.members.there), ["a", "b"])
        self.clock.run(TTL)
        self.assertEqual(one.farm.members.missing, ["b", "c"])
        self.done(other.start())
        self.clock.run(1)
        self.assertEqual(one.farm.members.missing, ["c"])
        self.done(other.stop())
        self.clock.run(0.1)
        self.assertEqual(one.farm.members.missing, ["b", "c"])

    def test_away_and_back(self) -> None:
        """A member that was away finds what happened meanwhile, with the changes forgotten or not."""
        one, other = self.members
        for compact in (lambda: None, self.engine.compact):
            self.done(one.registry.store(BOB, (A,)))
            self.clock.run(1)
            self.done(other.stop())
            self.done(one.registry.store(BOB, ()))
            self.done(one.registry.store(ALICE, (B,)))
            self.done(one.routes.add(ROUTE))
            compact()
            self.done(other.start())
            self.assertEqual((other.copy(), other.table()), ({ALICE: (B,)}, [ROUTE.row]))

    def test_compacted_while_cut_off(self) -> None:
        """One that lost its way, and whose place is forgotten, reads all again."""
        one, other = self.members
        self.done(one.registry.store(BOB, (A,)))
        self.clock.run(1)
        other.way.is_cut = True
        self.done(one.registry.store(BOB, ()))
        self.clock.run(2 * TTL)
        self.engine.compact()
        other.way.is_cut = False
        self.clock.run(10)
        self.assertEqual((other.copy(), other.farm.away_since), ({}, None))

    def test_first_member(self) -> None:
        """A server that becomes the first member brings along what it has; one that joins gets it."""
        lonely = Member("c", self.clock, self.random, MemoryKeyspace(self.clock))
        self.addCleanup(lonely.kill)
        self.done(lonely.start())
        self.done(lonely.registry.store(BOB, (A,)))
        self.clock.run(2)
        self.done(lonely.routes.add(ROUTE))
        self.done(lonely.stop())
        lonely.engine = self.engine
        self.done(self.members[0].registry.store(ALICE, (B,)))
        self.done(lonely.start())
        self.clock.run(5)
        # Of the table the farm's own is the true one, of the registry both are.
        self.assertEqual([member.copy() for member in self.members], [{BOB: (A,), ALICE: (B,)}] * 2)
        self.assertEqual((lonely.copy(), lonely.table()), ({BOB: (A,), ALICE: (B,)}, []))

    def test_memory_lost(self) -> None:
        """Where the engine was made anew the members tell it what they know."""
        self.done(self.members[0].registry.store(BOB, (A,)))
        self.clock.run(2)
        self.done(self.members[1].routes.add(ROUTE))
        self.clock.run(1)
        fresh = MemoryKeyspace(self.clock)
        for member in self.members:
            self.done(member.stop())
            member.engine = fresh
        for member in self.members:
            self.done(member.start())
        self.clock.run(5)
        for member in self.members:
            self.assertEqual((member.copy(), member.table()), ({BOB: (A,)}, [ROUTE.row]))

    def test_later_release(self) -> None:
        """A farm of a later release is left alone, it is said why, and the server goes on by itself."""
        engine = MemoryKeyspace(self.clock)
        engine.commit([], [Put(KEYS.schema, b'{"v":2,"id":"x"}')])
        member = Member("c", self.clock, Random(1), engine)
        self.addCleanup(member.kill)
        error = self.failed(member.start(), KeyspaceError)
        self.assertIn("of a later release: version 2, known here: 1", str(error))
        before = engine.revision
        self.done(member.registry.store(BOB, (A,)))
        self.clock.run(30)
        self.assertEqual((engine.revision, member.registry.pending), (before, 1))
        self.assertIn("later release", member.farm.away_reason)

    def test_nobody_there(self) -> None:
        """A member that starts without the engine says so, and has what it had."""
        other = self.members[1]
        self.done(other.registry.store(BOB, (A,)))
        self.clock.run(1)
        self.done(other.stop())
        other.way.is_cut = True
        self.failed(other.start(), StoreError)
        self.assertEqual(other.copy(), {BOB: (A,)})
        self.assertIsNotNone(other.farm.away_since)

    def test_verify(self) -> None:
        """Copies that are true are found to be so; what differs is named, and read again as the operator wishes."""
        one, other = self.members
        self.clock.run(2)
        self.done(one.registry.store(BOB, (A,)))
        self.done(one.routes.add(ROUTE))
        self.clock.run(1)
        self.assertEqual(self.verify(other), {"registry": [], "routing": []})
        other.registry._index.clear()
        other.routes.index.discard([ROUTE])
        found = self.verify(other)
        self.assertEqual(found, {"registry": [BOB], "routing": [b'["E164","1408555....","gw",0,"udp"]']})
        other.farm.resynchronize()
        self.clock.run(5)
        self.assertEqual(self.verify(other), {"registry": [], "routing": []})
        other.way.is_cut = True
        self.clock.run(2 * TTL)
        self.failed(Deferred.fromCoroutine(other.farm.verify()), StoreError)

    def test_silent_engine(self) -> None:
        """A watch that says nothing any more is noticed, though nothing else fails."""
        other = self.members[1]
        self.clock.run(1)
        watch: Any = other.farm._watch
        watch._tell = lambda batch: None
        self.clock.run(3 * TTL)
        self.done(self.members[0].registry.store(BOB, (A,)))
        self.clock.run(1)
        self.assertEqual((other.copy(), other.farm.away_since), ({BOB: (A,)}, None))
