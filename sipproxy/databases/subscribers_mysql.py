"""Subscribers in a table of a MySQL or MariaDB database.

The table is ours where its comment says so, and is then kept at the present
schema. One that somebody else has made is used as it is if it has all columns,
and never changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pymysql  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipproxy.databases import schema, subscribers_table
from sipproxy.databases.mysql import MysqlAddress, MysqlDatabase
from sipproxy.databases.subscribers import ISubscriberStore
from sipproxy.databases.subscribers_fields import Subscriber
from sipproxy.errors import StoreError

#: To look at the schema, and a migration that the disk may take its time for.
_STATEMENTS_OF_OPENING = 5
#: Of an import; each has the timeout, so this only bounds the whole.
_ROWS_IN_TIMEOUT = 100

_COMMENT = "SELECT table_comment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s"
_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"


class Found(NamedTuple):
    """A table as it is.

    @ivar version: of its schema, 0 where there is no table, None where it is not ours
    @ivar missing: columns that we need and it has not
    """

    version: int | None
    missing: list[str]


@implementer(ISubscriberStore)
class MysqlStore:
    """Keeps subscribers in a table."""

    def __init__(self, address: MysqlAddress, table: str, reactor: Any, size: int, timeout: float) -> None:
        """Prepare it; nothing is connected before the first use.

        @param table: its name, see L{schema.is_identifier}
        @param reactor: an L{IReactorThreads} and L{IReactorTime}
        @param size: connections at most
        @param timeout: of each statement, seconds
        """
        self._address = address
        self._table = table
        self._reactor = reactor
        self._timeout = timeout
        self._statements = statements_for(table)
        self._database = MysqlDatabase(address, self._prepare, reactor, size, timeout)

    def open(self) -> Deferred[None]:
        """Look at the schema, as each new connection does by itself; somebody may have dropped the table."""
        return self._database.run(prepare, self._table, statements=_STATEMENTS_OF_OPENING)

    def pending(self) -> Deferred[tuple[str, ...]]:
        """Give the statements that L{open} would run, over a connection of its own; nothing is changed.

        @raise StoreError: in the Deferred: the table cannot be looked at, or is of a later release
        """
        return Deferred.fromCoroutine(self._pending())

    async def _pending(self) -> tuple[str, ...]:
        asking = MysqlDatabase(self._address, _leave, self._reactor, 1, self._timeout)
        try:
            return await asking.run(pending, self._table, statements=_STATEMENTS_OF_OPENING)
        finally:
            await asking.close()

    def find(self, keys: Sequence[str]) -> Deferred[Mapping[str, Subscriber]]:
        """Read rows."""
        return self._database.run(subscribers_table.find, self._statements, keys)

    def page(self, after: str, limit: int) -> Deferred[list[Subscriber]]:
        """Read the next few rows."""
        return self._database.run(subscribers_table.page, self._statements, after, limit)

    def add(self, subscribers: Sequence[Subscriber], overwrite: bool, now: float) -> Deferred[int]:
        """Write rows in one transaction."""
        return self._database.run(
            subscribers_table.add,
            self._statements,
            subscribers,
            overwrite,
            now,
            statements=1 + len(subscribers) // _ROWS_IN_TIMEOUT,
        )

    def change(self, key: str, changes: Mapping[str, object]) -> Deferred[Subscriber]:
        """Change columns of a row."""
        return self._database.run(subscribers_table.change, self._statements, key, changes)

    def delete(self, key: str) -> Deferred[None]:
        """Delete a row."""
        return self._database.run(subscribers_table.delete, self._statements, key)

    def close(self) -> Deferred[None]:
        """Close all connections."""
        return self._database.close()

    def _prepare(self, cursor: Any) -> None:
        prepare(cursor, self._table)


def statements_for(table: str) -> subscribers_table.Statements:
    """Give the statements for a table.

    @param table: its name, see L{schema.is_identifier}
    """
    columns = [column for column in subscribers_table.COLUMNS if column != "username"]
    overwrite = f"ON DUPLICATE KEY UPDATE {', '.join(f'{column} = VALUES({column})' for column in columns)}"
    return subscribers_table.Statements(f"`{table}`", "%s", overwrite, pymysql.IntegrityError)


def prepare(cursor: Any, table: str) -> None:
    """Bring a table to the present schema where it is ours, and see that it can be used.

    @raise StoreError: it cannot; the text says what is missing
    """
    try:
        for statement in pending(cursor, table):
            cursor.execute(statement)
    except pymysql.Error as error:
        # Perhaps we may not; perhaps another server has just done it. What counts is what is there now.
        refusal = f" ({error.args[-1]})"
    else:
        refusal = ""
    found = look(cursor, table)
    if found.version == 0:
        raise StoreError(f"there is no table {table}{refusal}")
    if found.missing:
        raise StoreError(f"table {table} has no column {', '.join(found.missing)}{refusal}")


def pending(cursor: Any, table: str) -> tuple[str, ...]:
    """Give the statements that bring a table to the present schema; none where it is not ours.

    @raise StoreError: it is of a later release
    """
    version = look(cursor, table).version
    if version is None:
        return ()
    if version > len(schema.MYSQL.migrations):
        raise StoreError(f"table {table}: {schema.NAME} of a later release (schema {version})")
    return schema.MYSQL.pending(table, version)


def look(cursor: Any, table: str) -> Found:
    """Look at a table."""
    cursor.execute(_COMMENT, (table,))
    comments = [str(row[0]) for row in cursor.fetchall()]
    cursor.execute(_COLUMNS, (table,))
    columns = {str(row[0]).lower() for row in cursor.fetchall()}
    version = schema.MYSQL.version(comments[0]) if comments else 0
    return Found(version, [column for column in subscribers_table.COLUMNS if column not in columns])


def _leave(cursor: Any) -> None:
    """Prepare nothing."""
