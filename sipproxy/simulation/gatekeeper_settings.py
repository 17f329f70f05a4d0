"""What the file of a simulated gatekeeper says: where it listens, its zones, and its tables of answers."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sipproxy.config import (
    Directive,
    Module,
    WrongValueError,
    address_port,
    milliseconds,
    repeated,
    text,
    whole,
    words,
)
from sipproxy.dialplan import Pattern, fill, parse_pattern
from sipproxy.interfaces import Address
from sipproxy.wire.h225.locations import REASONS

ANSWERS = ("LCF", "LRJ")
#: What can be wrong with an answer: none at all; octets that are no message; the number of no question; a second one
#: behind it; one that comes from another port; an LCF that names no address.
FAULTS = ("silent", "garbage", "wrong-seq", "twice", "other-port", "nowhere")
_LONGEST_MS = 60_000
_SYNTAX = "pattern LCF|LRJ [option=value] ..."
_OPTIONS = "host=, alternate=, number=, name=, prefix=, reason=, delay=, patience= or fault=, each once"
_EXPECTED = "a pattern, LCF or LRJ, and options"


class Backup(NamedTuple):
    """An alternate endpoint.

    @ivar priority: 0 to 127, None for none
    """

    address: Address
    priority: int | None


class Row(NamedTuple):
    """An entry of the table.

    @ivar answer: one of L{ANSWERS}
    @ivar host: where calls go
    @ivar alternates: where else they may go
    @ivar number: what replaces the number, empty to leave it; dots are the last digits of the number asked about
    @ivar name: h323-ID that the LCF has beside its number, empty for none
    @ivar prefixes: technology prefixes of the gateway
    @ivar reason: of an LRJ
    @ivar delay: seconds until the answer is given
    @ivar patience: seconds that a RIP asks for first, 0 for no RIP
    @ivar fault: one of L{FAULTS}, or empty
    """

    pattern: Pattern
    answer: str
    host: Address = ("127.0.0.1", 1720)
    alternates: tuple[Backup, ...] = ()
    number: str = ""
    name: str = ""
    prefixes: tuple[str, ...] = ()
    reason: str = "undefinedReason"
    delay: float = 0.0
    patience: float = 0.0
    fault: str = ""

    def replaced(self, number: str) -> str:
        """Give what a number becomes, empty where it stays."""
        try:
            return fill(self.number, number)
        except ValueError:
            return ""  # an open pattern took a number too short for the template


class Zone(NamedTuple):
    """Numbers that another gatekeeper knows; questions about them are passed on to it."""

    pattern: Pattern
    gatekeeper: Address


def parse_row(given: Sequence[str]) -> Row:
    """Read the words of an Answer.

    @raise WrongValueError: they are none
    """
    if len(given) < 2:
        raise WrongValueError(_EXPECTED, len(given))
    pattern, answer = _pattern(given[0]), given[1].upper()
    if answer not in ANSWERS:
        raise WrongValueError(" or ".join(ANSWERS), 1)
    options: dict[str, Any] = {}
    for index, word in enumerate(given[2:], 2):
        key, _, value = word.partition("=")
        name = _NAMES.get(key.lower(), key.lower())
        if name not in _READERS or name in options:
            raise WrongValueError(_OPTIONS, index)
        try:
            options[name] = _READERS[name](value)
        except ValueError as error:
            raise WrongValueError(str(error), index) from None
    return Row(pattern, answer, **options)


def parse_zone(given: Sequence[str]) -> Zone:
    """Read the words of a Zone.

    @raise WrongValueError: they are none
    """
    if len(given) != 2:
        raise WrongValueError("a pattern, and a literal address and port", min(len(given), 2))
    try:
        return Zone(_pattern(given[0]), _address(given[1]))
    except WrongValueError:
        raise
    except ValueError as error:
        raise WrongValueError(str(error), 1) from None


def _pattern(word: str) -> Pattern:
    try:
        return parse_pattern(word)
    except ValueError as error:
        raise WrongValueError(str(error), 0) from None


def _address(word: str) -> Address:
    host, port = address_port().parse((word,))
    if not (":" in host or host.rpartition(".")[2].isdigit()):
        raise ValueError("a literal address and a port")
    return host, port


def _alternates(value: str) -> tuple[Backup, ...]:
    return tuple(map(_alternate, value.split(",")))


def _alternate(word: str) -> Backup:
    place, slash, priority = word.partition("/")
    return Backup(_address(place), whole(0, 127).parse((priority,)) if slash else None)


def _number(value: str) -> str:
    if not value or value.strip("0123456789#*."):
        raise ValueError("a number, with dots for the last digits of the one asked about")
    return value


def _prefixes(value: str) -> tuple[str, ...]:
    return tuple(map(_number, value.split(",")))


def _one_of(values: Sequence[str]) -> Callable[[str], str]:
    spelling = {value.lower(): value for value in values}

    def read(value: str) -> str:
        if value.lower() not in spelling:
            raise ValueError(f"one of {', '.join(values)}")
        return spelling[value.lower()]

    return read


def _milliseconds(value: str) -> float:
    return milliseconds(maximum=_LONGEST_MS).parse((value,))


_NAMES = {"alternate": "alternates", "prefix": "prefixes"}
_READERS: dict[str, Callable[[str], Any]] = {
    "host": _address,
    "alternates": _alternates,
    "number": _number,
    "name": lambda value: text().parse((value,)),
    "prefixes": _prefixes,
    "reason": _one_of(REASONS),
    "delay": _milliseconds,
    "patience": _milliseconds,
    "fault": _one_of(FAULTS),
}

LISTEN = Directive("Listen", address_port(minimum=0), ("127.0.0.1", 1719), "Where it listens; port 0: any free one.")
ANSWER: Directive[tuple[Row, ...]] = Directive(
    "Answer",
    repeated(words(parse_row, _EXPECTED, _SYNTAX)),
    (),
    f"What is answered about numbers, technology prefixes among their digits; the most specific pattern counts. "
    f"Options: {_OPTIONS}. Lists have commas, an alternate may have a priority behind a slash. "
    f"Reasons: {', '.join(REASONS)}. Faults: {', '.join(FAULTS)}.",
)
ZONE: Directive[tuple[Zone, ...]] = Directive(
    "Zone",
    repeated(words(parse_zone, "a pattern, and a literal address and port", "pattern address:port")),
    (),
    "Numbers that another gatekeeper knows: questions about them that no Answer is for go on to it, and it answers.",
)
DELAY = Directive("DelayInMs", milliseconds(maximum=_LONGEST_MS), 0.0, "How long every answer waits beyond its own.")
LOSS = Directive("LossInPercent", whole(maximum=100), 0, "The share of questions that it pretends not to have got.")

#: What the file of a simulated gatekeeper may say.
MODULE = Module("sipproxy_gatekeeper.c", (LISTEN, ANSWER, ZONE, DELAY, LOSS))
