"""What a member must still know after a restart: which farm it belongs to, and what the farm has not heard of yet.

An address of record that was changed without the farm is noted with the
bindings that both knew before; only so can be told later what was changed here
and what elsewhere. The change itself is in the registry's own file.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from twisted.enterprise.adbapi import Transaction
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import Interface, implementer

from sipproxy.databases.registry_sqlite import from_json, to_json
from sipproxy.databases.sqlite import LOCK_TIMEOUT, Schema, SqliteFile
from sipproxy.registrar.bindings import Bindings

NOTES_SCHEMA = Schema(
    "notes of a farm of sipproxy",
    0x53504641,  # "SPFA"
    (
        (
            "CREATE TABLE pending (aor BLOB NOT NULL PRIMARY KEY, base TEXT NOT NULL) WITHOUT ROWID",
            "CREATE TABLE farm (id TEXT NOT NULL, revision INTEGER NOT NULL)",
        ),
    ),
)


class Membership(NamedTuple):
    """The farm that a member has been in.

    @ivar id: its random name; empty for none
    @ivar revision: what was known of it
    """

    id: str
    revision: int


class Noted(NamedTuple):
    """All that is noted.

    @ivar pending: what the farm has not heard of: by address of record what both knew before
    """

    membership: Membership
    pending: Mapping[bytes, Bindings]


class INotes(Interface):
    """Where that is kept. What cannot be done is a StoreError in the Deferred."""

    def load() -> "Deferred[Noted]":
        """Give all that is noted."""

    def join(membership: Membership) -> "Deferred[None]":
        """Note which farm this member is in."""

    def add(pending: "Sequence[tuple[bytes, Bindings]]") -> "Deferred[None]":
        """Note addresses of record that are changed without the farm; one that is noted already stays as it is."""

    def remove(aors: Sequence[bytes]) -> "Deferred[None]":
        """The farm has heard of some."""

    def close() -> "Deferred[None]":
        """Let go of what is held."""


@implementer(INotes)
class MemoryNotes:
    """Keeps notes as long as the process lives, for a registry that does the same."""

    def __init__(self) -> None:
        self._membership = Membership("", 0)
        self._pending: dict[bytes, Bindings] = {}

    def load(self) -> Deferred[Noted]:
        """Give them."""
        return succeed(Noted(self._membership, dict(self._pending)))

    def join(self, membership: Membership) -> Deferred[None]:
        """Note it."""
        self._membership = membership
        return succeed(None)

    def add(self, pending: Iterable[tuple[bytes, Bindings]]) -> Deferred[None]:
        """Note them."""
        for aor, base in pending:
            self._pending.setdefault(aor, base)
        return succeed(None)

    def remove(self, aors: Iterable[bytes]) -> Deferred[None]:
        """Forget them."""
        for aor in aors:
            self._pending.pop(aor, None)
        return succeed(None)

    def close(self) -> Deferred[None]:
        """Nothing is held."""
        return succeed(None)


@implementer(INotes)
class SqliteNotes:
    """Keeps notes in a SQLite file."""

    def __init__(self, path: Path, reactor: IReactorFromThreads, timeout: float = LOCK_TIMEOUT) -> None:
        self._file = SqliteFile(path, NOTES_SCHEMA, reactor, timeout)

    def load(self) -> Deferred[Noted]:
        """Read them."""
        return self._file.run(_load)

    def join(self, membership: Membership) -> Deferred[None]:
        """Write it."""
        return self._file.run(_join, membership)

    def add(self, pending: Sequence[tuple[bytes, Bindings]]) -> Deferred[None]:
        """Write them."""
        return self._file.run(_add, pending)

    def remove(self, aors: Sequence[bytes]) -> Deferred[None]:
        """Delete them."""
        return self._file.run(_remove, aors)

    def close(self) -> Deferred[None]:
        """Close the file."""
        return self._file.close()


def _load(cursor: Transaction) -> Noted:
    cursor.execute("SELECT id, revision FROM farm")
    membership = Membership(*(cursor.fetchone() or ("", 0)))
    cursor.execute("SELECT aor, base FROM pending")
    return Noted(membership, {aor: from_json(base) for aor, base in cursor.fetchall()})


def _join(cursor: Transaction, membership: Membership) -> None:
    cursor.execute("DELETE FROM farm")
    cursor.execute("INSERT INTO farm VALUES (?, ?)", membership)


def _add(cursor: Transaction, pending: Iterable[tuple[bytes, Bindings]]) -> None:
    rows = [(aor, to_json(base)) for aor, base in pending]
    cursor.executemany("INSERT INTO pending VALUES (?, ?) ON CONFLICT (aor) DO NOTHING", rows)


def _remove(cursor: Transaction, aors: Iterable[bytes]) -> None:
    cursor.executemany("DELETE FROM pending WHERE aor = ?", [(aor,) for aor in aors])
