"""Subscribers in a SQLite file.

There are two connections, as a call may ask while a hundred thousand are being
imported: in a write-ahead log one who reads does not wait for one who writes.
"""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from twisted.enterprise.adbapi import Transaction
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

from sipproxy.databases import schema, subscribers_table
from sipproxy.databases.sqlite import LOCK_TIMEOUT, SqliteFile, pending
from sipproxy.databases.subscribers import ISubscriberStore
from sipproxy.databases.subscribers_fields import Subscriber

_COLUMNS = [column for column in subscribers_table.COLUMNS if column != "username"]
STATEMENTS = subscribers_table.Statements(
    "subscribers",
    "?",
    f"ON CONFLICT (username) DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in _COLUMNS)}",
    sqlite3.IntegrityError,
)


@implementer(ISubscriberStore)
class SqliteStore:
    """Keeps subscribers in a file that only its owner can read: it has passwords."""

    def __init__(self, path: Path, reactor: IReactorFromThreads, timeout: float = LOCK_TIMEOUT) -> None:
        """Prepare it; nothing is opened before L{open}.

        @param timeout: how long to wait for another process's lock, seconds
        """
        self._path = path
        self._writing = SqliteFile(path, schema.SQLITE, reactor, timeout)
        self._reading = SqliteFile(path, schema.SQLITE, reactor, timeout)

    def open(self) -> Deferred[None]:
        """Make the file where there is none, bring it to the present schema, and read from it."""
        # One after the other: what both would make one of them makes.
        make_private(self._path)
        return self._writing.run(_nothing).addCallback(lambda _: self._reading.run(_nothing))

    def pending(self) -> tuple[str, ...]:
        """Give the statements that L{open} would run; nothing is changed.

        @raise StoreError: the file cannot be used
        """
        return pending(self._path, schema.SQLITE)

    def find(self, keys: Sequence[str]) -> Deferred[Mapping[str, Subscriber]]:
        """Read rows."""
        return self._reading.run(subscribers_table.find, STATEMENTS, keys)

    def page(self, after: str, limit: int) -> Deferred[list[Subscriber]]:
        """Read the next few rows."""
        return self._reading.run(subscribers_table.page, STATEMENTS, after, limit)

    def add(self, subscribers: Sequence[Subscriber], overwrite: bool, now: float) -> Deferred[int]:
        """Write rows in one transaction."""
        return self._writing.run(subscribers_table.add, STATEMENTS, subscribers, overwrite, now)

    def change(self, key: str, changes: Mapping[str, object]) -> Deferred[Subscriber]:
        """Change columns of a row."""
        return self._writing.run(subscribers_table.change, STATEMENTS, key, changes)

    def delete(self, key: str) -> Deferred[None]:
        """Delete a row."""
        return self._writing.run(subscribers_table.delete, STATEMENTS, key)

    def close(self) -> Deferred[None]:
        """Close the file."""
        return self._reading.close().addCallback(lambda _: self._writing.close())


def make_private(path: Path) -> None:
    """Make an empty file that only its owner can read; one that is there stays as it is."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError:
        return  # It is there, or SQLite will say why it cannot be.


def _nothing(cursor: Transaction) -> None:
    cursor.execute("SELECT 1 FROM subscribers LIMIT 1")
