"""The registry of a worker and the owner's."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.registry import Registry
from sipproxy.databases.registry_store import MemoryStore
from sipproxy.errors import StoreError, UnavailableError
from sipproxy.registrar.bindings import Binding
from sipproxy.workers.registry import PAGE, RegistryFeed, WorkerRegistry
from test.workers.wire import Wire

ALICE = b"alice@example.test"
NOW = 1000.0


def binding(name: str, cseq: int = 1, expires: float = NOW + 60) -> Binding:
    """Give a binding of a telephone."""
    return Binding(f"sip:{name}@192.0.2.1".encode(), expires=expires, updated=NOW, call_id=name.encode(), cseq=cseq)


class DeadStore(MemoryStore):
    """One that writes nothing while it is away."""

    is_away = False

    def commit(self, changes):  # type: ignore[no-untyped-def]
        """Fail while it is away."""
        if self.is_away:
            raise StoreError("away")
        return super().commit(changes)


class SharedTests(SynchronousTestCase):
    """One owner and two workers."""

    def setUp(self) -> None:
        """Start the owner, and let two workers read what it has."""
        self.clock = Clock()
        self.clock.advance(NOW)
        self.store = DeadStore()
        self.owner = Registry(self.store, self.clock, self.clock.seconds)
        self.successResultOf(self.owner.start())
        self.wires = [Wire(), Wire()]
        feed = RegistryFeed(self.owner, self.tell, self.clock)
        self.workers = [self.make_worker(wire, feed) for wire in self.wires]
        self.addCleanup(self.owner.stop)

    def make_worker(self, wire: Wire, feed: RegistryFeed) -> WorkerRegistry:
        """Make a worker's registry, not started."""
        worker = WorkerRegistry(wire.worker.ask, self.clock, self.clock.seconds)
        wire.serve(feed.deeds, {"registration": worker.apply})
        self.addCleanup(worker.stop)
        return worker

    def tell(self, name: str, **content: object) -> None:
        """Tell all workers."""
        for wire in self.wires:
            wire.owner.tell(name, **content)

    def start(self) -> None:
        """Let the workers read."""
        started = [worker.start() for worker in self.workers]
        self.pump()
        for each in started:
            self.successResultOf(each)

    def pump(self, seconds: float = 0.1) -> None:
        """Let all arrive and be stored."""
        for wire in self.wires:
            wire.pump()
        # The answer leaves a turn after what all are told.
        for each in (seconds, 0):
            self.clock.advance(each)
            for wire in self.wires:
                wire.pump()

    def seen(self, worker: int) -> list[bytes]:
        """Give the contacts that a worker calls."""
        return sorted(each.contact for each in self.workers[worker].lookup(ALICE, self.clock.seconds()))

    def test_shared(self) -> None:
        """A change is acknowledged once the owner has it, and known to all."""
        self.start()
        stored = self.workers[0].store(ALICE, (binding("one"),))
        self.assertEqual(self.workers[0].current(ALICE, NOW), (binding("one"),))
        self.wires[0].pump()
        self.assertNoResult(stored)
        self.assertEqual(self.seen(0), [])
        self.pump()
        self.successResultOf(stored)
        self.assertEqual((self.seen(0), self.seen(1)), ([b"sip:one@192.0.2.1"],) * 2)
        self.assertEqual(self.owner.lookup(ALICE, NOW), (binding("one"),))

    def test_two_at_once(self) -> None:
        """What two workers add at the same time is all kept."""
        self.start()
        stored = [self.workers[at].store(ALICE, (binding(name),)) for at, name in enumerate(("one", "two"))]
        self.pump()
        for each in stored:
            self.successResultOf(each)
        both = [b"sip:one@192.0.2.1", b"sip:two@192.0.2.1"]
        self.assertEqual((self.seen(0), self.seen(1)), (both, both))

    def test_second_change_before_the_answer(self) -> None:
        """A change builds upon the one before it, which is still on its way."""
        self.start()
        first = self.workers[0].store(ALICE, (binding("one"),))
        second = self.workers[0].store(ALICE, (*self.workers[0].current(ALICE, NOW), binding("two")))
        self.pump()
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertEqual(len(self.seen(1)), 2)

    def test_removed(self) -> None:
        """A removal reaches all, what runs out is hidden at once and gone when the owner removes it."""
        self.start()
        self.workers[0].store(ALICE, (binding("one"), binding("two", expires=NOW + 10)))
        self.pump()
        self.workers[1].store(ALICE, self.workers[1].current(ALICE, NOW)[1:])
        self.pump()
        self.assertEqual(self.seen(0), [b"sip:two@192.0.2.1"])
        for _ in range(12):
            self.pump(1)
        self.assertEqual((self.seen(0), self.seen(1)), ([], []))
        self.assertEqual([len(worker) for worker in self.workers], [0, 0])

    def test_unchanged(self) -> None:
        """What is there already is asked of nobody."""
        self.start()
        self.workers[0].store(ALICE, (binding("one"),))
        self.pump()
        self.successResultOf(self.workers[0].store(ALICE, (binding("one"),)))

    def test_owner_cannot_store(self) -> None:
        """What the owner cannot store is refused, and nothing has changed."""
        self.start()
        self.store.is_away = True
        stored = self.workers[0].store(ALICE, (binding("one"),))
        self.pump()
        self.failureResultOf(stored, UnavailableError)
        self.assertEqual(self.workers[0].current(ALICE, NOW), ())
        self.assertEqual(self.seen(1), [])

    def test_late_worker(self) -> None:
        """One that starts later reads all, page by page; what is told meanwhile counts."""
        users = [b"user%06d@example.test" % number for number in range(2 * PAGE + 1)]
        for user in users:
            self.owner.store(user, (binding("one"),))
        self.clock.advance(1)
        self.clock.advance(1)
        self.clock.advance(1)
        started = self.workers[0].start()
        self.wires[0].to_owner()
        self.owner.store(users[0], ())
        self.owner.store(b"zoe@example.test", (binding("zoe"),))
        self.clock.advance(0.1)
        self.pump()
        self.successResultOf(started)
        self.assertEqual(len(self.workers[0]), len(users))
        self.assertEqual(self.workers[0].lookup(users[0], NOW), ())
        self.assertEqual(len(self.workers[0].lookup(b"zoe@example.test", NOW)), 1)

    def test_owner_is_gone(self) -> None:
        """Without the owner nothing is registered, and what is known goes on being so."""
        self.start()
        self.workers[0].store(ALICE, (binding("one"),))
        self.pump()
        stored = self.workers[0].store(ALICE, ())
        self.wires[0].worker.connectionLost()
        self.failureResultOf(stored, UnavailableError)
        self.failureResultOf(self.workers[0].store(ALICE, ()), UnavailableError)
        self.assertEqual(self.seen(0), [b"sip:one@192.0.2.1"])
