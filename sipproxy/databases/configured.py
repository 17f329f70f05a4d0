"""A table with what stands in the configuration laid over it.

The configuration's records belong to its generation, the table outlives it:
each generation lays its own over the one table. What is configured cannot be
deleted, and is there while the table is away.
"""

import json
from collections.abc import Sequence
from typing import Generic

from twisted.internet.defer import Deferred, succeed

from sipproxy.databases.records import Change, I, Key, Mode, R
from sipproxy.databases.table import Follower, Table

#: Stands between the last record of the configuration and the first of the table.
_FIRST_STORED = "[]"


class Configured(Generic[R, I]):
    """Records of the configuration, and those of a table.

    @ivar static: those of the configuration, in its order
    @ivar configured: the same as an index
    """

    def __init__(self, static: Sequence[R], store: Table[R, I]) -> None:
        """
        @param store: the table, which whoever made it starts and stops, here or there
        """
        self.static = tuple(static)
        self.configured: I = store.form.index()
        self.configured.update(self.static)
        self._table = store

    def __len__(self) -> int:
        """How many records there are."""
        return len(self.static) + len(self._table.index)

    def start(self) -> Deferred[None]:
        """Load what is stored.

        @return: fires with None once all is in memory
        @raise StoreError: in the Deferred: it cannot be read now; it is tried again until it can
        """
        return self._table.start()

    def stop(self) -> Deferred[None]:
        """Store what is on its way and close the store; afterwards nothing may be changed."""
        return self._table.stop()

    @property
    def away_since(self) -> float | None:
        """Since when the store cannot be read or written, seconds since 1970; None while it can."""
        return self._table.away_since

    @property
    def away_reason(self) -> str:
        """Why it cannot."""
        return self._table.away_reason

    def add(self, record: R) -> Deferred[Change[R]]:
        """Add a record, or replace the stored one with the same key; see L{Table.add}."""
        return self._table.add(record)

    def import_(self, records: Sequence[R], mode: Mode) -> Deferred[Change[R]]:
        """Take many records at once, all or none; see L{Table.import_}."""
        return self._table.import_(records, mode)

    def subscribe(self, follower: Follower[R]) -> None:
        """Call C{follower} with each change of the table, in order, once it is durable and in force."""
        self._table.subscribe(follower)

    def unsubscribe(self, follower: Follower[R]) -> None:
        """Call it no more."""
        self._table.unsubscribe(follower)

    def page(self, after: str, limit: int) -> "Deferred[tuple[list[R], str | None]]":
        """Give up to C{limit} records, those of the configuration first, each kind in its order.

        @param after: where the page before ended, empty for the first
        @return: fires with them and with where the page ends, None where nothing follows
        @raise ValueError: C{after} is no end of a page
        @raise StoreError: in the Deferred
        """
        place = _read_place(after)
        if isinstance(place, int) and place < len(self.static):
            end = place + limit
            return succeed((list(self.static[place:end]), str(end) if end < len(self.static) else _FIRST_STORED))
        key = () if isinstance(place, int) else place
        if len(key) not in (0, self._table.form.layout.keys):
            raise ValueError(after)
        return self._table.page(key, limit).addCallback(lambda found: (found, _end(found, limit)))


def _read_place(after: str) -> int | Key:
    """Read where a page ended: a number in the configuration, or the key of a stored record.

    @raise ValueError: it is neither
    """
    if not after.startswith("["):
        if after and not (after.isascii() and after.isdigit()):
            raise ValueError(after)
        return int(after or "0")
    try:
        key = tuple(json.loads(after))
    except RecursionError:
        raise ValueError(after) from None
    if not all(type(part) in (str, int) for part in key):
        raise ValueError(after)
    return key


def _end(found: Sequence[R], limit: int) -> str | None:
    return json.dumps(found[-1].key) if len(found) == limit else None
