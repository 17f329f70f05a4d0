"""SQLite files: opened, checked, brought to the present schema, used from one thread.

A file says whose it is (application_id) and how old its schema is
(user_version); one of somebody else, or of a later release, is left alone.
What SQLite cannot do now (full disk, lock, damage) is a StoreError.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from twisted.enterprise.adbapi import ConnectionPool, Transaction
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from sipproxy.errors import StoreError

T = TypeVar("T")

#: How long a statement waits for another process's lock, seconds.
LOCK_TIMEOUT = 0.5
#: Pages of the write-ahead log that are gathered before they are written back, 16 MB.
_LOG_PAGES = 4000
#: Prepared statements that are kept.
_STATEMENTS = 256

Migrations = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Schema:
    """What a file holds.

    @ivar name: for messages
    @ivar application_id: marks the file as ours
    @ivar migrations: statements that make version n+1 of version n
    """

    name: str
    application_id: int
    migrations: Migrations

    def pending(self, version: int) -> tuple[str, ...]:
        """Give the statements that bring a file from a version to the present one; 0 is an empty file."""
        if version == len(self.migrations):
            return ()
        return (
            *chain.from_iterable(self.migrations[version:]),
            f"PRAGMA application_id = {self.application_id:d}",
            f"PRAGMA user_version = {len(self.migrations):d}",
        )


class SqliteFile:
    """One SQLite file with one connection, used in a thread of its own; nothing is opened before the first use."""

    def __init__(self, path: Path, schema: Schema, reactor: IReactorFromThreads, timeout: float = LOCK_TIMEOUT) -> None:
        """Prepare it.

        @param timeout: how long to wait for another process's lock, seconds
        """
        self._path = path
        self._schema = schema
        self._pool = ConnectionPool(  # type: ignore[no-untyped-call]
            "sqlite3",
            str(path),
            cp_min=1,
            cp_max=1,
            cp_reactor=reactor,
            cp_openfun=self._prepare,
            timeout=timeout,
            isolation_level="IMMEDIATE",
            cached_statements=_STATEMENTS,
            check_same_thread=False,  # The pool closes the connection from the reactor's thread.
        )

    def run(self, interaction: Callable[..., T], *arguments: object) -> Deferred[T]:
        """Run a transaction in the file's thread: C{interaction(cursor, *arguments)}.

        @return: fires with what it gives, once that is committed
        @raise StoreError: in the Deferred: SQLite could not, nothing has changed
        """
        done: Deferred[T] = self._pool.runInteraction(interaction, *arguments)  # type: ignore[no-untyped-call]
        return done.addErrback(self._failed)

    def close(self) -> Deferred[None]:
        """Write the log back into the file and close it."""
        return self.run(_checkpoint).addErrback(_leave).addCallback(self._close)

    def _close(self, _: None) -> None:
        self._pool.close()  # type: ignore[no-untyped-call]

    def _failed(self, failure: Failure) -> Any:
        error = failure.value
        # Other kinds (ProgrammingError, IntegrityError) are mistakes of ours.
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            raise StoreError(f"{self._path}: {error}") from error
        return failure

    def _prepare(self, connection: sqlite3.Connection) -> None:
        try:
            _migrate(connection, self._schema, self._path)
            # FULL: a commit is on the disk when it returns, also with the write-ahead log.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES:d}")
        except BaseException:
            connection.close()
            raise


def _leave(failure: Failure) -> None:
    """Close it all the same: SQLite reads the log when the file is opened again."""
    failure.trap(StoreError)  # type: ignore[no-untyped-call]


def _checkpoint(cursor: Transaction) -> None:
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def pending(path: Path, schema: Schema) -> tuple[str, ...]:
    """Give the statements that would be run if a file were opened; it is only read, and not made.

    @raise StoreError: it is not one of ours, or of a later release, or cannot be read
    """
    if not path.exists():
        return schema.pending(0)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return schema.pending(_version(connection, schema, path))
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path}: {error}") from error


def _migrate(connection: sqlite3.Connection, schema: Schema, path: Path) -> None:
    """Bring a file to the present version.

    @raise StoreError: it is not one of ours, or of a later release
    """
    with connection:
        connection.execute("BEGIN")  # what is read of the file belongs together
        if not schema.pending(_version(connection, schema, path)):
            return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        # Once more: another process, or another connection of ours, may have been quicker.
        for statement in schema.pending(_version(connection, schema, path)):
            connection.execute(statement)


def _version(connection: sqlite3.Connection, schema: Schema, path: Path) -> int:
    """Give the version of a file, 0 where it is empty.

    @raise StoreError: it is not one of ours, or of a later release
    """
    version = _pragma(connection, "user_version")
    owner = _pragma(connection, "application_id")
    objects = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != schema.application_id and (owner or version or objects):
        raise StoreError(f"{path}: not a {schema.name}")
    if version > len(schema.migrations):
        raise StoreError(f"{path}: {schema.name} of a later release (schema {version})")
    return version


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
