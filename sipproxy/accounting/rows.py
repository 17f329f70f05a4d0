"""The spool's file: one row for each call that is open or has records to be delivered (SQLite)."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorFromThreads

from sipproxy.accounting.call import Call, call_of
from sipproxy.accounting.journal import Change, read_changes
from sipproxy.databases.sqlite import LOCK_TIMEOUT, Schema, SqliteFile, pending
from sipproxy.errors import StoreError

T = TypeVar("T")

SPOOL_SCHEMA = Schema(
    "accounting spool of sipproxy",
    0x53504143,  # "SPAC"
    (
        (
            # radius, file: the records that wait for each, as bits: 1 Start, 2 Interim-Update, 4 Stop.
            "CREATE TABLE calls (number INTEGER NOT NULL PRIMARY KEY, radius INTEGER NOT NULL, file INTEGER NOT NULL,"
            " is_open INTEGER NOT NULL, state TEXT NOT NULL, invite TEXT NOT NULL)",
            # Up to which file of changes all is in the table.
            "CREATE TABLE journal (done INTEGER NOT NULL)",
            "INSERT INTO journal VALUES (0)",
        ),
    ),
)

# One statement for many rows, as sqlite3 lets go of the interpreter for each.
_ROWS_IN_STATEMENT = 64
_STORE = tuple(
    f"INSERT INTO calls VALUES {', '.join(['(?, ?, ?, ?, ?, ?)'] * rows)} ON CONFLICT (number) DO UPDATE SET"
    " radius = excluded.radius, file = excluded.file, is_open = excluded.is_open,"
    " state = CASE excluded.state WHEN '' THEN state ELSE excluded.state END"
    for rows in range(_ROWS_IN_STATEMENT + 1)
)
_REMOVE = tuple(
    f"DELETE FROM calls WHERE number IN ({', '.join('?' * rows)})" for rows in range(_ROWS_IN_STATEMENT + 1)
)
_DONE = "SELECT done FROM journal"
_SET_DONE = "UPDATE journal SET done = ?"
_OPEN = "SELECT number, invite, state, radius, file FROM calls WHERE is_open ORDER BY number"
_WAITING = "SELECT radius, file, is_open, count(*) FROM calls GROUP BY radius, file, is_open"
_IS_THERE = "SELECT count(*) FROM calls WHERE number = ?"
_LAST = "SELECT ifnull(max(number), 0) FROM calls"
_PAGE = (
    "SELECT number, invite, state, radius, file FROM calls"
    " WHERE number > ? AND ((radius & ?) | (file & ?)) AND is_open <= ? ORDER BY number LIMIT ?"
)

_ROWS_AT_ONCE = 1000
# For changes of a call whose INVITE is in the file already.
_NO_INVITE = '["","",0,"","","","","","",0]'


class Row(NamedTuple):
    """A call as the file has it; see L{Change}."""

    number: int
    invite: str
    state: str
    radius: int
    file: int


class Wanted(NamedTuple):
    """Which calls are asked for: those with a record waiting that is among these.

    @ivar radius: records that wait for RADIUS, as bits
    @ivar file: records that wait for the file
    @ivar is_open: whether open calls are wanted too
    """

    radius: int
    file: int
    is_open: bool = False


class Loaded(NamedTuple):
    """What was in the file.

    @ivar calls: the open calls
    @ivar last: the highest number of a call
    @ivar waiting: how many records wait
    @ivar ended: the records of ended calls that wait, as bits, by destination: some of each
    @ivar damaged: rows of open calls that could not be read
    """

    calls: list[Call]
    last: int
    waiting: int
    ended: tuple[int, int]
    damaged: int


class SpoolFile:
    """The file."""

    def __init__(self, path: Path, reactor: IReactorFromThreads, timeout: float = LOCK_TIMEOUT) -> None:
        self._path = path
        self._file = SqliteFile(path, SPOOL_SCHEMA, reactor, timeout)

    def load(self, last: int) -> Deferred[Loaded]:
        """Take the changes that were not committed, and give what is there.

        @param last: the number of the last file of changes
        @raise StoreError: in the Deferred
        """
        return self._file.run(load_rows, self._path, last)

    def commit(self, changes: Sequence[Change], gone: Sequence[int], done: int) -> Deferred[None]:
        """Write changes in one transaction.

        @param gone: numbers of calls that are needed no more
        @param done: up to which file of changes all is in it
        @raise StoreError: in the Deferred
        """
        return self._file.run(commit_rows, changes, gone, done)

    def page(self, wanted: Wanted, after: int, limit: int) -> Deferred[list[Row]]:
        """Read calls that have records waiting, in the order of their numbers.

        @param after: the number behind which to begin
        @raise StoreError: in the Deferred
        """
        return self._file.run(read_page, wanted, after, limit)

    def close(self) -> Deferred[None]:
        """Close it."""
        return self._file.close()


class InlineFile:
    """The same without a thread: for simulations, whose time is not to pass while a disk is waited for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def load(self, last: int) -> Deferred[Loaded]:
        """See L{SpoolFile}."""
        return self._run(load_rows, self._path, last)

    def commit(self, changes: Sequence[Change], gone: Sequence[int], done: int) -> Deferred[None]:
        """See L{SpoolFile}."""
        return self._run(commit_rows, changes, gone, done)

    def page(self, wanted: Wanted, after: int, limit: int) -> Deferred[list[Row]]:
        """See L{SpoolFile}."""
        return self._run(read_page, wanted, after, limit)

    def close(self) -> Deferred[None]:
        """See L{SpoolFile}."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        return succeed(None)

    def _run(self, interaction: Callable[..., T], *arguments: object) -> Deferred[T]:
        try:
            if self._connection is None:
                connection = sqlite3.connect(self._path)
                with connection:
                    for statement in pending(self._path, SPOOL_SCHEMA):
                        connection.execute(statement)
                self._connection = connection
            with self._connection:
                return succeed(interaction(self._connection.cursor(), *arguments))
        except StoreError as error:
            return fail(error)
        except sqlite3.DatabaseError as error:
            return fail(StoreError(f"{self._path}: {error}"))


def load_rows(cursor: Any, path: Path, last: int) -> Loaded:
    """Take the changes that were not committed, and give what is there; in the file's thread."""
    cursor.execute(_DONE)
    done: int = cursor.fetchone()[0]
    changes: dict[int, Change] = {}
    try:
        for change in read_changes(path, done, last):
            _join(changes, change)
    except OSError as error:
        raise StoreError(f"{path}: its changes cannot be read: {error.strerror}") from error
    kept = [change for change in changes.values() if change.is_open or change.radius or change.file]
    _store(cursor, [change for change in kept if change.invite or _is_there(cursor, change.number)])
    _remove(cursor, list(changes.keys() - {change.number for change in kept}))
    cursor.execute(_SET_DONE, (max(done, last),))
    return _read_all(cursor)


def _join(changes: dict[int, Change], change: Change) -> None:
    """Add a change, if it is whole, to what is known of its call."""
    before = changes.get(change.number)
    invite = change.invite or (before.invite if before is not None else "")
    try:
        call_of(change.number, invite or _NO_INVITE, change.state, change.radius, change.file)
    except ValueError:
        return
    changes[change.number] = change._replace(invite=invite)


def _is_there(cursor: Any, number: int) -> bool:
    cursor.execute(_IS_THERE, (number,))
    return bool(cursor.fetchone()[0])


def _read_all(cursor: Any) -> Loaded:
    calls: list[Call] = []
    damaged = 0
    cursor.execute(_OPEN)
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        for row in rows:
            try:
                calls.append(call_of(*row))
            except ValueError:
                damaged += 1
    cursor.execute(_WAITING)
    waiting, ended = 0, [0, 0]
    for radius, file, is_open, count in cursor.fetchall():
        waiting += (radius | file).bit_count() * count
        if not is_open:
            ended[0] |= radius
            ended[1] |= file
    cursor.execute(_LAST)
    return Loaded(calls, cursor.fetchone()[0], waiting, (ended[0], ended[1]), damaged)


def commit_rows(cursor: Any, changes: Sequence[Change], gone: Sequence[int], done: int) -> None:
    """Write changes; in the file's thread."""
    _store(cursor, changes)
    _remove(cursor, gone)
    cursor.execute(_SET_DONE, (done,))


def _store(cursor: Any, changes: Sequence[Change]) -> None:
    for at in range(0, len(changes), _ROWS_IN_STATEMENT):
        rows = changes[at : at + _ROWS_IN_STATEMENT]
        cursor.execute(_STORE[len(rows)], [value for row in rows for value in row])


def _remove(cursor: Any, gone: Sequence[int]) -> None:
    for at in range(0, len(gone), _ROWS_IN_STATEMENT):
        numbers = gone[at : at + _ROWS_IN_STATEMENT]
        cursor.execute(_REMOVE[len(numbers)], numbers)


def read_page(cursor: Any, wanted: Wanted, after: int, limit: int) -> list[Row]:
    """Read calls that have records waiting; in the file's thread."""
    cursor.execute(_PAGE, (after, *wanted, limit))
    return [Row(*row) for row in cursor.fetchall()]
