"""The rows of a table in a SQLite file, a column for each field, to be read with any tool.

Rows go in and out of SQLite as JSON, a thousand in one text. sqlite3 lets go of
the interpreter for each statement and for each row that it fetches, and while
the reactor is busy gets it back after 5 ms only: row by row, a hundred thousand
would take minutes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from twisted.enterprise.adbapi import Transaction
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

from sipproxy.databases.records import Key, Row
from sipproxy.databases.sqlite import LOCK_TIMEOUT, Schema, SqliteFile
from sipproxy.databases.table import IRowStore, Layout, Plan

T = TypeVar("T")

#: Rows in one text.
_AT_ONCE = 1000

_TYPES = {"TEXT": "text", "INTEGER": "integer"}


@implementer(IRowStore)
class SqliteRows:
    """Keeps rows in a file.

    @ivar file: the file
    """

    def __init__(self, path: Path, layout: Layout, reactor: IReactorFromThreads, timeout: float = LOCK_TIMEOUT) -> None:
        self.file = SqliteFile(path, schema_of(layout), reactor, timeout)
        self._keys = layout.keys
        self._statements = _Statements(layout)

    def load(self, build: Callable[[Iterable[Row]], T]) -> Deferred[T]:
        """Hand over all rows, in the file's thread."""
        return self.file.run(_load, self._statements, self._keys, build)

    def change(self, plan: Callable[[], Plan[T]]) -> Deferred[T]:
        """Do what a plan says in one transaction; it is made in the file's thread."""
        return self.file.run(_change, self._statements, plan)

    def page(self, after: Key, limit: int) -> Deferred[list[Row]]:
        """Read the next few rows."""
        return self.file.run(_page, self._statements, after, limit)

    def close(self) -> Deferred[None]:
        """Close the file."""
        return self.file.close()


def schema_of(layout: Layout) -> Schema:
    """Give the schema of the file of a table."""
    columns = [
        # Other programs may write into it: what is of another type would end the reading of all.
        f"{name} {kind} NOT NULL CHECK (typeof({name}) = '{_TYPES[kind]}')"
        for name, kind in layout.columns
    ]
    key = ", ".join(_names(layout)[: layout.keys])
    create = f"CREATE TABLE {layout.name} ({', '.join(columns)}, PRIMARY KEY ({key})) WITHOUT ROWID"
    return Schema(f"{layout.title} of sipproxy", layout.application_id, ((create,),))


def _names(layout: Layout) -> list[str]:
    return [name for name, _ in layout.columns]


class _Statements:
    """The SQL of a table.

    @ivar first: gives so many rows from the beginning as one text
    @ivar next: gives so many rows behind a key
    @ivar delete: deletes the rows whose keys stand in a text
    @ivar store: writes the rows of a text, in place of those with the same keys
    """

    def __init__(self, layout: Layout) -> None:
        names = _names(layout)
        columns, key = ", ".join(names), ", ".join(names[: layout.keys])
        extracted = [f"json_extract(value, '$[{at}]')" for at in range(len(names))]
        select = f"SELECT json_group_array(json_array({columns})) FROM (SELECT {columns} FROM {layout.name}"
        order = f"ORDER BY {key} LIMIT ?)"
        self.first = f"{select} {order}"
        self.next = f"{select} WHERE ({key}) > ({', '.join('?' * layout.keys)}) {order}"
        self.delete = (
            f"DELETE FROM {layout.name} WHERE ({key}) IN"
            f" (SELECT {', '.join(extracted[: layout.keys])} FROM json_each(?))"
        )
        self.store = f"REPLACE INTO {layout.name} SELECT {', '.join(extracted)} FROM json_each(?)"


def _load(cursor: Transaction, statements: _Statements, keys: int, build: Callable[[Iterable[Row]], T]) -> T:
    return build(_all(cursor, statements, keys))


def _all(cursor: Transaction, statements: _Statements, keys: int) -> Iterator[Row]:
    after: Key = ()
    while rows := _page(cursor, statements, after, _AT_ONCE):
        yield from rows
        after = rows[-1][:keys]


def _page(cursor: Transaction, statements: _Statements, after: Key, limit: int) -> list[Row]:
    cursor.execute(statements.next if after else statements.first, (*after, limit))
    return [tuple(row) for row in json.loads(cursor.fetchone()[0])]


def _change(cursor: Transaction, statements: _Statements, plan: Callable[[], Plan[T]]) -> T:
    deleted, stored, result = plan()
    _execute(cursor, statements.delete, deleted)
    _execute(cursor, statements.store, stored)
    return result


def _execute(cursor: Transaction, statement: str, rows: Sequence[Row]) -> None:
    for at in range(0, len(rows), _AT_ONCE):
        cursor.execute(statement, (json.dumps(rows[at : at + _AT_ONCE]),))
