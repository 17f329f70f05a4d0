"""Tables of several members over one engine."""

from typing import Any

from twisted.internet.defer import Deferred, fail

from sipproxy.databases.records import Change
from sipproxy.databases.routes import StaticRoute
from sipproxy.errors import StoreError
from sipproxy.farm.keyspace import Delete, Put, prefix_end
from sipproxy.farm.lock import Lock, LockedError
from test.farm.fixtures import KEYS, TTL
from test.farm.test_registry import FarmTestCase

A, B = StaticRoute("E164", "1408555....", "a.example.com"), StaticRoute("Domain", "*.example.org", "b.example.com")
MANY = [StaticRoute("E164", f"1650{number:03d}....", "gw") for number in range(250)]
PREFIX = KEYS.database("routing")


class SharedTableTests(FarmTestCase):
    """Two members."""

    def setUp(self) -> None:
        super().setUp()
        self.one, self.other = self.members
        self.clock.run(2)  # the first one gives the farm its table

    def see(self, *routes: StaticRoute) -> None:
        """See that both members have these and no others, also on disk."""
        self.clock.run(0.5)
        expected = sorted(route.row for route in routes)
        for member in self.members:
            self.assertEqual(member.table(), expected, member.name)
            self.assertEqual(sorted(route.row for route in self.done(member.routes.page((), 999))), expected)

    def keys(self) -> list[bytes]:
        """Give what the engine has."""
        page = self.successResultOf(self.engine.page(PREFIX, prefix_end(PREFIX), 1000))
        return [item.key for item in page.items]

    def test_changes(self) -> None:
        """What is added, replaced or deleted at one member is so at all, and is told once to who follows."""
        told: list[Change[StaticRoute]] = []
        self.one.routes.subscribe(told.append)
        self.assertEqual(self.done(self.one.routes.add(A)), ((), (A,)))
        self.done(self.other.routes.add(B))
        self.see(A, B)
        heavier = StaticRoute("E164", "1408555....", "a.example.com", weight=9)
        self.done(self.other.routes.add(heavier))
        self.see(heavier, B)
        self.assertEqual(self.done(self.one.routes.add(heavier)), ((), ()))
        self.assertEqual(self.done(self.one.routes.delete(lambda index: [heavier])), ((heavier,), ()))
        self.see(B)
        self.assertEqual(told, [((), (A,)), ((), (B,)), ((), (heavier,)), ((heavier,), ())])

    def test_import(self) -> None:
        """Many come all at once; nobody sees some of them, and nothing is left of what was before."""
        self.done(self.one.routes.add(A))
        counts: set[int] = set()
        done = self.other.routes.import_(MANY, "replace")
        self.clock.run_until(lambda: bool(done.called), 20, lambda: counts.add(len(self.one.routes.index)))
        self.clock.run(1, lambda: counts.add(len(self.one.routes.index)))
        self.assertEqual(self.successResultOf(done), ((A,), tuple(MANY)))
        self.see(*MANY)
        self.assertEqual(counts, {1, len(MANY)})
        self.assertEqual(len(self.keys()), len(MANY) + 1)
        self.done(self.one.routes.add(A))
        self.done(self.one.routes.delete(lambda index: [route for route in index if route.next_hop == "gw"]))
        self.see(A)

    def test_importer_dies(self) -> None:
        """An import whose member dies has never been; the lock is open soon, and what it left is swept."""
        self.done(self.one.routes.add(A))
        self.other.way.slowest = 0.2
        self.other.routes.import_(MANY, "add")
        self.clock.run_until(lambda: len(self.keys()) > 100, 20)
        self.other.kill()
        self.clock.run(1)
        self.assertEqual(self.one.table(), [A.row])
        self.done(self.one.routes.add(B), 2 * TTL)
        self.assertEqual(self.one.table(), sorted([A.row, B.row]))
        self.done(self.one.routes.import_(MANY, "add"))
        self.assertEqual(len(self.keys()), len(MANY) + 3)
        self.other.way.slowest = 0.01
        self.done(self.other.start())
        self.see(A, B, *MANY)

    def test_cut_off_behind_the_head(self) -> None:
        """A member that is cut off when others have its import already, and that is told of failure, has it too."""
        way: Any = self.other.way
        commit = way.commit

        def cut(conditions: Any, operations: Any, timeout: float | None = None) -> Any:
            # The last step, which sweeps what was before.
            way.is_cut = [type(operation) for operation in operations] == [Delete, Delete]
            return commit(conditions, operations, timeout)

        way.commit = cut
        self.failed(self.other.routes.import_(MANY, "add"), StoreError)
        self.assertTrue(way.is_cut)
        self.assertEqual(len(self.one.table()), len(MANY))
        way.commit = commit
        self.clock.run(TTL)
        way.is_cut = False
        self.clock.run(10)
        self.see(*MANY)

    def test_both_at_once(self) -> None:
        """Changes at two members in the same moment come one after the other, and both count."""
        first = self.one.routes.import_(MANY[:200], "add")
        second = self.other.routes.import_(MANY[100:], "add")
        self.done(first)
        self.done(second)
        self.see(*MANY)

    def test_cut_off(self) -> None:
        """A member that is cut off changes nothing, and catches up."""
        self.other.way.is_cut = True
        error = self.failed(self.other.routes.add(A), StoreError)
        self.assertIn("no answer in time", str(error))
        self.clock.run(TTL)
        self.assertIn("without the farm", str(self.failed(self.other.routes.add(A), StoreError)))
        self.done(self.one.routes.import_([A, B], "add"))
        self.other.way.is_cut = False
        self.clock.run(10)
        self.see(A, B)

    def test_lock_lost(self) -> None:
        """A member that holds the lock and loses it while it imports changes nothing."""
        self.other.way.slowest = 0.3
        done = self.other.routes.import_(MANY, "add")
        self.clock.run_until(lambda: len(self.keys()) > 100, 20)
        for lease, held in list(self.engine._leases.items()):
            if KEYS.lock("routing") in held.keys:
                self.engine.revoke(lease)
        self.assertIn("lock was lost", str(self.failed(done, StoreError)))
        self.other.way.slowest = 0.01
        self.see()

    def test_locked(self) -> None:
        """Who waits for a lock is told in the end who has it."""
        way = self.one.way
        lock = Lock(way, self.clock, KEYS.lock("routing"), "a", lambda: "x", TTL)
        held = self.done(self._take(lock))
        other = Lock(self.other.way, self.clock, KEYS.lock("routing"), "b", lambda: "y", TTL)
        self.assertEqual(str(self.failed(self._take(other), LockedError)), "the farm is locked by a")
        self.done(held.release())
        self.done(self._take(other))

    def _take(self, lock: Lock) -> Any:
        return Deferred.fromCoroutine(lock.take())

    def test_wrong_rows(self) -> None:
        """Rows that are none are left out."""
        self.done(self.one.routes.add(A))
        (place,) = [key[: key.index(b"[")] for key in self.keys() if b"[" in key]
        wrong = [(b'["E164","1x","gw",0,"udp"]', b'{"v":1,"row":[1,1,""]}'), (b"what", b"ever"), (b"[7]", b'{"v":1}')]
        self.engine.commit([], [Put(place + key, value) for key, value in wrong])
        self.see(A)
        self.engine.commit([], [Delete(place + key) for key, _ in wrong])
        self.see(A)

    def test_disk_away(self) -> None:
        """What the farm has and this disk does not take is stored as soon as it can be."""
        rows: Any = self.other._rows
        change = rows.change
        rows.change = lambda plan: fail(StoreError("disk full"))
        self.done(self.one.routes.add(A))
        self.clock.run(5)
        rows.change = change
        self.clock.run(10)
        self.see(A)
