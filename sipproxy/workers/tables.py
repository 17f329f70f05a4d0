"""The tables of a worker: routes and number services as the owner has them, in memory.

Only the owner changes them, as its operator wishes, and tells the workers: of a
few rows what they are, of many only that they are others, whereupon each worker
reads the table anew.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.databases.records import Change, I, Key, R, Row
from sipproxy.databases.table import Form, IRowStore, Plan, Step, T, Table
from sipproxy.errors import StoreError
from sipproxy.workers.channel import Ask

log = Logger(namespace="mod_sip_routing")

#: Rows that are asked for at once, and most rows that the owner tells of.
PAGE = 1000


@implementer(IRowStore)
class OwnerRows:
    """The rows that the owner has.

    @param name: of the table
    @param ask: asks the owner
    @param keys: how many fields of a row are its key
    """

    def __init__(self, name: str, ask: Ask, keys: int) -> None:
        self._name = name
        self._ask = ask
        self._keys = keys

    def load(self, build: Callable[[Iterable[Row]], T]) -> Deferred[T]:
        """Read all, page by page."""
        return Deferred.fromCoroutine(self._all()).addCallback(build)

    async def _all(self) -> list[Row]:
        rows: list[Row] = []
        after: Key = ()
        while True:
            page = await self.page(after, PAGE)
            rows += page
            if len(page) < PAGE:
                return rows
            after = page[-1][: self._keys]

    def change(self, plan: Callable[[], Plan[T]]) -> Deferred[T]:
        """Do nothing more: what changes here has been stored by the owner."""
        return succeed(plan().result)

    def page(self, after: Key, limit: int) -> Deferred[list[Row]]:
        """Ask for the next few."""
        asked = self._ask("rows", table=self._name, after=list(after), limit=limit)
        return asked.addCallback(lambda rows: list(map(tuple, rows)))

    def close(self) -> Deferred[None]:
        """Nothing is held."""
        return succeed(None)


class WorkerTable(Table[R, I]):
    """A table that is a copy of the owner's."""

    def __init__(self, name: str, form: Form[R, I], ask: Ask, clock: IReactorTime) -> None:
        super().__init__(form, OwnerRows(name, ask, form.layout.keys), clock)
        self._is_reading = False
        self._is_other = False

    def start(self) -> Deferred[None]:
        """Read what the owner has.

        @return: fires with None once all is in memory
        @raise StoreError: in the Deferred: it cannot be read now; it is tried again until it can
        """
        self._is_reading, self._is_other = True, False
        return Deferred.fromCoroutine(self._read())

    async def _read(self) -> None:
        try:
            await super().start()
        finally:
            self._is_reading = False
        if self._is_other:
            # What was changed meanwhile may be in what was read, or not.
            await self.start()

    def apply(self, deleted: Sequence[Sequence[Any]], stored: Sequence[Sequence[Any]]) -> None:
        """Take a change that the owner tells of, as rows."""
        if self._is_reading or self.is_unread:
            self._is_other = True
            return
        read = self.form.read
        change = Change(tuple(read(tuple(row)) for row in deleted), tuple(read(tuple(row)) for row in stored))
        self._change(lambda: Step(change, None)).addErrback(_not_applied)

    def read_anew(self) -> None:
        """Take it that much has changed."""
        if self._is_reading or self.is_unread:
            self._is_other = True
            return
        self.start().addErrback(_leave)


class TableFeed:
    """The owner's side: answers what workers ask, and tells them of changes.

    @param tables: by name
    @param tell: sends all workers a message
    """

    def __init__(self, tables: "dict[str, Table[Any, Any]]", tell: Callable[..., None]) -> None:
        self._tables = tables
        self._tell = tell
        for name, table in tables.items():
            table.subscribe(self._follower(name))

    @property
    def deeds(self) -> dict[str, Callable[..., Any]]:
        """What a worker may ask."""
        return {"rows": self._page}

    def _follower(self, name: str) -> Callable[[Change[Any]], None]:
        def changed(change: Change[Any]) -> None:
            if len(change.deleted) + len(change.stored) > PAGE:
                self._tell("table", table=name)
            else:
                deleted, stored = ([record.row for record in records] for records in change)
                self._tell("table", table=name, deleted=deleted, stored=stored)

        return changed

    def _page(self, table: str, after: list[Any], limit: int) -> "Deferred[list[Row]]":
        found = self._tables[table].page(tuple(after), limit)
        return found.addCallback(lambda records: [record.row for record in records])


def _not_applied(failure: Failure) -> None:
    log.failure("a change of a table that the owner has told of could not be made", failure)


def _leave(failure: Failure) -> None:
    """It is tried again."""
    failure.trap(StoreError)  # type: ignore[no-untyped-call]
