"""Subscribers in memory: for tests, and for who embeds the server and has them elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import nsmallest

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from sipproxy.databases.subscribers import ISubscriberStore
from sipproxy.databases.subscribers_fields import ExistsError, MissingError, RefusedError, Subscriber, check_all


@implementer(ISubscriberStore)
class MemoryStore:
    """Keeps subscribers as long as it lives; every Deferred that it gives has fired."""

    def __init__(self, subscribers: Iterable[Subscriber] = ()) -> None:
        """Begin with some subscribers, as they are."""
        self._rows = {subscriber.key: subscriber for subscriber in subscribers}

    def open(self) -> Deferred[None]:
        """Nothing is to be opened."""
        return succeed(None)

    def find(self, keys: Sequence[str]) -> Deferred[Mapping[str, Subscriber]]:
        """Give those that there are."""
        return succeed({key: self._rows[key] for key in keys if key in self._rows})

    def page(self, after: str, limit: int) -> Deferred[list[Subscriber]]:
        """Look through all for the next few."""
        keys = nsmallest(limit, (key for key in self._rows if key > after))
        return succeed([self._rows[key] for key in keys])

    def add(self, subscribers: Sequence[Subscriber], overwrite: bool, now: float) -> Deferred[int]:
        """Take all, or none."""
        try:
            check_all(subscribers)
        except RefusedError as error:
            return fail(error)
        there = next((each.key for each in subscribers if each.key in self._rows), None)
        if there is not None and not overwrite:
            return fail(ExistsError(f"there is a subscriber {there} already"))
        for each in subscribers:
            self._rows[each.key] = replace(each, created=each.created or now, updated=each.updated or now)
        return succeed(len(subscribers))

    def change(self, key: str, changes: Mapping[str, object]) -> Deferred[Subscriber]:
        """Change it at once."""
        if key not in self._rows:
            return fail(MissingError(f"no subscriber {key}"))
        changed = self._rows[key] = replace(self._rows[key], **changes)  # type: ignore[arg-type]
        return succeed(changed)

    def delete(self, key: str) -> Deferred[None]:
        """Delete it at once."""
        if self._rows.pop(key, None) is None:
            return fail(MissingError(f"no subscriber {key}"))
        return succeed(None)

    def close(self) -> Deferred[None]:
        """Nothing is held."""
        return succeed(None)
