"""A whole farm on virtual time with all kinds of faults, and what must hold all the same.

A seed says all that happens: members are cut off, killed and started again, their
clocks step, questions and answers are lost or late, the watch tells twice or
breaks, the engine forgets its history. What must hold is in L{World.see}, after
every moment, and in L{World.see_peace}, when the faults have ended.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred

from sipproxy.databases.routes import StaticRoute
from sipproxy.errors import StoreError, UnavailableError
from sipproxy.farm.keyspace import Condition, HasRevision, Operation
from sipproxy.farm.layout import read_bindings
from sipproxy.farm.memory import MemoryKeyspace
from sipproxy.registrar.bindings import Binding, Bindings
from sipproxy.simulation.clock import VirtualClock
from test.farm.fixtures import KEYS, NOW, Member

#: How far the clock of a member may be off, either way, seconds.
SKEW = 5.0
#: Seconds without faults, after which all must be well.
PEACE = 60.0


class BrokenError(AssertionError):
    """Something that must hold does not; the text says at which seed and what."""


class FencedKeyspace(MemoryKeyspace):
    """An engine that sees that nobody changes a table without its lock, or after somebody else has had it."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.broken: list[str] = []
        self._newest = 0
        self._lock, self._table = KEYS.lock("routing"), KEYS.database("routing")

    def commit(
        self, conditions: Sequence[Condition], operations: Sequence[Operation], timeout: float | None = None
    ) -> "Deferred[int]":
        """Change, and look at it."""
        done = super().commit(conditions, operations, timeout)
        return done.addCallback(self._look, tuple(conditions), tuple(operations))

    def _look(self, revision: int, conditions: Sequence[Condition], operations: Sequence[Operation]) -> int:
        if any(operation.key.startswith(self._table) for operation in operations):
            held = [one.revision for one in conditions if isinstance(one, HasRevision) and one.key == self._lock]
            if not held or not held[0]:
                self.broken.append(f"the table was changed without its lock at {revision}")
            elif held[0] < self._newest:
                self.broken.append(f"the table was changed with a lock that was lost at {revision}")
            else:
                self._newest = held[0]
        return revision


class Phone:
    """A telephone that registers with one member or another, one request after the other.

    @ivar wanted: what it was told last that it has: CSeq of its registration; None where nothing is certain
    @ivar ends: when each of its registrations runs out, by CSeq, seconds since 1970
    """

    def __init__(self, number: int, count: int) -> None:
        self.aor = b"user%d@test" % (number % count)
        self.contact = b"sip:phone%d@192.0.2.1" % number
        self.call_id = b"call%d" % number
        self.cseq = 0
        self.wanted: int | None = None
        self.ends: dict[int, float] = {}
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
        mine = (self._binding(now, random.choice((15, 60, 3600, 3600))),) if is_kept else ()
        if mine:
            self.ends[self.cseq] = mine[0].expires - member.skew
        self._is_waiting = True
        done = member.registry.store(self.aor, (*mine, *others))
        lasts = any(one.expires > now + 60 for one in mine)
        done.addCallback(self._told, self.cseq, lasts).addErrback(self._refused)

    def forget(self) -> None:
        """The member that it waits for is dead, as far as it knows."""
        self._is_waiting = False

    def _binding(self, now: float, seconds: float) -> Binding:
        return Binding(self.contact, b"", 1.0, "", now + seconds, now, self.call_id, self.cseq)

    def _told(self, _: None, cseq: int, lasts: bool) -> None:
        if cseq != self.cseq:
            return  # a late answer: it has asked for something else meanwhile
        self._is_waiting = False
        self.wanted = cseq if lasts else None

    def _refused(self, failure: object) -> None:
        failure.trap(UnavailableError)  # type: ignore[attr-defined]
        self._is_waiting = False


class World:
    """An engine, some members, telephones, and chance.

    @ivar routes: routes that were acknowledged
    """

    def __init__(self, seed: int, members: int = 5) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.clock = VirtualClock()
        self.engine = FencedKeyspace(self.clock)
        self.members = [Member(name, self.clock, self.random, self.engine) for name in "abcde"[:members]]
        self.phones = [Phone(number, 8) for number in range(12)]
        self._callers = {phone.call_id: phone for phone in self.phones}
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
        member.skew = self.random.uniform(-SKEW, SKEW)

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

    def run(self, trouble: float) -> None:
        """Let there be trouble, then peace, and see that all holds that must.

        @param trouble: seconds of it
        @raise BrokenError: something does not
        """
        self.clock.run(3)
        for _ in range(int(trouble * 5)):
            self.act()
            self.clock.run(0.2)
            self.see()
        self.heal()
        self.clock.run(PEACE)
        self.see()
        self.see_peace()

    def see(self) -> None:
        """See what must hold at any time: no call goes to what has run out, and the lock is one member's.

        @raise BrokenError: it does not
        """
        for member in self.members:
            if member.is_alive and member.registry.is_loaded:
                self._see_expiry(member)
        for what in self.engine.broken:
            raise self._broken(what)

    def _see_expiry(self, member: Member) -> None:
        """One clock may be late where a registration was made, and the other where it is asked for."""
        for aor in {phone.aor for phone in self.phones}:
            for binding in member.registry.current(aor, member.now()):
                over = NOW + self.clock.seconds() - self._callers[binding.call_id].ends[binding.cseq]
                if over > 2 * SKEW:
                    raise self._broken(f"{member.name} has {binding.contact!r} {over:.1f} s after it has run out")

    def see_peace(self) -> None:
        """See what must hold in the end: copies are equal, nothing is pending, what was acknowledged is there.

        @raise BrokenError: it does not
        """
        stored, rows = self.stored(), self.members[0].table()
        names = [member.name for member in self.members]
        for member in self.members:
            self._demand(member.farm.away_since is None, f"{member.name} is away: {member.farm.away_reason}")
            self._demand(member.copy() == stored, f"{member.name} has another registry")
            self._demand(member.table() == rows, f"{member.name} has another table")
            self._demand(not member.registry.pending, f"{member.name} has something pending")
            self._demand(sorted(member.farm.members.there) == names, f"{member.name} misses a member")
        for phone in self.phones:
            if phone.wanted is not None:
                found = [one.cseq for one in stored.get(phone.aor, ()) if one.contact == phone.contact]
                self._demand(found == [phone.wanted], f"{phone.contact!r} was told {phone.wanted}, there is {found}")
        lost = self.routes - {str(row[1]) for row in rows}
        self._demand(not lost, f"routes are lost: {sorted(lost)[:3]}")

    def _demand(self, holds: object, otherwise: str) -> None:
        if not holds:
            raise self._broken(otherwise)

    def _broken(self, what: str) -> BrokenError:
        return BrokenError(f"seed {self.seed}, {len(self.members)} members: {what}")

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
