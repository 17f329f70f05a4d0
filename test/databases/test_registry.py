"""The registry database over memory, over SQLite, and over a store that is away."""

from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import Module, Settings
from sipproxy.databases.feed import Change
from sipproxy.databases.registry import REGISTRY_DATABASE, Registry
from sipproxy.databases.registry_store import MemoryStore
from sipproxy.databases.static import WithStatic
from sipproxy.errors import StoreError, UnavailableError
from sipproxy.registrar.bindings import Binding, Bindings
from test.databases import registry_tests  # As a module, or trial would run its tests for themselves.
from test.databases.stores import BOB, NOW, InMemory, InSqlite, binding

A, B = binding(b"sip:a@h"), binding(b"sip:b@h", seconds=60)


class DirectiveTests(SynchronousTestCase):
    """The directive RegistryDatabase."""

    def test_values(self) -> None:
        """It is a path from ServerRoot, or memory."""
        module = Module("mod_sip_registry.c", (REGISTRY_DATABASE,))
        texts: tuple[dict[str, str], ...] = ({}, {"RegistryDatabase": "other.db"}, {"RegistryDatabase": "Memory"})
        found = [Settings.of([module], values, Path("/srv"))[REGISTRY_DATABASE] for values in texts]
        self.assertEqual(found, [Path("/srv/data/registry.db"), Path("/srv/other.db"), "memory"])


class MemoryRegistryTests(InMemory, registry_tests.RegistryTests):
    """The registry in memory."""


class SqliteRegistryTests(InSqlite, registry_tests.RegistryTests):
    """The registry in a SQLite file."""


class MovableStore(MemoryStore):
    """A store that is away when the test says so.

    @ivar error: what a commit fails with, None while the store is there
    @ivar commits: how many were tried
    """

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.commits = 0

    def commit(self, changes: Sequence[Change]) -> Deferred[None]:
        """Fail, or commit."""
        self.commits += 1
        return super().commit(changes) if self.error is None else fail(self.error)


class AwayTests(SynchronousTestCase):
    """A store that cannot store."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.now = NOW
        self.store = MovableStore()
        self.registry = Registry(self.store, self.clock, lambda: self.now)
        self.successResultOf(self.registry.start())

    def stored(self, aor: bytes, *bindings: Binding) -> Deferred[None]:
        """Store and let time pass."""
        done = self.registry.store(aor, bindings)
        self.clock.advance(0.1)
        return done

    def test_nothing_changes(self) -> None:
        """A change that cannot be stored is 503 with Retry-After; what was durable stays, and is what the next sees."""
        self.stored(BOB, A)
        self.store.error = StoreError("disk full")
        failure = self.failureResultOf(self.stored(BOB, B), UnavailableError)
        self.assertEqual((failure.value.status, failure.value.headers), (503, (b"Retry-After: 30",)))
        self.assertEqual(self.registry.lookup(BOB, NOW), (A,))
        self.assertEqual(self.registry.current(BOB, NOW), (A,))
        self.assertEqual(self.registry.revision, 1)

    def test_comes_back(self) -> None:
        """Since when and why it is away is told while it is; then changes are stored, numbered without a gap."""
        self.store.error = StoreError("disk full")
        self.failureResultOf(self.stored(BOB, A), UnavailableError)
        self.now += 5
        self.failureResultOf(self.stored(BOB, A), UnavailableError)
        self.assertEqual((self.registry.away_since, self.registry.away_reason), (NOW, "disk full"))
        self.store.error = None
        self.successResultOf(self.stored(BOB, A))
        self.assertEqual((self.registry.away_since, self.registry.away_reason), (None, ""))
        self.assertEqual(self.registry.revision, 1)

    def test_expiry_is_tried_again(self) -> None:
        """What runs out while the store is away is removed when it is back."""
        self.stored(BOB, B)
        self.store.error = StoreError("locked")
        self.now += 61
        self.clock.pump([1, 0.1])
        self.assertEqual((self.registry.lookup(BOB, self.now), len(self.registry)), ((), 1))
        self.store.error = None
        self.clock.pump([1, 0.1])
        self.assertEqual(len(self.registry), 0)

    def test_failed_refresh_runs_out(self) -> None:
        """A binding whose refresh could not be stored runs out at its old time."""
        self.stored(BOB, B)
        self.now += 61
        self.store.error = StoreError("locked")
        refreshed = self.registry.store(BOB, (binding(b"sip:b@h", 120),))
        self.clock.pump([0.9, 0.1])
        self.failureResultOf(refreshed, UnavailableError)
        self.store.error = None
        self.clock.pump([1, 0.1])
        self.assertEqual(len(self.registry), 0)

    def test_mistakes_are_not_hidden(self) -> None:
        """An error that is no StoreError reaches who stores as it is."""
        self.store.error = ZeroDivisionError()
        self.failureResultOf(self.stored(BOB, A), ZeroDivisionError)
        self.assertIsNone(self.registry.away_since)

    def test_many_run_out(self) -> None:
        """However many run out in one second, a bounded number is dealt with at a time."""
        done = [self.registry.store(b"%d@example.com" % number, (B,)) for number in range(1500)]
        self.clock.advance(0.1)
        self.assertEqual([self.successResultOf(one) for one in done], [None] * 1500)
        self.now += 61
        self.clock.pump([1, 0.1])
        self.assertEqual(len(self.registry), 500)
        self.clock.pump([1, 0.1])
        self.assertEqual(len(self.registry), 0)

    def test_failed_start(self) -> None:
        """A store that cannot be read is a StoreError at the start, and stopping is no error."""

        class Unreadable(MemoryStore):
            def load(self, accept: Callable[[bytes, Bindings], None], now: float) -> Deferred[int]:
                return fail(StoreError("not a registry"))

        registry = Registry(Unreadable(), self.clock, lambda: NOW)
        self.failureResultOf(registry.start(), StoreError)
        self.assertEqual((registry.away_since, registry.away_reason), (NOW, "not a registry"))
        # Nobody is told that a user is unknown who may be in the store; what is configured is called.
        self.assertRaises(UnavailableError, registry.lookup, BOB, NOW)
        self.assertEqual(WithStatic(registry, {BOB: (A,)}).lookup(BOB, NOW), (A,))
        self.assertRaises(UnavailableError, WithStatic(registry, {}).lookup, BOB, NOW)
        self.failureResultOf(registry.store(BOB, (A,)), UnavailableError)
        self.successResultOf(registry.stop())

    def test_permanent(self) -> None:
        """Bindings that never run out are replaced and removed like others, alone and beside others."""
        permanent, other = Binding(b"sip:p@h"), Binding(b"sip:q@h")
        for bindings in ((permanent,), (permanent, A), (other,), (B,), (permanent,), ()):
            self.successResultOf(self.stored(BOB, *bindings))
            self.assertEqual(self.registry.current(BOB, NOW), bindings)
