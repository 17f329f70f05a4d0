"""Number services: which dialled patterns ask which service of a NAM, of the configuration and of the database.

Who is asked, and what becomes of the answer, is the GKTMP translator's business
(mod_sip_gktmp.c). While the database cannot be read its numbers ask nobody: a
call whose number no NAM has translated goes on as it was dialled.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sipproxy.config import Directive, Settings, WrongValueError, one_of, path, repeated, words
from sipproxy.databases.configured import Configured
from sipproxy.databases.fields import WrongFieldError, read_field
from sipproxy.databases.grouped import Grouped
from sipproxy.databases.records import Change, Key, Row
from sipproxy.databases.routes import NUMBER_PATTERN
from sipproxy.databases.table import Form, IRowStore, Layout, Table
from sipproxy.dialplan import PatternMap

Origin = Literal["configuration", "database"]

#: The services, in the order in which those of one pattern are asked: who takes a ported number must be known before
#: the cheapest way there is.
SERVICES = ("800", "900", "LNP", "LCR")
SERVICE = one_of(*SERVICES)

#: The fields of a number service, in the order of their columns; all must be there.
FIELDS = ("pattern", "service")

LAYOUT = Layout(
    "number-services database",
    "numbers",
    (("pattern", "TEXT"), ("service", "TEXT")),
    2,
    0x53504E53,  # "SPNS"
)


@dataclass(frozen=True, slots=True)
class NumberService:
    """A service for a pattern of numbers.

    @ivar pattern: the numbers
    @ivar service: one of L{SERVICES}
    @ivar origin: C{configuration}, or C{database}
    """

    pattern: str
    service: str
    origin: Origin = "database"

    @property
    def key(self) -> Key:
        """What it is told from others by: all that it says."""
        return self.pattern, self.service

    @property
    def row(self) -> Row:
        """The same."""
        return self.key


def read_number(texts: Mapping[str, str], origin: Origin = "database") -> NumberService:
    """Read a number service.

    @param texts: by the names of L{FIELDS}
    @raise WrongFieldError: a field is wrong, or missing
    """
    return _read_words([texts.get(name, "") for name in FIELDS], origin)


def _read_words(given: Sequence[str], origin: Origin) -> NumberService:
    pattern, service = given
    return NumberService(
        read_field("pattern", NUMBER_PATTERN, pattern), read_field("service", SERVICE, service), origin
    )


def _parse(given: Sequence[str]) -> NumberService:
    """Read the words of a NumberService.

    @raise WrongValueError: a word is not what it should be
    """
    if len(given) != len(FIELDS):
        expected = f"a service: {SERVICE.expected}" if len(given) < len(FIELDS) else "end of line"
        raise WrongValueError(expected, min(len(given), len(FIELDS)))
    try:
        return _read_words(given, "configuration")
    except WrongFieldError as wrong:
        raise WrongValueError(wrong.expected, FIELDS.index(wrong.field)) from None


NUMBER_SERVICE: Directive[tuple[NumberService, ...]] = Directive(
    "NumberService",
    repeated(
        words(
            _parse,
            "a pattern and a service, such as 1800....... 800",
            f"pattern {'|'.join(SERVICES)}",
            lambda number: " ".join(number.row),
        )
    ),
    (),
    "Numbers that match the pattern are asked of a NAM as calls for the service.",
)
NUMBERS_DATABASE: Directive[Path | str] = Directive(
    "NumbersDatabase",
    path(keywords=("memory",)),
    Path("data/numbers.db"),
    "The SQLite file that keeps the number services that sipproxyctl adds, or memory: then none survives a restart.",
)


def _from_row(row: Row) -> NumberService:
    """Give the number service of a stored row.

    @raise ValueError: it is none, or written otherwise than we do
    """
    number = _read_words(list(map(str, row)), "database")
    if number.row != row:
        raise ValueError(row)
    return number


def _order(number: NumberService) -> int:
    return SERVICES.index(number.service)


class NumberIndex(Grouped[NumberService]):
    """Number services by pattern."""

    def __init__(self) -> None:
        super().__init__(PatternMap[tuple[NumberService, ...]](), _order)


NumbersTable = Table[NumberService, Grouped[NumberService]]

FORM: Form[NumberService, Grouped[NumberService]] = Form(LAYOUT, "mod_sip_gktmp", NumberIndex, _from_row)


def numbers_table(store: IRowStore, clock: IReactorTime) -> NumbersTable:
    """Make the number-services database over a store.

    @param clock: measures delays, and gives the time in seconds since 1970
    """
    return Table(FORM, store, clock)


def static_numbers(settings: Settings) -> tuple[NumberService, ...]:
    """Give the number services of a configuration."""
    return settings[NUMBER_SERVICE]


class Numbers(Configured[NumberService, Grouped[NumberService]]):
    """The number services of one generation of the configuration, and those of the database."""

    def service(self, number: str) -> list[str]:
        """Give the services of the most specific pattern that matches a number, in the order of asking; none: empty.

        @param number: expanded, without visual separators, with its plus where it has one
        """
        found = self.configured.over(self._table.index, number)
        return [record.service for record in found] if found else []

    def matches(self, number: str) -> Iterator[tuple[str, Sequence[NumberService]]]:
        """Give each pattern that matches a number, most specific first, with its services in the order of asking."""
        return self.configured.all_over(self._table.index, number)

    def delete(self, pattern: str) -> Deferred[Change[NumberService]]:
        """Delete the services of a pattern from the database.

        @return: fires with the change, an empty one where there are none, once it is durable and in force
        @raise StoreError: in the Deferred: nothing has changed
        """
        return self._table.delete(lambda index: index.of(pattern))

    def is_configured(self, pattern: str) -> bool:
        """Tell whether the configuration has services of a pattern."""
        return bool(self.configured.of(pattern))
