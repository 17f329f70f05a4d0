"""C{/v1/routes/import} and the like: many records that come in pieces and are taken at once, all or none.

A piece is some rows in CSV (RFC 4180), so that it fits into a request. The first
one begins an import and gets its number; PUT takes what has come; DELETE, a
wrong row, or a pause of some length gives it up. Until PUT nothing changes.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Generic

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.schema import COUNT, an_object
from sipproxy.databases.fields import WrongFieldError
from sipproxy.databases.records import Change, Key, Mode, R

#: Characters of the rows of one piece: as JSON may need twelve octets for each, the request then fits into what the
#: control socket takes.
MOST_TEXT = 80_000
#: Rows of all imports that are on their way.
MOST_ROWS = 500_000
#: Imports that are on their way.
MOST_IMPORTS = 10
#: How long an import may wait for its next piece, seconds.
PAUSE = 60.0

_NUMBER = Field("import", {"type": "integer", "minimum": 0}, "The number of the import.", True)
_REFUSALS = {404: "There is no such import.", 422: "A row is wrong, or there are too many; the import is given up."}


@dataclass
class _Import(Generic[R]):
    """An import on its way.

    @ivar records: what has come, by key, with the number of its row
    @ivar rows: how many rows have come
    @ivar end: gives it up
    """

    end: IDelayedCall
    records: dict[Key, tuple[int, R]] = field(default_factory=dict)
    rows: int = 0


class Imports(Generic[R]):
    """The imports of one table.

    @param path: of the table's resource
    @param columns: what a row holds, in this order
    @param read: gives the record of a row, or raises L{WrongFieldError}
    @param store: takes all at once, or none
    """

    def __init__(
        self,
        path: str,
        columns: Sequence[str],
        read: Callable[[dict[str, str]], R],
        store: Callable[[Sequence[R], Mode], Deferred[Change[R]]],
        clock: IReactorTime,
    ) -> None:
        self._path = path
        self._columns = columns
        self._read = read
        self._store = store
        self._clock = clock
        self._imports: dict[int, _Import[R]] = {}
        # Numbers of another run of the server mean nothing to this one.
        self._last = int(clock.seconds() * 1000)

    def resource(self) -> Resource:
        """Give the resource."""
        rows = Field(
            "rows",
            {"type": "string", "maxLength": MOST_TEXT},
            f"Rows in CSV without a header: {', '.join(self._columns)}; what is empty has its default.",
            True,
        )
        mode = Field(
            "mode",
            {"type": "string", "enum": ["add", "replace"]},
            "Whether the rows are added, in place of those that are the same, or are to be all that there are.",
            True,
        )
        begun = Field("import", _NUMBER.schema, "The import that this belongs to; without one, it begins.")
        unknown = {404: _REFUSALS[404]}
        answer = an_object(**{"import": COUNT, "rows": COUNT})
        return Resource(
            f"{self._path}/import",
            (
                Operation(
                    "POST", "Give a piece of an import.", self.take, answer, body=(rows, begun), refusals=_REFUSALS
                ),
                Operation(
                    "PUT",
                    "Take all that an import has brought.",
                    self.commit,
                    an_object(stored=COUNT, deleted=COUNT),
                    body=(_NUMBER, mode),
                    refusals=unknown,
                ),
                Operation(
                    "DELETE",
                    "Give an import up.",
                    self.give_up,
                    answer,
                    query=(_NUMBER,),
                    refusals=unknown,
                ),
            ),
        )

    def take(self, arguments: Arguments) -> Json:
        """Take a piece.

        @raise ControlError: there is no such import, a row is wrong, or there are too many
        """
        number = arguments.get("import")
        if number is None:
            number = self._begin()
        found = self._found(number)
        found.end.reset(PAUSE)
        try:
            for cells in csv.reader(StringIO(arguments["rows"], newline=""), strict=True):
                self._take_row(found, cells)
        except csv.Error as error:
            self._end(number)
            raise ControlError(422, f"row {found.rows + 1}: no CSV: {error}") from None
        except ControlError:
            self._end(number)
            raise
        return {"import": number, "rows": found.rows}

    def _begin(self) -> int:
        if len(self._imports) >= MOST_IMPORTS:
            raise ControlError(422, f"{MOST_IMPORTS} imports are on their way already")
        self._last += 1
        number = self._last
        self._imports[number] = _Import(self._clock.callLater(PAUSE, self._forget, number))
        return number

    def _take_row(self, found: _Import[R], cells: Sequence[str]) -> None:
        found.rows += 1
        if sum(other.rows for other in self._imports.values()) > MOST_ROWS:
            raise ControlError(422, f"more than {MOST_ROWS} rows")
        if len(cells) != len(self._columns):
            raise ControlError(422, f"row {found.rows}: expected {len(self._columns)} columns, got {len(cells)}")
        try:
            record = self._read(dict(zip(self._columns, cells, strict=True)))
        except WrongFieldError as wrong:
            raise ControlError(422, f"row {found.rows}: {wrong}") from None
        if record.key in found.records:
            raise ControlError(422, f"row {found.rows}: the same as row {found.records[record.key][0]}")
        found.records[record.key] = found.rows, record

    def commit(self, arguments: Arguments) -> Deferred[Json]:
        """Take all that an import has brought.

        @raise ControlError: there is no such import
        """
        found = self._end(arguments["import"])
        records = [record for _, record in found.records.values()]
        return self._store(records, arguments["mode"]).addCallback(_counts)

    def give_up(self, arguments: Arguments) -> Json:
        """Give an import up.

        @raise ControlError: there is no such import
        """
        number = arguments["import"]
        return {"import": number, "rows": self._end(number).rows}

    def _found(self, number: int) -> _Import[R]:
        if number not in self._imports:
            raise ControlError(404, f"there is no import {number}; it may have waited for longer than {PAUSE:.0f} s")
        return self._imports[number]

    def _end(self, number: int) -> _Import[R]:
        found = self._found(number)
        found.end.cancel()
        del self._imports[number]
        return found

    def _forget(self, number: int) -> None:
        del self._imports[number]


def _counts(change: Change[R]) -> Json:
    return {"stored": len(change.stored), "deleted": len(change.deleted)}
