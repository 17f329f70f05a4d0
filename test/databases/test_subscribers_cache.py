"""What is known of subscribers, for how long, and while the store is away."""

from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.subscribers import MOST_QUESTIONS, RETRY, Subscriber, Subscribers
from sipproxy.databases.subscribers_cache import UNKNOWN, Cache
from sipproxy.databases.subscribers_memory import MemoryStore
from sipproxy.errors import StoreError, UnavailableError

BOB, ALICE = Subscriber("bob", busy="sip:a@h"), Subscriber("alice")
CACHE = 60.0


class SlowStore(MemoryStore):
    """A store that answers when the test says so, or is away.

    @ivar asked: the questions, in order
    @ivar answers: what they wait for
    @ivar error: what everything fails with, None while the store is there
    """

    def __init__(self, *subscribers: Subscriber) -> None:
        super().__init__(subscribers)
        self.asked: list[tuple[str, ...]] = []
        self.answers: list[Deferred[Mapping[str, Subscriber]]] = []
        self.error: Exception | None = None
        self.is_slow = False
        self.opened = 0

    def open(self) -> Deferred[None]:
        """Be there, or not."""
        self.opened += 1
        return super().open() if self.error is None else fail(self.error)

    def find(self, keys: Sequence[str]) -> Deferred[Mapping[str, Subscriber]]:
        """Answer at once, later, or not."""
        self.asked.append(tuple(keys))
        if self.error is not None:
            return fail(self.error)
        if not self.is_slow:
            return super().find(keys)
        self.answers.append(Deferred())
        return self.answers[-1]

    def add(self, subscribers: Sequence[Subscriber], overwrite: bool, now: float) -> Deferred[int]:
        """Add, and fail all the same where it is away: the connection was lost with the answer."""
        added = super().add(subscribers, overwrite, now)
        return added if self.error is None else added.addCallback(lambda _: fail(self.error))

    def answer(self, *subscribers: Subscriber) -> None:
        """Answer the first question that waits."""
        self.answers.pop(0).callback({subscriber.key: subscriber for subscriber in subscribers})


class CacheTestCase(SynchronousTestCase):
    """A started database over a L{SlowStore}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = SlowStore(BOB, ALICE)
        self.subscribers = Subscribers(self.store, self.clock, CACHE)
        self.successResultOf(self.subscribers.start())

    def ask(self, *keys: str) -> object:
        """Ask what the store answers at once."""
        found = self.subscribers.find(keys)
        return self.successResultOf(found) if isinstance(found, Deferred) else found

    def unavailable(self, *keys: str) -> UnavailableError:
        """See a question refused at once."""
        error: UnavailableError = self.assertRaises(UnavailableError, self.subscribers.find, keys)
        return error


class KnownTests(CacheTestCase):
    """Questions while the store is there."""

    def test_known_for_a_while(self) -> None:
        """An answer, also that there is none, is believed for SubscriberCacheInS, and given without a Deferred."""
        for key, expected in (("bob", BOB), ("nobody", None)):
            self.assertEqual(self.ask(key), expected)
            self.clock.advance(CACHE - 1)
            self.assertEqual(self.subscribers.find([key]), expected)
            self.clock.advance(1)
            self.assertEqual(self.ask(key), expected)
        self.assertEqual(self.store.asked, [("bob",), ("bob",), ("nobody",), ("nobody",)])

    def test_no_cache(self) -> None:
        """With SubscriberCacheInS 0 each question is asked."""
        self.subscribers = Subscribers(self.store, self.clock, 0)
        self.assertEqual([self.ask("bob"), self.ask("bob")], [BOB, BOB])
        self.assertEqual(len(self.store.asked), 2)

    def test_first_known_is_enough(self) -> None:
        """Where the first key has a subscriber nothing is asked about the second; where it has none, it is."""
        self.ask("bob")
        self.ask("nobody")
        self.assertEqual(self.subscribers.find(["nobody", "bob", "alice"]), BOB)
        self.assertEqual(self.ask("nobody", "alice"), ALICE)
        self.assertEqual(self.store.asked[2:], [("nobody", "alice")])

    def test_same_question(self) -> None:
        """Who asks the same while it is being asked waits for the same answer; one who goes away hinders nobody."""
        self.store.is_slow = True
        asked = [self.subscribers.find(["x", "bob"]) for _ in range(3)]
        other = self.subscribers.find(["bob"])
        assert isinstance(asked[0], Deferred) and isinstance(asked[1], Deferred) and isinstance(asked[2], Deferred)
        self.assertEqual(self.store.asked, [("x", "bob"), ("bob",)])
        asked[1].addErrback(lambda _: None)
        asked[1].cancel()
        self.store.answer(BOB)
        self.assertEqual((self.successResultOf(asked[0]), self.successResultOf(asked[2])), (BOB, BOB))
        assert isinstance(other, Deferred)
        self.assertNoResult(other)

    def test_changed_while_asked(self) -> None:
        """An answer that may be older than a change is given to who asked before, and not remembered."""
        self.store.is_slow = True
        before = self.subscribers.find(["bob", "x"])
        self.successResultOf(self.subscribers.change("bob", {"busy": "sip:b@h"}))
        after = self.subscribers.find(["bob", "x"])
        assert isinstance(before, Deferred) and isinstance(after, Deferred)
        self.store.answer(BOB)
        self.assertEqual(self.successResultOf(before), BOB)
        self.assertNoResult(after)
        self.assertIsInstance(self.subscribers.find(["bob"]), Deferred)
        self.assertIsNone(self.subscribers.find(["x"]))
        new = Subscriber("bob", busy="sip:b@h")
        self.store.answer(new)
        self.assertEqual((self.successResultOf(after), self.subscribers.find(["bob"])), (new, new))

    def test_forget(self) -> None:
        """What is forgotten is asked again, whether there was one or none."""
        for key in ("bob", "nobody"):
            self.ask(key)
            self.subscribers.forget(key)
            self.ask(key)
        self.assertEqual(self.store.asked, [("bob",), ("bob",), ("nobody",), ("nobody",)])

    def test_doubtful_change(self) -> None:
        """A change whose end nobody knows is taken for one: followers are told, and nothing is believed."""
        told: list[str] = []
        self.subscribers.subscribe(told.append)
        self.assertIsNone(self.ask("new"))
        self.store.error = StoreError("lost")
        self.failureResultOf(self.subscribers.add(Subscriber("new")), StoreError)
        self.store.error = None
        self.assertEqual(told, ["new"])
        self.assertIsNotNone(self.ask("new"))

    def test_follower_fails(self) -> None:
        """A follower that fails keeps nothing from the others."""
        told: list[str] = []
        self.subscribers.subscribe(lambda key: 1 // 0)
        self.subscribers.subscribe(told.append)
        self.successResultOf(self.subscribers.delete("bob"))
        self.assertEqual(told, ["bob"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_too_many_questions(self) -> None:
        """Beyond a number of questions at one time calls are refused, the same ones as before aside."""
        self.store.is_slow = True
        for number in range(MOST_QUESTIONS):
            self.subscribers.find([str(number)])
        self.assertEqual(self.unavailable("one more").status, 503)
        self.assertIsInstance(self.subscribers.find(["0"]), Deferred)
        self.assertEqual(len(self.store.asked), MOST_QUESTIONS)
        self.store.answer()
        self.assertIsInstance(self.subscribers.find(["one more"]), Deferred)

    def test_bug(self) -> None:
        """What is no state of the store goes to who asked, and the store is not taken for away."""
        self.store.error = ZeroDivisionError("a mistake")
        for _ in range(2):
            found = self.subscribers.find(["bob"])
            assert isinstance(found, Deferred)
            self.failureResultOf(found, ZeroDivisionError)
        self.assertIsNone(self.subscribers.away_since)


class AwayTests(CacheTestCase):
    """Questions while the store is away."""

    def go_away(self) -> None:
        """Let bob and nobody be known, and old; then the store goes, and who asks first notices."""
        self.ask("bob")
        self.ask("nobody")
        self.clock.advance(10 * CACHE)
        self.store.error = StoreError("it is gone")
        self.assertEqual(self.ask("bob"), BOB)
        self.assertEqual(self.subscribers.away_reason, "it is gone")
        self.assertEqual(self.subscribers.away_since, 10 * CACHE)

    def test_known_and_unknown(self) -> None:
        """What was once known goes on being so, past its time; about the rest calls get 503 with Retry-After."""
        self.go_away()
        self.assertEqual(self.subscribers.find(["bob"]), BOB)
        self.assertIsNone(self.subscribers.find(["nobody"]))
        self.assertEqual(self.subscribers.find(["nobody", "bob", "alice"]), BOB)
        self.assertEqual(self.unavailable("alice", "bob").headers, (b"Retry-After: 30",))
        self.assertIsNone(self.subscribers.find(["", "\udcff"]))

    def test_first_to_notice(self) -> None:
        """Who asks about somebody unknown when the store goes gets 503 too."""
        self.store.error = StoreError("it is gone")
        found = self.subscribers.find(["alice"])
        assert isinstance(found, Deferred)
        self.failureResultOf(found, UnavailableError)

    def test_asked_no_more(self) -> None:
        """However many calls come, the store is asked no more than once in a while, by nobody who waits."""
        self.go_away()
        asked, opened = len(self.store.asked), self.store.opened
        for _ in range(100):
            self.subscribers.find(["bob"])
            self.unavailable("alice")
            self.clock.advance(RETRY / 10)
        self.assertEqual(len(self.store.asked), asked)
        self.assertIn(self.store.opened - opened, (9, 10))

    def test_back(self) -> None:
        """The database finds out by itself that the store is back, and then believes nothing that is old."""
        self.go_away()
        self.store.error = None
        self.unavailable("alice")
        self.clock.advance(RETRY)
        self.assertIsNone(self.subscribers.away_since)
        self.assertEqual(self.subscribers.away_reason, "")
        asked = len(self.store.asked)
        self.assertEqual((self.ask("bob"), self.ask("alice")), (BOB, ALICE))
        self.assertEqual(len(self.store.asked), asked + 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_away_at_start(self) -> None:
        """A store that cannot be opened is said, and tried again until it can be."""
        self.store.error = StoreError("no such host")
        self.subscribers = Subscribers(self.store, self.clock, CACHE, now=lambda: 77.0)
        self.failureResultOf(self.subscribers.start(), StoreError)
        self.assertEqual((self.subscribers.away_since, self.subscribers.away_reason), (77.0, "no such host"))
        self.unavailable("bob")
        self.clock.advance(RETRY)
        self.store.error = None
        self.clock.advance(RETRY)
        self.assertEqual(self.ask("bob"), BOB)

    def test_forgotten_while_away(self) -> None:
        """What was changed is not answered from memory, also while the store is away."""
        self.go_away()
        self.subscribers.forget("bob")
        self.unavailable("bob")

    def test_stop(self) -> None:
        """When it is stopped nothing is tried any more, not even if a question fails after."""
        self.store.is_slow = True
        found = self.subscribers.find(["bob"])
        assert isinstance(found, Deferred)
        self.store.error = StoreError("it is gone")
        other = self.subscribers.find(["alice"])
        assert isinstance(other, Deferred)
        self.failureResultOf(other, UnavailableError)
        self.successResultOf(self.subscribers.stop())
        self.store.answers[0].errback(StoreError("closed"))
        self.failureResultOf(found, UnavailableError)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class BoundTests(SynchronousTestCase):
    """How much is remembered."""

    def test_bounds(self) -> None:
        """The oldest go where there is no room; those that there are not push out nobody that there is."""
        clock = Clock()
        cache = Cache(clock.seconds, CACHE, most_known=2, most_absent=3)
        for key in ("a", "b", "a", "c"):
            cache.learn(key, Subscriber(key))
        for number in range(100):
            cache.learn(str(number), None)
        self.assertEqual(len(cache), 5)
        self.assertEqual([cache.first([key]) for key in "abc"], [Subscriber("a"), UNKNOWN, Subscriber("c")])
        self.assertEqual([cache.first([str(number)]) for number in (96, 97, 99)], [UNKNOWN, None, None])

    def test_there_and_gone(self) -> None:
        """Of a key that there was and is no longer only the last is remembered, and the other way round."""
        cache = Cache(Clock().seconds, CACHE)
        for subscriber in (BOB, None, BOB):
            cache.learn("bob", subscriber)
            self.assertEqual((cache.first(["bob"]), len(cache)), (subscriber, 1))

    def test_clock_set_back(self) -> None:
        """After a step of the clock an answer from the future is not believed longer than it may be."""
        times = [1000.0]
        cache = Cache(lambda: times[0], CACHE)
        cache.learn("bob", BOB)
        cache.learn("nobody", None)
        times[0] = 10.0
        self.assertEqual([cache.first([key]) for key in ("bob", "nobody")], [UNKNOWN, UNKNOWN])
        self.assertEqual(cache.first_of_any_age(["nobody", "bob"]), BOB)
