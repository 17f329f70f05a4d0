"""What the file of a simulated NAM says: where it listens, and its tables of answers."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sipproxy.config import (
    Directive,
    Module,
    Problem,
    Settings,
    WrongValueError,
    address_port,
    milliseconds,
    on_off,
    path,
    repeated,
    text,
    words,
)
from sipproxy.dialplan import Pattern, fill, parse_pattern
from sipproxy.translation.gktmp_settings import read_tag_table
from sipproxy.wire.gktmp import GktmpError
from sipproxy.wire.gktmp_tags import ANSWERS, Address, Location, Value, read_address

#: The number services, in the order in which a question that names none is looked up.
SERVICES = ("800", "900", "LNP", "LCR")
#: What can be wrong with an answer: none at all; the connection closed before it or in its middle; octets that are no
#: text; the Transaction-Id of no question; a second one behind it; an endless line; a wrong Content-Length.
FAULTS = ("silent", "close", "half", "garbage", "wrong-id", "twice", "long-line", "wrong-length")
_LONGEST_MS = 3_600_000


class Row(NamedTuple):
    """An entry of a table.

    @ivar location: the answer; dots in its numbers are the last digits of the number asked about
    @ivar delay: seconds until it is given
    @ivar patience: seconds that a RIP asks for first, 0 for no RIP
    @ivar fault: one of L{FAULTS}, or empty
    """

    service: str
    pattern: Pattern
    location: Location
    delay: float = 0.0
    patience: float = 0.0
    fault: str = ""

    def located(self, number: str) -> Location:
        """Give the answer about a number."""
        destinations = tuple(
            Value(value.kind, _filled(value.text, number)) if value.kind == "E" else value
            for value in self.location.destinations
        )
        return self.location._replace(destinations=destinations)


def _filled(template: str, number: str) -> str:
    try:
        return fill(template, number)
    except ValueError:
        return number  # an open pattern took a number too short for the template


_EXPECTED = "a service, a pattern, LCF, LRQ or LRJ, and options"
_SYNTAX = "service pattern LCF|LRQ|LRJ [option=value] ..."
_OPTIONS = "number=, name=, mail=, host=, reason=, delay=, patience= or fault=, each once"


def parse_row(given: Sequence[str]) -> Row:
    """Read the words of an Answer.

    @raise WrongValueError: they are none
    """
    if len(given) < 3:
        raise WrongValueError(_EXPECTED, len(given))
    service, name = given[0].upper(), given[2].upper()
    if service not in SERVICES:
        raise WrongValueError(" or ".join(SERVICES), 0)
    try:
        pattern = parse_pattern(given[1])
    except ValueError as error:
        raise WrongValueError(str(error), 1) from None
    if name not in ANSWERS:
        raise WrongValueError(" or ".join(ANSWERS), 2)
    options: dict[str, Any] = {}
    for index, word in enumerate(given[3:], 3):
        key, _, value = word.partition("=")
        key = key.lower()
        if key not in _READERS or key in options:
            raise WrongValueError(_OPTIONS, index)
        try:
            options[key] = _READERS[key](value)
        except ValueError as error:
            raise WrongValueError(str(error), index) from None
    destinations = (*options.get("number", ()), *options.get("name", ()), *options.get("mail", ()))
    location = Location(name, destinations, options.get("host", ()), options.get("reason", ""))
    return Row(
        service, pattern, location, options.get("delay", 0.0), options.get("patience", 0.0), options.get("fault", "")
    )


def _numbers(value: str) -> tuple[Value, ...]:
    numbers = value.split(",")
    if not all(number and not number.strip("+0123456789#*.") for number in numbers):
        raise ValueError("numbers, with dots for the last digits of the one asked about")
    return tuple(Value("E", number) for number in numbers)


def _hosts(value: str) -> tuple[Address, ...]:
    try:
        return tuple(map(read_address, value.split(",")))
    except GktmpError:
        raise ValueError("hosts, each perhaps with a port") from None


def _reason(value: str) -> str:
    if not value.isprintable():
        raise ValueError("text without control characters")
    return value


def _fault(value: str) -> str:
    if value.lower() not in FAULTS:
        raise ValueError(" or ".join(FAULTS))
    return value.lower()


_MILLISECONDS = milliseconds(maximum=_LONGEST_MS)
_READERS: dict[str, Any] = {
    "number": _numbers,
    "name": lambda value: tuple(Value("H", _reason(name)) for name in value.split(",")),
    "mail": lambda value: tuple(Value("M", _reason(name)) for name in value.split(",")),
    "host": _hosts,
    "reason": _reason,
    "delay": lambda value: _MILLISECONDS.parse((value,)),
    "patience": lambda value: _MILLISECONDS.parse((value,)),
    "fault": _fault,
}

LISTEN = Directive("Listen", address_port(minimum=0), ("127.0.0.1", 1751), "Where it listens; port 0: any free one.")
IDENTITY = Directive("Identity", text(), "NAM-1", "What it is called in its messages.")
TAG_TABLE: Directive[Path | None] = Directive(
    "TagTable", path(), None, "A file of tags, as GKTMPTagTable of sipd.conf has it."
)
DELAY = Directive("DelayInMs", milliseconds(maximum=_LONGEST_MS), 0.0, "How long every answer waits beyond its own.")
READING = Directive("Reading", on_off(), True, "Off: it accepts connections and never reads from them.")
SPEAKING = Directive("Speaking", on_off(), True, "Off: it reads and never says anything.")
ANSWER: Directive[tuple[Row, ...]] = Directive(
    "Answer",
    repeated(words(parse_row, _EXPECTED, _SYNTAX)),
    (),
    f"What is answered about numbers; the most specific pattern of a service counts. Options: {_OPTIONS}. "
    f"Lists have commas. Faults: {', '.join(FAULTS)}.",
)


def _check(settings: Settings) -> Iterable[Problem]:
    try:
        read_tag_table(settings[TAG_TABLE])
    except GktmpError as error:
        yield settings.error(TAG_TABLE, f"a table of tags ({error})")


#: What the file of a simulated NAM may say.
MODULE = Module("sipproxy_nam.c", (LISTEN, IDENTITY, TAG_TABLE, DELAY, READING, SPEAKING, ANSWER), check=_check)
