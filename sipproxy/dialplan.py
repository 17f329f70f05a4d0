"""Patterns of telephone numbers, and tables of them (the dial plan). Pure.

A pattern is digits, C{+}, C{#} and C{*}, which stand for themselves, and dots,
each for any one digit. It matches numbers of exactly its length, unless it ends
in C{T}: then any further digits may follow. A leading plus of a number is set
aside: a pattern that begins with one matches only numbers given with it, any
other matches both.

The most specific pattern wins: one with a plus before one without, then more
literal characters, then the longer, then the one without C{T}.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

_PATTERN = re.compile(r"\+?[0-9#*.]*T?")
_NUMBER = re.compile(r"\+?[0-9#*]+")


class Pattern(NamedTuple):
    """A pattern, taken apart.

    @ivar text: as written
    @ivar symbols: its characters without a leading plus and a final T
    @ivar plus: whether it begins with a plus
    @ivar is_open: whether it ends in T
    """

    text: str
    symbols: str
    plus: bool
    is_open: bool

    @property
    def literals(self) -> int:
        """How many of its characters stand for themselves."""
        return len(self.symbols) - self.symbols.count(".")


def parse_pattern(text: str) -> Pattern:
    """Read a pattern.

    @raise ValueError: it is none; the text says what was expected
    """
    if not text.strip("+T") or not _PATTERN.fullmatch(text):
        raise ValueError("a pattern of digits, # and *, dots for any digit, perhaps a + before and a T behind")
    return Pattern(text, text.removeprefix("+").removesuffix("T"), text.startswith("+"), text.endswith("T"))


def is_number(text: str) -> bool:
    """Tell whether a text is a number as patterns match it: digits, # and *, perhaps a plus before."""
    return _NUMBER.fullmatch(text) is not None


def fill(template: str, number: str) -> str:
    """Fill the dots of an expansion or rewrite with the last digits of a number.

    @raise ValueError: the number has fewer characters than the template dots
    """
    dots = template.count(".")
    if not dots:
        return template
    kept = number.removeprefix("+")[-dots:]
    if len(kept) < dots:
        raise ValueError(f"{number} has too few digits for {template}")
    last = iter(kept)
    return "".join([next(last) if symbol == "." else symbol for symbol in template])


class _Mask(NamedTuple):
    """What patterns that are looked up alike have in common.

    @ivar places: where their literals are
    @ivar size: how many symbols they have
    """

    plus: bool
    places: tuple[int, ...]
    size: int
    is_open: bool

    @property
    def rank(self) -> tuple[bool, int, int, bool]:
        """Its place among the others, most specific first."""
        return not self.plus, -len(self.places), -self.size, self.is_open


class NumberTable(Generic[T]):
    """Values by pattern; all values of the most specific pattern that matches a number are found.

    Patterns whose literals are in the same places share one dictionary, so that
    a search costs a look into each of those (a dial plan has few), however many
    patterns there are.
    """

    def __init__(self, entries: Iterable[tuple[Pattern, T]]) -> None:
        groups: dict[_Mask, dict[str, list[T]]] = {}
        for pattern, value in entries:
            places = tuple(at for at, symbol in enumerate(pattern.symbols) if symbol != ".")
            mask = _Mask(pattern.plus, places, len(pattern.symbols), pattern.is_open)
            literals = "".join([pattern.symbols[at] for at in places])
            groups.setdefault(mask, {}).setdefault(literals, []).append(value)
        self._groups = sorted(groups.items(), key=lambda group: group[0].rank)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def find(self, number: str) -> list[T]:
        """Give the values of the most specific pattern that matches, in the order of their entry; none: empty."""
        return next(self.matches(number), [])

    def matches(self, number: str) -> Iterator[list[T]]:
        """Give the values of each pattern that matches, most specific first."""
        given_with_plus = number.startswith("+")
        symbols = number.removeprefix("+")
        for mask, by_literals in self._groups:
            if mask.plus and not given_with_plus:
                continue
            if len(symbols) != mask.size and not (mask.is_open and len(symbols) > mask.size):
                continue
            found = by_literals.get(_literals_of(symbols, mask))
            if found is not None and _others_are_digits(symbols, mask):
                yield found


def _literals_of(symbols: str, mask: _Mask) -> str:
    places = mask.places
    count = len(places)
    if not count or places[-1] == count - 1:  # literals first, then dots: the usual dial plan
        return symbols[:count]
    return "".join([symbols[at] for at in places])


def _others_are_digits(symbols: str, mask: _Mask) -> bool:
    """Tell whether only digits stand where the pattern has dots, and behind it."""
    if symbols.isdigit():
        return True
    literal = set(mask.places)
    return all(symbol.isdigit() for at, symbol in enumerate(symbols) if at not in literal)
