"""Records by pattern: those with the same one stand together, and the most specific that matches is found."""

from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Generic, Protocol, Self, TypeVar

from sipproxy.databases.records import Key

T = TypeVar("T")


class Patterned(Protocol):
    """A record of a table that has a pattern."""

    @property
    def key(self) -> Key:
        """What it is told from others by."""

    @property
    def pattern(self) -> str:
        """What it is found by."""


R = TypeVar("R", bound=Patterned)


class Matcher(Protocol[T]):
    """One value for each pattern: L{sipproxy.dialplan.PatternMap} or L{sipproxy.databases.domains.DomainMap}."""

    def __len__(self) -> int: ...
    def get(self, text: str) -> T | None: ...
    def set(self, text: str, value: T) -> None: ...
    def remove(self, text: str) -> None: ...
    def values(self) -> Iterable[T]: ...
    def copy(self) -> Self: ...
    def matches(self, number: str, /) -> Iterable[tuple[Any, str, T]]: ...
    def first(self, number: str, /) -> tuple[Any, str, T] | None: ...


class Grouped(Generic[R]):
    """Records by pattern.

    The records of a pattern are a tuple that is replaced, never changed: who
    holds one keeps what was true when it was found.

    @ivar by_pattern: them, in order
    """

    def __init__(self, by_pattern: Matcher[tuple[R, ...]], order: Callable[[R], Any]) -> None:
        """
        @param order: gives what the records of one pattern are sorted by
        """
        self.by_pattern = by_pattern
        self._order = order
        self._count = 0

    def __len__(self) -> int:
        """How many records there are."""
        return self._count

    def __iter__(self) -> Iterator[R]:
        """Give all records, those of a pattern together."""
        for records in self.by_pattern.values():
            yield from records

    def update(self, records: Iterable[R]) -> None:
        """Take records, each in place of the one with its key; it is fastest where those of a pattern come together."""
        for pattern, group in groupby(records, _pattern):
            known = self.by_pattern.get(pattern) or ()
            new = tuple(group)
            if known or len(new) > 1:
                by_key = {record.key: record for record in (*known, *new)}
                new = tuple(sorted(by_key.values(), key=self._order))
            self.by_pattern.set(pattern, new)
            self._count += len(new) - len(known)

    def discard(self, records: Iterable[R]) -> None:
        """Forget records by their keys."""
        for pattern, group in groupby(records, _pattern):
            known = self.by_pattern.get(pattern) or ()
            gone = {record.key for record in group}
            left = tuple(record for record in known if record.key not in gone)
            self._count += len(left) - len(known)
            if left:
                self.by_pattern.set(pattern, left)
            elif known:
                self.by_pattern.remove(pattern)

    def of(self, pattern: str) -> tuple[R, ...]:
        """Give the records of a pattern."""
        return self.by_pattern.get(pattern) or ()

    def get(self, record: R) -> R | None:
        """Give the record that is there with the key of another."""
        return next((other for other in self.of(record.pattern) if other.key == record.key), None)

    def copy(self) -> "Grouped[R]":
        """Give the same records, to be changed by themselves."""
        other = Grouped(self.by_pattern.copy(), self._order)
        other._count = self._count
        return other

    # Searching, with the records of the configuration laid over those of a table

    def over(self, stored: "Grouped[R]", text: str) -> tuple[R, ...]:
        """Give the records of the most specific pattern that matches a text, here or there; empty where none does.

        @param stored: the others; of two with the same key the one here counts
        """
        there = stored.by_pattern.first(text) if stored._count else None
        here = self.by_pattern.first(text) if self._count else None
        if here is None:
            return () if there is None else there[2]
        if there is None or here[0] < there[0]:
            return here[2]
        return there[2] if there[0] < here[0] else self._together(here[2], there[2])

    def all_over(self, stored: "Grouped[R]", text: str) -> Iterator[tuple[str, tuple[R, ...]]]:
        """Give each pattern that matches a text, here or there, with its records, most specific first."""
        found = merge(self.by_pattern.matches(text), stored.by_pattern.matches(text), key=_rank)
        for _, group in groupby(found, _rank):
            first, *others = group
            records = first[2]
            for _, _, more in others:
                records = self._together(records, more)
            yield first[1], records

    def _together(self, here: tuple[R, ...], there: tuple[R, ...]) -> tuple[R, ...]:
        keys = {record.key for record in here}
        return tuple(sorted((*here, *(record for record in there if record.key not in keys)), key=self._order))


_pattern = attrgetter("pattern")
_rank = itemgetter(0)
