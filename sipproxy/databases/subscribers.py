"""The subscriber database through its cache.

What has been looked up is known for a while: that there is a subscriber, and
that there is none. A call asks the store only about what is not known, and equal
questions are asked once. While the store is away what was once known goes on
being so; about anything else calls fail at once, and a timer of its own finds
out when the store is back, so that no call waits for a dead one.

Lists and changes go past the cache. A change takes what it concerns out of it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from sipproxy.databases.subscribers_cache import UNKNOWN, Cache
from sipproxy.databases.subscribers_fields import (
    ExistsError,
    MissingError,
    RefusedError,
    Subscriber,
    check_changes,
    is_key,
    is_storable,
)
from sipproxy.errors import StoreError, UnavailableError
from sipproxy.interfaces import ISubscriber, ISubscribers

__all__ = ["ExistsError", "ISubscriberStore", "MissingError", "RefusedError", "Subscriber", "Subscribers"]

#: How long after a failure the store is left alone, seconds.
RETRY = 2.0
#: Different questions at one time; beyond it calls are refused.
MOST_QUESTIONS = 1000

_log = Logger(namespace="mod_sip_authen")

T = TypeVar("T")

Follower = Callable[[str], object]


class ISubscriberStore(Interface):
    """Where subscribers are. Each answer comes or fails within a time of the store's own.

    A store that cannot be written fails changes with L{RefusedError}.
    """

    def open() -> "Deferred[None]":
        """See that it can be used, make what must be made; it may be called again at any time.

        @raise StoreError: in the Deferred
        """

    def find(keys: Sequence[str]) -> "Deferred[Mapping[str, Subscriber]]":
        """Give the subscribers that have one of some keys, by key.

        @raise StoreError: in the Deferred
        """

    def page(after: str, limit: int) -> "Deferred[list[Subscriber]]":
        """Give up to C{limit} subscribers behind the key C{after}, in the order of their keys.

        @raise StoreError: in the Deferred
        """

    def add(subscribers: Sequence[Subscriber], overwrite: bool, now: float) -> "Deferred[int]":
        """Add subscribers, all or none.

        @param overwrite: write over those that are there, instead of failing with L{ExistsError}
        @param now: what C{created} and C{updated} become where they are 0
        @return: fires with their number, once that is durable
        @raise StoreError: in the Deferred; L{RefusedError} where one cannot be stored
        """

    def change(key: str, changes: Mapping[str, object]) -> "Deferred[Subscriber]":
        """Give fields, by name, other values, which have been checked.

        @return: fires with what the subscriber is now, once that is durable
        @raise StoreError: in the Deferred; L{MissingError} where there is none
        """

    def delete(key: str) -> "Deferred[None]":
        """Delete a subscriber.

        @raise StoreError: in the Deferred; L{MissingError} where there is none
        """

    def close() -> "Deferred[None]":
        """Let go of what is held, once what is under way has ended."""


class _Question:
    """Keys that the store is being asked about.

    @ivar waiting: who waits for the answer
    @ivar changed: those of the keys that were changed meanwhile; the answer may be older
    """

    __slots__ = ("changed", "keys", "waiting")

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.waiting: list[Deferred[ISubscriber | None]] = []
        self.changed: set[str] = set()


@implementer(ISubscribers)
class Subscribers:
    """The subscribers.

    @ivar is_asked: whether it is known how the store is
    @ivar away_since: since when the store cannot be used, seconds since 1970; None while it can
    @ivar away_reason: why
    """

    def __init__(
        self,
        store: ISubscriberStore,
        clock: IReactorTime,
        cache: float,
        now: Callable[[], float] | None = None,
    ) -> None:
        """Make them; nothing is opened before L{start}.

        @param clock: measures delays and the age of what is known
        @param cache: how long an answer is believed, seconds
        @param now: gives the time in seconds since 1970, by default the clock's
        """
        self._store = store
        self._clock = clock
        self._now = now or clock.seconds
        self._cache = Cache(clock.seconds, cache)
        self._questions: dict[tuple[str, ...], _Question] = {}
        self._followers: tuple[Follower, ...] = ()
        self._next_try: IDelayedCall | None = None
        self._stopped = False
        self.is_asked = False
        self.away_since: float | None = None
        self.away_reason = ""

    # Life

    def start(self) -> Deferred[None]:
        """Open the store.

        @return: fires with None once it can be used
        @raise StoreError: in the Deferred: it cannot now; it is tried again until it can
        """
        return self._store.open().addCallbacks(self._back, self._not_back)

    def stop(self) -> Deferred[None]:
        """Close the store; afterwards nothing may be asked."""
        self._stopped = True
        if self._next_try is not None:
            self._next_try.cancel()
            self._next_try = None
        return self._store.close()

    def _back(self, _: None) -> None:
        if self.away_since is not None:
            _log.info("The subscriber database is back", severity="notice")
        self.is_asked, self.away_since, self.away_reason = True, None, ""

    def _not_back(self, failure: Failure) -> Failure:
        failure.trap(StoreError)  # type: ignore[no-untyped-call]
        self._away(str(failure.value))
        return failure

    def _away(self, reason: str) -> None:
        if self.away_since is None:
            self.away_since = self._now()
            _log.error("The subscriber database is away: {reason}", reason=reason)
        self.is_asked, self.away_reason = True, reason
        if self._next_try is None and not self._stopped:
            self._next_try = self._clock.callLater(RETRY, self._try_again)

    def _try_again(self) -> None:
        self._next_try = None
        self.start().addErrback(_leave).addErrback(_log_bug)

    # ISubscribers

    def find(self, keys: Sequence[str]) -> ISubscriber | Deferred[ISubscriber | None] | None:
        """Give the subscriber of the first key that there is one for, at once where that is known.

        @raise UnavailableError: the store is away and the keys are not known; raised, or in the Deferred
        """
        known = self._cache.first(keys)
        if known is not UNKNOWN:
            return known
        # Nobody can have such a key, and a stranger's long one is not to be remembered.
        possible = tuple([key for key in keys if is_key(key)])
        known = self._cache.first(possible) if self.away_since is None else self._formerly(possible)
        return self._ask(possible) if known is UNKNOWN else known

    def forget(self, key: str) -> None:
        """Know nothing about a key any more."""
        self._forget({key})

    def _formerly(self, keys: Sequence[str]) -> Subscriber | None:
        """Give what was known, however long ago.

        @raise UnavailableError: nothing was
        """
        known = self._cache.first_of_any_age(keys)
        if known is UNKNOWN:
            raise UnavailableError(b"Subscriber Database Unavailable")
        return known

    def _ask(self, keys: tuple[str, ...]) -> Deferred[ISubscriber | None]:
        answer: Deferred[ISubscriber | None] = Deferred()
        question = self._questions.get(keys)
        if question is not None:
            question.waiting.append(answer)
            return answer
        if len(self._questions) >= MOST_QUESTIONS:
            raise UnavailableError(b"Subscriber Database Busy")
        question = self._questions[keys] = _Question(keys)
        question.waiting.append(answer)
        asked = self._store.find(keys)
        asked.addCallbacks(self._answered, self._unanswered, callbackArgs=(question,), errbackArgs=(question,))
        asked.addErrback(_log_bug)
        return answer

    def _answered(self, found: Mapping[str, Subscriber], question: _Question) -> None:
        self._close(question)
        for key in question.keys:
            if key not in question.changed:
                self._cache.learn(key, found.get(key))
        value = next((found[key] for key in question.keys if key in found), None)
        for waiting in question.waiting:
            waiting.callback(value)

    def _unanswered(self, failure: Failure, question: _Question) -> None:
        self._close(question)
        if failure.check(StoreError) is None:  # type: ignore[no-untyped-call]
            for waiting in question.waiting:
                waiting.errback(failure)
            return
        self._away(str(failure.value))
        for waiting in question.waiting:
            try:
                value = self._formerly(question.keys)
            except UnavailableError as error:
                waiting.errback(error)
            else:
                waiting.callback(value)

    def _close(self, question: _Question) -> None:
        if self._questions.get(question.keys) is question:  # It may have been asked anew, see _forget.
            del self._questions[question.keys]

    def _forget(self, keys: set[str]) -> None:
        for key in keys:
            self._cache.forget(key)
        for question in list(self._questions.values()):
            changed = keys.intersection(question.keys)
            if changed:
                question.changed |= changed
                del self._questions[question.keys]

    # For the operator: past the cache

    def get(self, key: str) -> Deferred[Subscriber | None]:
        """Give a subscriber as it is stored.

        @raise StoreError: in the Deferred
        """
        if not is_key(key):
            return succeed(None)
        return self._store.find((key,)).addCallback(lambda found: found.get(key))

    def page(self, after: str, limit: int) -> Deferred[list[Subscriber]]:
        """Give up to C{limit} subscribers behind the key C{after}, in the order of their keys.

        @raise StoreError: in the Deferred
        """
        if not is_storable(after):
            return fail(RefusedError("the key to begin behind is not Unicode text"))
        return self._store.page(after, limit)

    def add(self, subscriber: Subscriber) -> Deferred[None]:
        """Add a subscriber; times that are 0 become the present one.

        @return: fires with None once it is durable
        @raise StoreError: in the Deferred; L{ExistsError} where there is one with its key
        """
        return self.add_all((subscriber,), replace=False).addCallback(lambda _: None)

    def add_all(self, subscribers: Sequence[Subscriber], replace: bool) -> Deferred[int]:
        """Add subscribers in one transaction, all or none.

        @param replace: write over those that are there, instead of failing with L{ExistsError}
        @return: fires with their number, once they are durable
        @raise StoreError: in the Deferred; L{RefusedError} where one cannot be stored
        """
        added = self._store.add(subscribers, replace, self._now())
        return added.addBoth(self._changed, {subscriber.key for subscriber in subscribers})

    def change(self, key: str, changes: Mapping[str, object]) -> Deferred[Subscriber]:
        """Give fields of a subscriber other values.

        @param changes: values by the names of fields; the key cannot be changed
        @return: fires with what it is now, once that is durable
        @raise StoreError: in the Deferred; L{MissingError} where there is none, L{RefusedError} where a value is wrong
        """
        if not is_key(key):
            return fail(MissingError(f"no subscriber {key}"))
        try:
            check_changes(changes)
        except RefusedError as error:
            return fail(error)
        changed = self._store.change(key, {**changes, "updated": self._now()})
        return changed.addBoth(self._changed, {key})

    def delete(self, key: str) -> Deferred[None]:
        """Delete a subscriber.

        @raise StoreError: in the Deferred; L{MissingError} where there is none
        """
        if not is_key(key):
            return fail(MissingError(f"no subscriber {key}"))
        return self._store.delete(key).addBoth(self._changed, {key})

    def subscribe(self, follower: Follower) -> None:
        """Call C{follower} with the key of each subscriber that has changed, or may have."""
        self._followers = (*self._followers, follower)

    def _changed(self, result: T, keys: set[str]) -> T:
        """Drop what a change may have made wrong: one that failed may have been done all the same."""
        if isinstance(result, Failure) and result.check(RefusedError):  # type: ignore[no-untyped-call]
            return result
        self._forget(keys)
        for key in keys:
            self._tell(key)
        return result

    def _tell(self, key: str) -> None:
        for follower in self._followers:
            try:
                follower(key)
            except Exception:  # noqa: BLE001 - its mistake; the others go on
                _log.failure("A follower of the subscriber database failed")


def _leave(failure: Failure) -> None:
    failure.trap(StoreError)  # type: ignore[no-untyped-call]


def _log_bug(failure: Failure) -> None:
    _log.failure("A question to the subscriber database failed", failure)
