"""The table of subscribers, as SQLite and MySQL have it alike: columns, statements, what is done in one transaction.

Statements are constant text with parameters. The functions are for C{run} of
L{sipproxy.databases.sqlite.SqliteFile} and L{sipproxy.databases.mysql.MysqlDatabase}:
they are called in a thread, with a cursor.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from sipproxy.databases.subscribers_fields import FIELDS, ExistsError, MissingError, Subscriber, check_all

#: Columns in the order of a subscriber's fields.
COLUMNS = tuple({"key": "username", "ring_time": "ring_time_ms"}.get(name, name) for name in FIELDS)

# One statement for many rows. In SQLite each one lets go of the interpreter, which a busy reactor gives back after
# 5 ms only; in MySQL each one is a round trip.
_ROWS_IN_STATEMENT = 500
# Of all rows in a statement: with every character escaped and in four octets it is below MySQL's smallest limit, 1 MB.
_CHARACTERS_IN_STATEMENT = 120_000

Row = tuple[Any, ...]


class Cursor(Protocol):
    """What is used of a cursor of DB-API 2.0 (PEP 249)."""

    def execute(self, statement: str, parameters: Sequence[object] = ..., /) -> object:
        """Run a statement."""

    def fetchall(self) -> Sequence[Row]:
        """Give the rows that are left."""


class Statements:
    """The statements for one table.

    @ivar duplicate: the error of the engine for a key that there is already
    """

    def __init__(self, table: str, mark: str, overwrite: str, duplicate: type[Exception]) -> None:
        """Write the texts.

        @param table: its name, quoted where it must be
        @param mark: what stands for a parameter
        @param overwrite: makes an INSERT write over rows with the same key
        """
        self._insert = f"INSERT INTO {table} ({', '.join(COLUMNS)}) VALUES "
        self._row = f"({', '.join([mark] * len(COLUMNS))})"
        self._overwrite = f" {overwrite}"
        self._find = f"SELECT {', '.join(COLUMNS)} FROM {table} WHERE username IN "
        self._update = f"UPDATE {table} SET "
        self._mark = mark
        self.duplicate = duplicate
        self.page = f"SELECT {', '.join(COLUMNS)} FROM {table} WHERE username > {mark} ORDER BY username LIMIT {mark}"
        self.delete = f"DELETE FROM {table} WHERE username = {mark}"

    def insert(self, rows: int, overwrite: bool) -> str:
        """Give the statement that inserts so many rows."""
        return self._insert + ", ".join([self._row] * rows) + (self._overwrite if overwrite else "")

    def find(self, keys: int) -> str:
        """Give the statement that asks for so many keys."""
        return f"{self._find}({', '.join([self._mark] * keys)})"

    def update(self, columns: Iterable[str]) -> str:
        """Give the statement that changes columns of one row; its last parameter is the key."""
        changes = ", ".join(f"{column} = {self._mark}" for column in columns)
        return f"{self._update}{changes} WHERE username = {self._mark}"


# Transactions


def find(cursor: Cursor, statements: Statements, keys: Sequence[str]) -> dict[str, Subscriber]:
    """Give the subscribers that have one of some keys, by key."""
    cursor.execute(statements.find(len(keys)), tuple(keys))
    found = {subscriber.key: subscriber for subscriber in map(subscriber_of, cursor.fetchall())}
    # A column that somebody else has made may take others for equal.
    return {key: found[key] for key in keys if key in found}


def page(cursor: Cursor, statements: Statements, after: str, limit: int) -> list[Subscriber]:
    """Give the next few subscribers."""
    cursor.execute(statements.page, (after, limit))
    return [subscriber_of(row) for row in cursor.fetchall()]


def add(cursor: Cursor, statements: Statements, subscribers: Sequence[Subscriber], overwrite: bool, now: float) -> int:
    """Add subscribers.

    @return: how many
    @raise ExistsError: there is one of them, and it is not to be written over
    @raise RefusedError: one cannot be stored
    """
    check_all(subscribers)
    for rows in _batches(row_of(subscriber, now) for subscriber in subscribers):
        try:
            cursor.execute(statements.insert(len(rows), overwrite), [value for row in rows for value in row])
        except statements.duplicate as error:
            # Of a statement that fails nothing is inserted, so what is found now was there.
            there = find(cursor, statements, [row[0] for row in rows])
            raise ExistsError(f"there is a subscriber {next(iter(there), error)} already") from error
    return len(subscribers)


def change(cursor: Cursor, statements: Statements, key: str, changes: Mapping[str, object]) -> Subscriber:
    """Change some fields of a subscriber, whose values have been checked.

    @return: what it is now
    @raise MissingError: there is none
    """
    columns = {COLUMNS[FIELDS.index(name)]: _stored(name, value) for name, value in changes.items()}
    cursor.execute(statements.update(columns), (*columns.values(), key))
    changed = find(cursor, statements, (key,)).get(key)
    if changed is None:
        raise MissingError(f"no subscriber {key}")
    return changed


def delete(cursor: Cursor, statements: Statements, key: str) -> None:
    """Delete a subscriber.

    @raise MissingError: there is none
    """
    if key not in find(cursor, statements, (key,)):
        raise MissingError(f"no subscriber {key}")
    cursor.execute(statements.delete, (key,))


# Rows


def row_of(subscriber: Subscriber, now: float) -> Row:
    """Give the row of a subscriber; times that it does not know are C{now}."""
    row = [_stored(name, getattr(subscriber, name)) for name in FIELDS]
    return (*row[:-2], row[-2] or now, row[-1] or now)


def subscriber_of(row: Row) -> Subscriber:
    """Read a row; what a column holds that cannot be, as somebody else has written it, says nothing."""
    values: dict[str, Any] = {name: _text(value) for name, value in zip(FIELDS, row[:-4], strict=False)}
    values["password"] = values["password"] or None  # An empty one would be one that everybody knows.
    ring_time, enabled, created, updated = [_number(value) for value in row[-4:]]
    return Subscriber(
        **values,
        ring_time=ring_time / 1000 if ring_time else None,
        enabled=enabled > 0,
        created=created,
        updated=updated,
    )


def _stored(name: str, value: Any) -> object:
    if name == "ring_time":
        return None if value is None else round(value * 1000)
    if name == "enabled":
        return int(value)
    return value


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _number(value: object) -> float:
    right = isinstance(value, int | float) and math.isfinite(value) and value > 0
    return float(value) if right else 0.0  # type: ignore[arg-type]


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Put rows together for statements."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        length = sum([len(value) for value in row if isinstance(value, str)])
        if batch and (len(batch) == _ROWS_IN_STATEMENT or size + length > _CHARACTERS_IN_STATEMENT):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch
