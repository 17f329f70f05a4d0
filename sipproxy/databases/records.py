"""What the records of a table have in common, and an index of them; no code.

See L{sipproxy.databases.table}.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Generic, Literal, NamedTuple, Protocol, Self, TypeVar

#: A record as it is kept: texts and whole numbers, those of its key first.
Row = tuple[str | int, ...]
Key = tuple[str | int, ...]
#: What becomes of the records that are there when others are imported.
Mode = Literal["add", "replace"]


class Record(Protocol):
    """An entry of a table, immutable."""

    @property
    def key(self) -> Key:
        """What it is told from others by."""

    @property
    def row(self) -> Row:
        """All of it, beginning with the key."""


R = TypeVar("R", bound=Record)


class Index(Protocol[R]):
    """All records of a table, as calls look for them."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[R]:
        """Give all, in any order."""

    def update(self, records: Iterable[R]) -> None:
        """Take records, each in place of the one with its key; it is fastest in the order of their keys."""

    def discard(self, records: Iterable[R]) -> None:
        """Forget records by their keys."""

    def get(self, record: R) -> R | None:
        """Give the record that is there with the key of another."""

    def copy(self) -> Self:
        """Give another index of the same records, to be changed by itself."""


I = TypeVar("I", bound=Index[Any])  # noqa: E741 - I for index, as R for record


class Change(NamedTuple, Generic[R]):
    """What has changed, durably.

    @ivar deleted: the records that are gone, as they were; none that were replaced by others with the same key
    @ivar stored: the records that are new, or other than they were
    """

    deleted: tuple[R, ...]
    stored: tuple[R, ...]
