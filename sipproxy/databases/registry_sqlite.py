"""Bindings in a SQLite file, one row for each address of record.

The bindings of a row are a list in JSON, to be read with any tool. Octets that
are no UTF-8 stand in it as lone surrogates (PEP 383) and come back as they were.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.enterprise.adbapi import Transaction
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

from sipproxy.databases.feed import Change
from sipproxy.databases.registry_store import IRegistryStore, Row
from sipproxy.databases.sqlite import LOCK_TIMEOUT, Schema, SqliteFile
from sipproxy.registrar.bindings import NEVER, Binding, Bindings

REGISTRY_SCHEMA = Schema(
    "registry of sipproxy",
    0x53505247,  # "SPRG"
    (
        (
            # expires: when the last of the bindings ends, NULL for never.
            "CREATE TABLE registry (aor BLOB NOT NULL PRIMARY KEY, bindings TEXT NOT NULL, expires REAL,"
            " revision INTEGER NOT NULL) WITHOUT ROWID",
            # A revision at least as high as those of rows that are gone; to write it with each batch would cost a
            # third more.
            "CREATE TABLE feed (revision INTEGER NOT NULL)",
            "INSERT INTO feed VALUES (0)",
        ),
    ),
)

# One statement for many rows: sqlite3 lets go of the interpreter for each, and while the reactor is busy it gets it
# back after 5 ms only: executemany then wrote 250 rows a second, and a batch of 32 took 132 ms; so it takes 18 ms.
_ROWS_IN_STATEMENT = 64
_STORE = tuple(
    f"INSERT INTO registry VALUES {', '.join(['(?, ?, ?, ?)'] * rows)} ON CONFLICT (aor) DO UPDATE"
    " SET bindings = excluded.bindings, expires = excluded.expires, revision = excluded.revision"
    for rows in range(_ROWS_IN_STATEMENT + 1)
)
_REMOVE = tuple(
    f"DELETE FROM registry WHERE aor IN ({', '.join('?' * rows)})" for rows in range(_ROWS_IN_STATEMENT + 1)
)
_REMOVE_EXPIRED = "DELETE FROM registry WHERE expires <= ?"
_COUNT = "UPDATE feed SET revision = ?"
_REVISION = "SELECT max((SELECT revision FROM feed), ifnull((SELECT max(revision) FROM registry), 0))"
_ALL = "SELECT aor, bindings FROM registry"
_PAGE = "SELECT aor, bindings FROM registry WHERE aor > ? ORDER BY aor LIMIT ?"

_ROWS_AT_ONCE = 1000

_quoted = json.JSONEncoder().encode
_decode = json.JSONDecoder().decode


@implementer(IRegistryStore)
class SqliteStore:
    """Keeps bindings in a file.

    @ivar file: the file
    """

    def __init__(self, path: Path, reactor: IReactorFromThreads, timeout: float = LOCK_TIMEOUT) -> None:
        self.file = SqliteFile(path, REGISTRY_SCHEMA, reactor, timeout)

    def load(self, accept: Callable[[bytes, Bindings], None], now: float) -> Deferred[int]:
        """Remove what has run out and hand over the rest, from the file's thread."""
        return self.file.run(_load, accept, now)

    def commit(self, changes: Sequence[Change]) -> Deferred[None]:
        """Write changes in one transaction."""
        return self.file.run(_commit, changes)

    def page(self, after: bytes, limit: int) -> Deferred[list[Row]]:
        """Read the next few rows."""
        return self.file.run(_page, after, limit)

    def close(self) -> Deferred[None]:
        """Close the file."""
        return self.file.close()


def _load(cursor: Transaction, accept: Callable[[bytes, Bindings], None], now: float) -> int:
    cursor.execute(_REVISION)
    revision: int = cursor.fetchone()[0]
    cursor.execute(_COUNT, (revision,))
    cursor.execute(_REMOVE_EXPIRED, (now,))
    cursor.execute(_ALL)
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        for aor, text in rows:
            accept(aor, from_json(text))
    return revision


def _commit(cursor: Transaction, changes: Sequence[Change]) -> None:
    last = {change.aor: change for change in changes}.values()
    stored = [
        (aor, to_json(bindings), _last_expiry(bindings), revision) for revision, aor, bindings in last if bindings
    ]
    removed = [aor for _, aor, bindings in last if not bindings]
    for at in range(0, len(stored), _ROWS_IN_STATEMENT):
        rows = stored[at : at + _ROWS_IN_STATEMENT]
        cursor.execute(_STORE[len(rows)], [value for row in rows for value in row])
    for at in range(0, len(removed), _ROWS_IN_STATEMENT):
        keys = removed[at : at + _ROWS_IN_STATEMENT]
        cursor.execute(_REMOVE[len(keys)], keys)
    if removed:
        cursor.execute(_COUNT, (changes[-1].revision,))


def _page(cursor: Transaction, after: bytes, limit: int) -> list[Row]:
    cursor.execute(_PAGE, (after, limit))
    return [(aor, from_json(text)) for aor, text in cursor.fetchall()]


def _last_expiry(bindings: Bindings) -> float | None:
    last = max([binding.expires for binding in bindings])
    return None if last == NEVER else last


def to_json(bindings: Bindings) -> str:
    """Write bindings; fields that say nothing are left out."""
    return f"[{','.join([_object(binding) for binding in bindings])}]"


def from_json(text: str) -> Bindings:
    """Read what L{to_json} wrote."""
    return tuple([_from_dict(fields) for fields in _decode(text)])


def _object(binding: Binding) -> str:
    """Write one; put together here, it takes two thirds of what the encoder does for a dict of it."""
    contact, params, q, action, expires, updated, call_id, cseq, path, instance, reg_id = binding
    text = (
        f'{{"contact":{_quoted(_text(contact))},"updated":{updated!r}'
        f',"call_id":{_quoted(_text(call_id))},"cseq":{cseq:d}'
    )
    if expires != NEVER:
        text += f',"expires":{expires!r}'
    if params:
        text += f',"params":{_quoted(_text(params))}'
    if q != 1:
        text += f',"q":{q!r}'
    if action:
        text += f',"action":{_quoted(action)}'
    if path:
        text += f',"path":[{",".join([_quoted(_text(value)) for value in path])}]'
    if reg_id:
        text += f',"instance":{_quoted(_text(instance))},"reg_id":{reg_id:d}'
    return text + "}"


def _from_dict(fields: dict[str, Any]) -> Binding:
    get = fields.get
    return Binding(
        _octets(fields["contact"]),
        _octets(get("params", "")),
        get("q", 1.0),
        get("action", ""),
        get("expires", NEVER),
        fields["updated"],
        _octets(fields["call_id"]),
        fields["cseq"],
        tuple([_octets(value) for value in get("path", ())]),
        _octets(get("instance", "")),
        get("reg_id", 0),
    )


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
