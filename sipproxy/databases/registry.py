"""The registry database: bindings by address of record, read from memory and changed durably.

Where they are kept is an L{IRegistryStore}'s business. A change is visible, and
its feed tells of it, once it is durable; until then only the next change of the
same address of record sees it. Static registrations are laid over it by
L{sipproxy.databases.static}.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.config import Directive, path
from sipproxy.databases.commit import Entry, GroupCommit
from sipproxy.databases.expiry import Expiry
from sipproxy.databases.feed import Change, Feed, Follower
from sipproxy.databases.registry_store import IRegistryStore, Row
from sipproxy.errors import StoreError, UnavailableError
from sipproxy.interfaces import IRegistry
from sipproxy.registrar.bindings import NEVER, Binding, Bindings, without_doubles

REGISTRY_DATABASE: Directive[Path | str] = Directive(
    "RegistryDatabase",
    path(keywords=("memory",)),
    Path("data/registry.db"),
    "The SQLite file that keeps registrations, or memory: then none survives a restart.",
)

#: How long a registration waits for others to be committed with it, seconds. At 800 a second a process with only this
#: takes 206 us of CPU time for each with 10 ms, 182 with 20, 159 with 30, 128 with 50 (medians of runs of 4 s); the
#: answer comes 11, 14, 20 or 32 ms later.
LINGER = 0.03
#: How long after a failed attempt it is tried again to read a store, seconds.
RETRY = 2.0
#: Changes that a follower may have missed and still catch up.
HISTORY = 10_000
#: Addresses of record whose bindings run out that are dealt with in one second: what lookups no longer see can wait.
_EXPIRED_AT_ONCE = 1000

_log = Logger(namespace="mod_sip_registry")

# The index holds plain tuples of octets and numbers, as the garbage collector leaves those alone: with a million
# bindings a full collection takes below 0.1 s, with objects of any other class 0.4 s, in which no call is served.
_Rows = tuple[tuple[Any, ...], ...]
_EXPIRES = Binding._fields.index("expires")

#: L{Bindings}; mypy-zope cannot be told that a named tuple provides L{sipproxy.interfaces.IBinding}.
AsInterface = tuple[Any, ...]


@implementer(IRegistry)
class Registry:
    """The bindings of all addresses of record.

    @ivar away_since: since when it cannot be read, or changes cannot be stored, seconds since 1970; None while they can
    @ivar away_reason: why
    """

    def __init__(
        self,
        store: IRegistryStore,
        clock: IReactorTime,
        now: Callable[[], float],
        linger: float = LINGER,
        history: int = HISTORY,
    ) -> None:
        """Make a registry that is empty until it is started.

        @param clock: measures delays
        @param now: gives the time in seconds since 1970
        """
        self._store = store
        self._clock = clock
        self._now = now
        self._next_load: IDelayedCall | None = None
        self._unread = False
        self._index: dict[bytes, _Rows] = {}
        self._pending: dict[bytes, Entry[Bindings]] = {}
        self._expiry = Expiry()
        self._feed = Feed(history)
        self._commits: GroupCommit[Bindings] = GroupCommit(clock, self._write, self._drop, linger)
        self._ticks = LoopingCall(self._tick)
        self._ticks.clock = clock
        self.away_since: float | None = None
        self.away_reason = ""

    def __len__(self) -> int:
        """How many addresses of record have bindings."""
        return len(self._index)

    # Life

    def start(self) -> Deferred[None]:
        """Load what is stored and begin to serve.

        @return: fires with None once all is in memory
        @raise StoreError: in the Deferred: it cannot be read now; it is tried again until it can
        """
        return self._store.load(self._accept, self._now()).addCallbacks(self._loaded, self._not_loaded)

    def _accept(self, aor: bytes, bindings: Bindings) -> None:
        self._replace(aor, bindings)

    def _loaded(self, revision: int) -> None:
        self._unread = False
        self.away_since, self.away_reason = None, ""
        self._feed.revision = revision
        self._ticks.start(1, now=False)

    def _not_loaded(self, failure: Failure) -> Failure:
        failure.trap(StoreError)  # type: ignore[no-untyped-call]
        self._unread = True
        self.away_since = self._now() if self.away_since is None else self.away_since
        self.away_reason = str(failure.value)
        self._next_load = self._clock.callLater(RETRY, self._load_again)
        return failure

    def _load_again(self) -> None:
        self._next_load = None
        self.start().addCallbacks(self._loaded_late, _leave_unread)

    def _loaded_late(self, _: None) -> None:
        _log.info("Registrations are read after all: {count} addresses of record", count=len(self), severity="notice")

    def stop(self) -> Deferred[None]:
        """Store what is on its way and close the store; afterwards nothing may be stored."""
        if self._ticks.running:
            self._ticks.stop()
        if self._next_load is not None:
            self._next_load.cancel()
            self._next_load = None
        return self._commits.flush().addCallback(lambda _: self._store.close())

    # IRegistry

    def lookup(self, aor: bytes, now: float) -> AsInterface:
        """Give the unexpired bindings that are durable.

        @raise UnavailableError: none are known, as the store has not been read
        """
        rows = self._index.get(aor)
        if rows is not None:
            return without_doubles(_unpacked(rows, now))
        if self._unread:
            raise UnavailableError(b"Registry Unavailable")
        return ()

    def current(self, aor: bytes, now: float) -> AsInterface:
        """Give the unexpired bindings, with changes that are still being stored."""
        pending = self._pending.get(aor)
        if pending is None:
            rows = self._index.get(aor)
            return () if rows is None else _unpacked(rows, now)
        return tuple([binding for binding in pending.value if binding.expires > now])

    def store(self, aor: bytes, bindings: AsInterface) -> Deferred[None]:
        """Replace the bindings of an address of record.

        @return: fires with None once that is durable
        @raise UnavailableError: in the Deferred: nothing has changed
        """
        if self._unread:
            # Bindings that nobody has read must not be written over.
            return fail(UnavailableError(b"Registry Unavailable"))
        if aor not in self._pending and bindings == self._index.get(aor, ()):
            return succeed(None)
        entry = self._pending[aor] = Entry(aor, bindings)
        self._commits.add(entry)
        return entry.done

    def subscribe(self, follower: Follower) -> None:
        """Call C{follower} with each change, in order, once it is durable."""
        self._feed.subscribe(follower)

    # For who follows, and for who looks

    def unsubscribe(self, follower: Follower) -> None:
        """Call it no more."""
        self._feed.unsubscribe(follower)

    @property
    def revision(self) -> int:
        """Number of the last change."""
        return self._feed.revision

    def since(self, revision: int) -> list[Change] | None:
        """Give the changes after a revision; None where they are forgotten and a snapshot is needed."""
        return self._feed.since(revision)

    def snapshot(self) -> tuple[int, Iterable[Row]]:
        """Give the revision, and all bindings as they are at it; they may be read at leisure."""
        # The copy is of references only: some 20 ms for a million.
        rows = self._index.copy()
        return self._feed.revision, ((aor, _unpacked(packed, 0)) for aor, packed in rows.items())

    def page(self, after: bytes, limit: int) -> Deferred[list[Row]]:
        """Give up to C{limit} addresses of record behind C{after}, in the order of their octets, with bindings."""
        return self._store.page(after, limit)

    # Writing

    def _newest(self, aor: bytes) -> Bindings:
        pending = self._pending.get(aor)
        return _unpacked(self._index.get(aor, ()), 0) if pending is None else pending.value

    def _write(self, batch: Sequence[Entry[Bindings]]) -> Deferred[None]:
        first = self._feed.revision + 1
        changes = [Change(first + at, entry.key, entry.value) for at, entry in enumerate(batch)]
        return self._store.commit(changes).addCallbacks(self._written, self._away, callbackArgs=(batch, changes))

    def _written(self, _: None, batch: Sequence[Entry[Bindings]], changes: Sequence[Change]) -> None:
        if self.away_since is not None:
            _log.info("Registrations are stored again", severity="notice")
            self.away_since, self.away_reason = None, ""
        pending = self._pending
        for entry, change in zip(batch, changes, strict=True):
            self._replace(entry.key, entry.value)
            if pending[entry.key] is entry:
                del pending[entry.key]
            self._feed.publish(change)

    def _away(self, failure: Failure) -> None:
        failure.trap(StoreError)  # type: ignore[no-untyped-call]
        if self.away_since is None:
            self.away_since = self._now()
            _log.error("Registrations cannot be stored: {reason}", reason=str(failure.value))
        self.away_reason = str(failure.value)
        raise UnavailableError(b"Registry Unavailable")

    def _drop(self, entries: Sequence[Entry[Bindings]]) -> None:
        """Go back to what is durable."""
        for entry in entries:
            self._pending.pop(entry.key, None)
            if entry.key in self._index:
                self._expect(entry.key, self._index[entry.key])  # It may have been taken out to be removed.

    def _replace(self, aor: bytes, bindings: Bindings) -> None:
        """Change the index and when it is to be looked at again."""
        old = self._index.get(aor)
        if old is not None and (earliest := _earliest(old)) != NEVER:
            self._expiry.discard(aor, earliest)
        if not bindings:
            self._index.pop(aor, None)
            return
        packed = self._index[aor] = _packed(bindings)
        self._expect(aor, packed)

    # Expiry

    def _expect(self, aor: bytes, rows: _Rows) -> None:
        earliest = _earliest(rows)
        if earliest != NEVER:
            self._expiry.add(aor, earliest)

    def _tick(self) -> None:
        try:
            now = self._now()
            due = self._expiry.due(now, _EXPIRED_AT_ONCE)
            for aor in due:
                self._expire(aor, now)
            if due:
                _log.debug("Registrations of {count} addresses of record have run out", count=len(due))
        except Exception:  # noqa: BLE001 - ours to log; registrations must go on running out
            _log.failure("Expiry of registrations failed")

    def _expire(self, aor: bytes, now: float) -> None:
        """Remove what has run out; where that cannot be stored, L{_drop} sees to it that it is tried again."""
        newest = self._newest(aor)
        kept = tuple(binding for binding in newest if binding.expires > now)
        if len(kept) < len(newest):
            self.store(aor, kept).addErrback(_leave)
        elif aor not in self._pending and aor in self._index:
            self._expect(aor, self._index[aor])  # The clock was set back.


def _leave(failure: Failure) -> None:
    failure.trap(UnavailableError)  # type: ignore[no-untyped-call]


def _leave_unread(failure: Failure) -> None:
    failure.trap(StoreError)  # type: ignore[no-untyped-call]


def _packed(bindings: Bindings) -> _Rows:
    return tuple([tuple(binding) for binding in bindings])


def _unpacked(rows: _Rows, now: float) -> Bindings:
    """Give the bindings that end after C{now}."""
    return tuple([Binding._make(row) for row in rows if row[_EXPIRES] > now])


def _earliest(rows: _Rows) -> float:
    if len(rows) == 1:
        return float(rows[0][_EXPIRES])
    return min([float(row[_EXPIRES]) for row in rows])
