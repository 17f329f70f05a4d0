"""The registry of a worker: what the owner has, in memory; changed by the owner, who stores it.

A change goes to the owner together with what it was made from. Where another
worker was quicker the owner merges the two (L{sipproxy.farm.merge}), and since
it alone decides nothing has to be tried again. It answers once the change is
durable, and after all workers were told of it. What runs out is hidden here at
once, and removed by the owner.
"""

from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from sipproxy.databases.commit import Entry
from sipproxy.databases.feed import Change
from sipproxy.databases.registry import AsInterface, Registry
from sipproxy.databases.registry_sqlite import from_json, to_json
from sipproxy.databases.registry_store import MemoryStore, Row
from sipproxy.errors import StoreError, UnavailableError
from sipproxy.farm.merge import merge
from sipproxy.registrar.bindings import Bindings
from sipproxy.workers.channel import Ask

#: Addresses of record that are asked for at once.
PAGE = 1000


class WorkerRegistry(Registry):
    """A registry that is a copy of the owner's."""

    def __init__(self, ask: Ask, clock: IReactorTime, now: Callable[[], float]) -> None:
        """
        @param ask: asks the owner
        @param now: gives the time in seconds since 1970
        """
        super().__init__(MemoryStore(), clock, now)
        self._ask = ask
        # Those that the owner has told of since it was asked for all, None while it is not.
        self._told: set[bytes] | None = None

    def start(self) -> Deferred[None]:
        """Read what the owner has.

        @return: fires with None once all is in memory
        @raise StoreError: in the Deferred: it cannot be read now; it is tried again until it can
        """
        return Deferred.fromCoroutine(self._read()).addCallbacks(self._loaded, self._not_loaded)

    async def _read(self) -> int:
        told = self._told = set()
        after, is_over = b"", False
        try:
            while not is_over:
                page = await self._ask("registrations", after=after.decode("latin-1"), limit=PAGE)
                rows = list(map(read_row, page))
                for aor, bindings in rows:
                    # What it has told of meanwhile may be later than the page.
                    if aor not in told and any(binding.expires > self._now() for binding in bindings):
                        self._replace(aor, bindings)
                is_over = len(rows) < PAGE
                after = rows[-1][0] if rows else after
        finally:
            self._told = None
        return self.revision

    def apply(self, revision: int, aor: str, bindings: str) -> None:
        """Take a change that the owner tells of."""
        key, value = aor.encode("latin-1"), from_json(bindings)
        if self._told is not None:
            self._told.add(key)
        self._replace(key, value)
        self._feed.publish(Change(revision, key, value))

    def store(self, aor: bytes, bindings: AsInterface) -> Deferred[None]:
        """Have the bindings of an address of record replaced.

        @return: fires with None once the owner has stored it
        @raise UnavailableError: in the Deferred: it could not
        """
        if self._unread:
            return fail(UnavailableError(b"Registry Unavailable"))
        base = self._newest(aor)
        if aor not in self._pending and bindings == base:
            return succeed(None)
        entry = self._pending[aor] = Entry(aor, bindings)
        asked = self._ask("store", aor=aor.decode("latin-1"), base=to_json(base), value=to_json(bindings))
        asked.addCallbacks(self._stored, self._refused, (entry,), {}, (entry,))
        return entry.done

    def _stored(self, _: object, entry: Entry[Bindings]) -> None:
        self._settle(entry)
        entry.done.callback(None)

    def _refused(self, failure: Failure, entry: Entry[Bindings]) -> None:
        self._settle(entry)
        refused = failure.check(StoreError)  # type: ignore[no-untyped-call]
        entry.done.errback(failure if refused is None else UnavailableError(b"Registry Unavailable"))

    def _settle(self, entry: Entry[Bindings]) -> None:
        if self._pending.get(entry.key) is entry:
            del self._pending[entry.key]

    def page(self, after: bytes, limit: int) -> Deferred[list[Row]]:
        """Give up to C{limit} addresses of record behind C{after}, in the order of their octets, with bindings."""
        asked = self._ask("registrations", after=after.decode("latin-1"), limit=limit)
        return asked.addCallback(lambda page: list(map(read_row, page)))

    def _expire(self, aor: bytes, now: float) -> None:
        """Leave it to the owner, who will tell."""


class RegistryFeed:
    """The owner's side: answers what workers ask, and tells them of changes.

    @param tell: sends all workers a message
    """

    def __init__(self, registry: Registry, tell: Callable[..., None], clock: IReactorTime) -> None:
        self._registry = registry
        self._tell = tell
        self._clock = clock
        registry.subscribe(self._changed)

    @property
    def deeds(self) -> dict[str, Callable[..., Any]]:
        """What a worker may ask."""
        return {"registrations": self._page, "store": self._store}

    def _changed(self, change: Change) -> None:
        revision, aor, bindings = change
        self._tell("registration", revision=revision, aor=aor.decode("latin-1"), bindings=to_json(bindings))

    def _page(self, after: str, limit: int) -> "Deferred[list[list[str]]]":
        return self._registry.page(after.encode("latin-1"), limit).addCallback(_written)

    def _store(self, aor: str, base: str, value: str) -> "Deferred[None]":
        key = aor.encode("latin-1")
        # AsInterface is Bindings, but for what mypy knows.
        there: Bindings = self._registry.current(key, -inf)
        stored: Deferred[None] = self._registry.store(key, merge(from_json(base), from_json(value), there))
        return stored.addCallback(self._after_the_others)

    def _after_the_others(self, _: None) -> "Deferred[None]":
        """Let what all are told leave before the answer does: it goes in the next turn of the reactor, in any order."""
        return deferLater(self._clock, 0, _nothing)


def _nothing() -> None:
    """All is done."""


def _written(rows: Iterable[Row]) -> list[list[str]]:
    return [[aor.decode("latin-1"), to_json(bindings)] for aor, bindings in rows]


def read_row(row: list[str]) -> Row:
    """Read a row of a page."""
    aor, bindings = row
    return aor.encode("latin-1"), from_json(bindings)
