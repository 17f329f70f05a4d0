"""Whole farms on virtual time with all kinds of faults: what was acknowledged is kept, and in the end all agree."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.routes import StaticRoute
from sipproxy.farm.keyspace import HasRevision, Put
from test.farm.fixtures import KEYS, NOW, binding
from test.farm.world import SKEW, BrokenError, World

SEEDS = range(100)
#: Seconds of faults; C{python -m test.farm.seeds} takes more, of both.
TROUBLE = 20.0


class ScenarioTests(SynchronousTestCase):
    """Many seeds; each says the same again."""

    def test_farm(self) -> None:
        """Nothing that was acknowledged is lost, copies agree, expiry is kept and the lock is one member's."""
        for seed in SEEDS:
            with self.subTest(seed=seed):
                world = World(seed)
                self.addCleanup(world.end)
                world.run(TROUBLE)


class WorldTests(SynchronousTestCase):
    """The simulation finds what it is there to find."""

    def setUp(self) -> None:
        self.world = World(1)
        self.addCleanup(self.world.end)
        self.world.clock.run(3)

    def test_different_copy(self) -> None:
        """A member that has lost something is found."""
        phone = self.world.phones[0]
        phone.ends[1] = NOW + 3600
        self.world.members[0].registry.store(phone.aor, (binding(phone.contact, phone.call_id),))
        self.world.clock.run(1)
        self.world.see_peace()
        self.world.members[1].registry._index.clear()
        self.assertIn("b has another registry", str(self.assertRaises(BrokenError, self.world.see_peace)))

    def test_lost(self) -> None:
        """What was acknowledged and is not there is found."""
        self.world.phones[0].wanted = 7
        self.assertIn("was told 7, there is []", str(self.assertRaises(BrokenError, self.world.see_peace)))

    def test_served_too_long(self) -> None:
        """A registration that is served after its end is found, once no clock excuses it."""
        phone = self.world.phones[0]
        phone.ends[1] = NOW
        self.world.members[0].registry.store(phone.aor, (binding(phone.contact, phone.call_id),))
        self.world.clock.run(2 * SKEW - 3.5)
        self.world.see()
        self.world.clock.run(1)
        self.assertIn("after it has run out", str(self.assertRaises(BrokenError, self.world.see)))

    def test_without_lock(self) -> None:
        """A change of the table without the lock, or with one that another member has had since, is found."""
        engine, lock, row = self.world.engine, KEYS.lock("routing"), Put(KEYS.database("routing") + b"x", b"1")
        for expected, commits in (
            ("without its lock", [[]]),
            ("a lock that was lost", [[HasRevision(lock, 10**6)], [HasRevision(lock, 5)]]),
        ):
            engine.broken.clear()
            for conditions in commits:
                engine._look(99, conditions, [row])
            self.assertIn(expected, str(self.assertRaises(BrokenError, self.world.see)))

    def test_route(self) -> None:
        """A change with the lock is none of that."""
        self.world.members[0].routes.add(StaticRoute("E164", "1408555....", "gw"))
        self.world.clock.run(2)
        self.world.see()
        self.assertEqual(len(self.world.members[3].table()), 1)
