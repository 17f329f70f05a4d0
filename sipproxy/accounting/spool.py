"""The spool: calls that are open, and records that wait, kept on the disk (RFC 2866 1: "reliable ... accounting").

A change of a call stands in the L{sipproxy.accounting.journal} at once; what is
true of it a moment later goes to the file, together with what else has changed,
in one commit. From then on its new records may be delivered. What was delivered
leaves the file with the next change of its call, or some seconds later: after a
kill the records of these seconds are sent again.

A spool that cannot be written, or not even be opened, stops nothing: it is
tried again, and meanwhile records are delivered from memory. Records that
nobody takes are kept up to a number, on the disk as in memory; what is beyond
it goes to the error log. A record that is written there counts as told.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol
from weakref import WeakValueDictionary

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.accounting.call import FILE, RADIUS, Call, call_of
from sipproxy.accounting.journal import Change, Journal
from sipproxy.accounting.records import as_json
from sipproxy.accounting.rows import Loaded, Row, Wanted
from sipproxy.errors import StoreError
from sipproxy.wire.radius import Attribute

log = Logger(namespace="mod_sip_radius")

#: How long the first change of a commit waits for others, seconds. A commit costs as much as several calls.
LINGER = 0.25
#: How long what was delivered waits for a further change of its call before it is written, seconds, at most. A short
#: call is over by then, and its row written no more often than it has records.
SETTLE = 2.0
#: How long after a commit that failed the next is tried, seconds.
RETRY = 5.0
#: Calls that may wait in memory for a spool that cannot be written.
MOST_UNWRITTEN = 10_000
#: One of each kind.
_ALL_KINDS = 7


class IFile(Protocol):
    """What is needed of L{sipproxy.accounting.rows.SpoolFile}."""

    def load(self, last: int) -> Deferred[Loaded]:
        """Take the changes that were not committed, and give what is there."""

    def commit(self, changes: Sequence[Change], gone: Sequence[int], done: int) -> Deferred[None]:
        """Write changes in one transaction."""

    def page(self, wanted: Wanted, after: int, limit: int) -> Deferred[list[Row]]:
        """Read calls that have records waiting."""

    def close(self) -> Deferred[None]:
        """Close it."""


class Follower(Protocol):
    """Somebody who delivers records (L{sipproxy.accounting.backlog.Backlog})."""

    @property
    def destination(self) -> int:
        """Where to."""

    def offer(self, call: Call) -> None:
        """Take a call, of which a record may be delivered."""

    def expect(self) -> None:
        """Records are in the spool that were not offered."""


class Spool:
    """Keeps calls.

    @ivar waiting: records that wait
    @ivar is_writing: whether a commit is under way
    @ivar problem_since: since when something cannot be written, seconds since 1970
    """

    def __init__(
        self,
        file: IFile,
        journal: Journal,
        clock: IReactorTime,
        now: Callable[[], float],
        most: int,
        nas: Sequence[Attribute] = (),
    ) -> None:
        """
        @param now: gives the time in seconds since 1970
        @param most: records that may wait
        @param nas: who we are, for records in the error log
        """
        self.waiting = 0
        self.problem_since: float | None = None
        self._file = file
        self._file_problem = ""
        self._journal = journal
        self._clock = clock
        self._now = now
        self._most = most
        self._nas = tuple(nas)
        self._followers: tuple[Follower, ...] = ()
        self._restore: Callable[[Iterable[Call]], None] = _nothing
        self._is_loaded = False
        self._last_number = 0
        self._last_file = 0
        self._live: WeakValueDictionary[int, Call] = WeakValueDictionary()
        # What has changed, as the journal has it; None where only records were delivered since the last commit.
        self._dirty: dict[Call, Change | None] = {}
        # Of these only records were delivered, a moment ago.
        self._settling: dict[Call, None] = {}
        self._settler: IDelayedCall | None = None
        self.is_writing = False
        self._is_stopping = False
        self._timer: IDelayedCall | None = None
        self._started: Deferred[None] | None = None
        self._idle: list[Deferred[None]] = []

    @property
    def problem(self) -> str:
        """Why something cannot be written, empty while all is well."""
        return self._file_problem or self._journal.problem

    def follow(self, followers: Iterable[Follower]) -> None:
        """Say who delivers records; what none of them does is not kept for it."""
        self._followers = tuple(followers)

    def start(self, restore: Callable[[Iterable[Call]], None]) -> Deferred[None]:
        """Open the file.

        @param restore: takes the calls that were open
        @return: fires with None; fails with StoreError where the file cannot be read, and it is tried again
        """
        self._restore = restore
        self._is_stopping = False
        self._last_file = self._journal.start()
        started = self._started = Deferred()
        self._write()
        return started

    def stop(self) -> Deferred[None]:
        """Write what has changed, and close the file; where it cannot be written the journal has it."""
        self._is_stopping = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._settler is not None:
            self._settler.cancel()
            self._settle()
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        if not self.is_writing:
            self._write()
        idle.addCallback(lambda _: self._file.close())
        return idle.addCallback(lambda _: self._journal.close())

    # Book: what calls tell.

    def record(self, call: Call, kind: int) -> None:
        """Keep a call, and a new record of it."""
        if self.waiting >= self._most:
            self.refuse(call, kind, f"{self.waiting} records wait already")
        elif self._file_problem and len(self._dirty) >= MOST_UNWRITTEN:
            self.refuse(call, kind, self._file_problem)
        else:
            for follower in self._followers:
                call.waiting[follower.destination] |= kind
            self.waiting += 1
        self.keep(call)

    def keep(self, call: Call) -> None:
        """Keep what has changed of a call."""
        if not call.number:
            # By the clock, so that it is new also while nobody knows what the file holds.
            self._last_number = max(self._last_number + 1, int(self._now() * 1_000_000))
            call.number = self._last_number
            self._live[call.number] = call
        change = _change(call, call.state_text())
        self._journal.write(change)
        self._dirty[call] = change
        self._settling.pop(call, None)
        self._wake()

    def refuse(self, call: Call, kind: int, reason: str) -> None:
        """Put a record into the error log, as it is not kept."""
        log.error(
            "accounting record not kept, {reason}: {record}", reason=reason, record=as_json(call, kind, self._nas)
        )

    # What deliveries tell.

    def delivered(self, call: Call, destination: int, kind: int) -> None:
        """A record was delivered."""
        before = call.undelivered
        call.waiting[destination] &= ~kind
        self.waiting -= (before & ~call.undelivered).bit_count()
        if self._is_stopping:
            self._dirty.setdefault(call, None)
        elif call not in self._dirty:
            self._settling[call] = None
            if self._settler is None:
                self._settler = self._clock.callLater(SETTLE, self._settle)

    def page(self, destination: int, after: int, limit: int) -> Deferred[list[Call]]:
        """Give ended calls that wait for a destination, in the order of their numbers.

        @param after: the number behind which to begin
        @raise StoreError: in the Deferred
        """
        wanted = Wanted(_ALL_KINDS if destination == RADIUS else 0, _ALL_KINDS if destination == FILE else 0)
        return self._file.page(wanted, after, limit).addCallback(self._calls)

    def queue(self, after: int, limit: int) -> Deferred[list[Call]]:
        """Give all calls of which a record waits, as L{page} does."""
        wanted = Wanted(_ALL_KINDS, _ALL_KINDS, is_open=True)
        return self._file.page(wanted, after, limit).addCallback(self._calls)

    def _calls(self, rows: list[Row]) -> list[Call]:
        """Give the calls of rows; one that is in memory is as it is there."""
        found = []
        for row in rows:
            call = self._live.get(row.number)
            if call is None:
                try:
                    call = call_of(*row)
                except ValueError as error:
                    log.error("a row of the accounting spool cannot be read, {error}: {row}", error=error, row=row)
                    continue
                self._live[row.number] = call
            found.append(call)
        return found

    # Writing.

    def _wake(self) -> None:
        if self._timer is None and not self.is_writing and not self._is_stopping:
            self._timer = self._clock.callLater(LINGER, self._write)

    def _settle(self) -> None:
        """Let what was delivered be written."""
        self._settler = None
        for call in self._settling:
            self._dirty.setdefault(call, None)
        self._settling.clear()
        self._wake()

    def _write(self) -> None:
        """Write what has changed since the last commit."""
        self._timer = None
        self.is_writing = True
        batch, self._dirty = self._dirty, {}
        # While commits fail the journal goes on in one file.
        done = self._journal.told if self._file_problem else self._journal.turn()
        kinds = [(call, call.undelivered) for call, change in batch.items() if change is not None]
        kept = {call: _present(call, change) for call, change in batch.items() if call.is_kept}
        gone = [call for call in batch if call.is_stored and not call.is_kept]
        ready: Deferred[None] = succeed(None) if self._is_loaded else self._load()
        ready.addCallback(lambda _: self._file.commit(list(kept.values()), [call.number for call in gone], done))
        ready.addCallbacks(partial(self._written, kept, gone, done), partial(self._not_written, batch))
        ready.addCallback(self._release, kinds).addErrback(_broke)

    def _written(self, kept: Iterable[Call], gone: Iterable[Call], done: int, _: None) -> None:
        for call in kept:
            call.is_stored = True
        for call in gone:
            call.is_stored = False
        self._journal.forget(done)
        self._file_problem = ""
        self._see()

    def _not_written(self, batch: Mapping[Call, Change | None], failure: Failure) -> None:
        """Keep what was to be written; what nobody needs any more is forgotten."""
        for call, change in batch.items():
            if call.is_kept or call.is_stored:
                self._dirty[call] = self._dirty.get(call) or change
        if isinstance(failure.value, StoreError):
            self._file_problem = str(failure.value)
        else:
            log.failure("fault in the accounting spool", failure)
            self._file_problem = "a fault of the server, see its error log"
        self._see()

    def _see(self) -> None:
        """Say so when something is wrong for the first time, or no longer."""
        if self.problem and self.problem_since is None:
            self.problem_since = self._now()
            log.error("the accounting spool cannot be written, calls go on: {problem}", problem=self.problem)
        elif not self.problem and self.problem_since is not None:
            self.problem_since = None
            log.info(
                "the accounting spool is written again, {count} records wait", count=self.waiting, severity="notice"
            )

    def _release(self, _: None, kinds: Sequence[tuple[Call, int]]) -> None:
        """Let records be delivered that are in the file, or cannot be now."""
        self.is_writing = False
        for call, bits in kinds:
            call.written |= bits
            for follower in self._followers:
                follower.offer(call)
        self._tell_started()
        if self._is_stopping:
            self._stopped()
        elif (self._dirty or self._file_problem) and self._timer is None:
            self._timer = self._clock.callLater(RETRY if self._file_problem else LINGER, self._write)

    def _tell_started(self) -> None:
        started, self._started = self._started, None
        if started is None:
            return
        if self._file_problem:
            started.errback(StoreError(self._file_problem))
        else:
            started.callback(None)

    def _stopped(self) -> None:
        if self._dirty and not self._file_problem:
            self._write()
            return
        idle, self._idle = self._idle, []
        for deferred in idle:
            deferred.callback(None)

    # Loading.

    def _load(self) -> Deferred[None]:
        return self._file.load(self._last_file).addCallback(self._loaded)

    def _loaded(self, loaded: Loaded) -> None:
        self._is_loaded = True
        self._journal.forget(self._last_file)
        self._last_number = max(self._last_number, loaded.last)
        self.waiting += loaded.waiting
        if loaded.damaged:
            log.error("{count} open calls in the accounting spool cannot be read", count=loaded.damaged)
        for call in loaded.calls:
            self._live[call.number] = call
        self._restore(loaded.calls)
        for follower in self._followers:
            for call in loaded.calls:
                follower.offer(call)
            if loaded.ended[follower.destination]:
                follower.expect()


def _change(call: Call, state: str) -> Change:
    """Write a call down.

    @param state: what changes of it; empty where nothing has
    """
    radius, file = call.waiting
    return Change(call.number, radius, file, call.end is None, state, "" if call.is_stored else call.invite_text())


def _present(call: Call, change: Change | None) -> Change:
    """Give a change with the records that wait now."""
    if change is None:
        return _change(call, "" if call.is_stored else call.state_text())
    radius, file = call.waiting
    if change.radius == radius and change.file == file:
        return change
    return change._replace(radius=radius, file=file)


def _nothing(calls: Iterable[Call]) -> None:
    """Nobody wants to know of open calls."""


def _broke(failure: Any) -> None:
    log.failure("fault in accounting", failure)
