"""Whole farms on virtual time with all kinds of faults: what was acknowledged is kept, and in the end all agree."""

from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.routes import StaticRoute
from sipproxy.errors import StoreError, UnavailableError
from sipproxy.farm.layout import read_bindings
from sipproxy.farm.memory import MemoryKeyspace
from sipproxy.registrar.bindings import Binding, Bindings
from sipproxy.simulation.clock import VirtualClock
from test.farm.fixtures import KEYS, Member

SEEDS = range(60)
#: Seconds of faults, and until all must be well afterwards.
TROUBLE, PEACE = 60.0, 60.0


class Phone:
    """A telephone that registers with one member or another, one request after the other.

    @ivar wanted: what it was told last that it has: CSeq of its registration; None where nothing is certain
    """

    def __init__(self, number: int, count: int) -> None:
        self.aor = b"user%d@test" % (number % count)
        self.contact = b"sip:phone%d@192.0.2.1" % number
        self.call_id = b"call%d" % number
        self.cseq = 0
        self.wanted: int | None = None
        self._is_waiting = False

    def act(self, member: Member, random: Random) -> None:
        """Register, or now and then remove the registration."""
        if self._is_waiting:
            return
        self.cseq += 1
        self.wanted = None
        now = member.now()
        found: Bindings = member.registry.current(self.aor, now)
        others = tuple(other for other in found if other.contact != self.contact)
        old = [other for other in found if other.contact == self.contact]
        if old and old[0].cseq >= self.cseq:
            return  # 400: the member knows a later one
        is_kept = random.random() < 0.9
        mine = (self._binding(now, random.choice((60, 3600, 3600))),) if is_kept else ()
        self._is_waiting = True
        done = member.registry.store(self.aor, (*mine, *others))
        done.addCallbacks(
            self._told, self._refused, callbackArgs=(self.cseq if mine and mine[0].expires > now + 60 else None,)
        )

    def forget(self) -> None:
        """The member that it waits for is dead."""
        self._is_waiting = False

    def _binding(self, now: float, seconds: float) -> Binding:
        return Binding(self.contact, b"", 1.0, "", now + seconds, now, self.call_id, self.cseq)

    def _told(self, _: None, cseq: int | None) -> None:
        self._is_waiting = False
        self.wanted = cseq

    def _refused(self, failure: object) -> None:
        failure.trap(UnavailableError)  # type: ignore[attr-defined]
        self._is_waiting = False


class World:
    """An engine, some members, telephones, and chance.

    @ivar routes: routes that were acknowledged, and those that perhaps are there
    """

    def __init__(self, seed: int, members: int = 3) -> None:
        self.random = Random(seed)
        self.clock = VirtualClock()
        self.engine = MemoryKeyspace(self.clock)
        self.members = [Member(name, self.clock, self.random, self.engine) for name in "abcde"[:members]]
        self.phones = [Phone(number, 8) for number in range(12)]
        self.routes: set[str] = set()
        for member in self.members:
            self.start(member)

    def start(self, member: Member) -> None:
        """Start a member."""
        member.start().addErrback(lambda failure: failure.trap(StoreError) and None)

    def act(self) -> None:
        """Let something happen."""
        random = self.random
        member = random.choice(self.members)
        acts: list[tuple[float, Callable[[Member], None]]] = [
            (0.85, self._call),
            (0.02, self._route),
            (0.03, self._cut),
            (0.03, self._kill),
            (0.01, lambda _: self.engine.compact()),
            (0.02, self._step),
            (0.04, self._spoil),
        ]
        weights, functions = zip(*acts, strict=True)
        random.choices(functions, weights)[0](member)

    def _call(self, member: Member) -> None:
        if member.is_alive and member.registry.is_loaded:
            self.random.choice(self.phones).act(member, self.random)

    def _route(self, member: Member) -> None:
        if not member.is_alive or not member.routes.is_loaded:
            return
        first = self.random.randrange(900)
        patterns = [f"1408{number:03d}...." for number in range(first, first + self.random.choice((1, 1, 150)))]
        done: Deferred[Any] = member.routes.import_([StaticRoute("E164", name, "gw") for name in patterns], "add")
        done.addCallbacks(lambda _: self.routes.update(patterns), lambda failure: failure.trap(StoreError) and None)

    def _cut(self, member: Member) -> None:
        member.way.is_cut = not member.way.is_cut

    def _kill(self, member: Member) -> None:
        if member.is_alive:
            member.kill()
            for phone in self.phones:
                phone.forget()
        else:
            self.start(member)

    def _step(self, member: Member) -> None:
        member.skew = self.random.uniform(-5, 5)

    def _spoil(self, member: Member) -> None:
        way = member.way
        way.loss, way.doubling = self.random.choice((0, 0, 0.05, 0.3)), self.random.choice((0, 0, 0.2))
        way.slowest = self.random.choice((0.005, 0.01, 0.1, 0.6))

    def heal(self) -> None:
        """End all faults."""
        for member in self.members:
            member.skew = 0.0
            way = member.way
            way.is_cut, way.loss, way.doubling, way.slowest = False, 0.0, 0.0, 0.01
            if not member.is_alive:
                self.start(member)

    def end(self) -> None:
        """End all."""
        for member in self.members:
            member.kill()

    def stored(self) -> dict[bytes, Bindings]:
        """Give what the engine has, of what has not run out."""
        now = self.members[0].now()
        prefix = KEYS.database("registry")
        page: list[object] = []
        self.engine.page(prefix, prefix[:-1] + b"0", 1000).addCallback(lambda found: page.extend(found.items))
        rows: dict[bytes, Bindings] = {}
        for item in page:
            bindings = read_bindings(item.value)  # type: ignore[attr-defined]
            lasting = tuple(binding for binding in bindings if binding.expires > now)
            if lasting:
                rows[item.key[len(prefix) :]] = lasting  # type: ignore[attr-defined]
        return rows


class ScenarioTests(SynchronousTestCase):
    """Many seeds; each says the same again."""

    def run_world(self, world: World) -> None:
        """Let there be trouble, then peace."""
        world.clock.run(3)
        for _ in range(int(TROUBLE * 5)):
            world.act()
            world.clock.run(0.2)
        world.heal()
        world.clock.run(PEACE)

    def see_kept(self, world: World) -> None:
        """See that each registration that was acknowledged, and not replaced, is there."""
        stored = world.stored()
        for phone in world.phones:
            if phone.wanted is not None:
                found = [b.cseq for b in stored.get(phone.aor, ()) if b.contact == phone.contact]
                self.assertEqual(found, [phone.wanted], phone.contact)

    def test_farm(self) -> None:
        """After the faults all copies are equal, nothing is pending, and nothing that was acknowledged is lost."""
        for seed in SEEDS:
            with self.subTest(seed=seed):
                world = World(seed, 3 + seed % 3)
                self.addCleanup(world.end)
                self.run_world(world)
                stored = world.stored()
                for member in world.members:
                    self.assertIsNone(member.farm.away_since, member.farm.away_reason)
                    self.assertEqual(member.copy(), stored, member.name)
                    self.assertEqual(member.registry.pending, 0, member.name)
                    self.assertEqual(member.table(), world.members[0].table())
                    self.assertEqual(sorted(member.farm.members.there), [other.name for other in world.members])
                self.see_kept(world)
                there = {str(row[1]) for row in world.members[0].table()}
                self.assertEqual(world.routes - there, set())
