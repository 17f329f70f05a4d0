"""Patterns of telephone numbers, and tables of them (the dial plan). Pure.

A pattern is digits, C{+}, C{#} and C{*}, which stand for themselves, and dots,
each for any one digit. It matches numbers of exactly its length, unless it ends
in C{T}: then any further digits may follow. A leading plus of a number is set
aside: a pattern that begins with one matches only numbers given with it, any
other matches both.

The most specific pattern wins: one with a plus before one without, then more
literal characters, then the longer, then the one without C{T}. Between those
that are still equal (C{12.} and C{1.3}) the one whose literals come first does.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, Self, TypeVar

T = TypeVar("T")

#: How specific a pattern is: the less, the more. Two that match one number and are equally specific are the same.
Rank = tuple[bool, int, int, bool, tuple[int, ...]]
#: A pattern that matches: how specific it is, its text, its value.
Match = tuple[Rank, str, T]

_PATTERN = re.compile(r"\+?[0-9#*.]+T?")
_NUMBER = re.compile(r"\+?[0-9#*]+")
# Patterns whose literals are in the same places become the same text.
_TO_SHAPE = str.maketrans("0123456789#*", "d" * 12)


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
    if not is_pattern(text):
        raise ValueError("a pattern of digits, # and *, dots for any digit, perhaps a + before and a T behind")
    return Pattern(text, text.removeprefix("+").removesuffix("T"), text.startswith("+"), text.endswith("T"))


def is_pattern(text: str) -> bool:
    """Tell whether a text is a pattern."""
    return _PATTERN.fullmatch(text) is not None


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


class _Shape:
    """What patterns have in common whose literals are in the same places.

    @ivar plus: whether they begin with a plus
    @ivar size: how many symbols they have
    @ivar is_open: whether they end in T
    @ivar rank: their place among the others, most specific first
    @ivar prefix: how many literals they have where all stand before the dots, the usual dial plan; else -1
    @ivar start: what their text begins with, before the literals
    @ivar end: what it ends with, behind the literals of a prefix
    """

    __slots__ = ("_places", "end", "is_open", "plus", "prefix", "rank", "size", "start")

    def __init__(self, pattern: Pattern) -> None:
        symbols = pattern.symbols
        places = tuple([at for at, symbol in enumerate(symbols) if symbol != "."])
        self.plus = pattern.plus
        self.size = len(symbols)
        self.is_open = pattern.is_open
        self.rank: Rank = (not self.plus, -len(places), -self.size, self.is_open, places)
        self.prefix = len(places) if places == tuple(range(len(places))) else -1
        self.start = "+" if self.plus else ""
        self.end = "." * (self.size - len(places)) + ("T" if self.is_open else "")
        self._places = frozenset(places)

    def pattern_for(self, symbols: str) -> str:
        """Write the pattern of this shape that matches a number, whatever stands for its dots.

        @param symbols: the number without plus; not fewer than C{size}
        """
        places = self._places
        written = [symbol if at in places else "." for at, symbol in enumerate(symbols[: self.size])]
        return self.start + "".join(written) + ("T" if self.is_open else "")

    def takes_others(self, symbols: str) -> bool:
        """Tell whether only digits stand where these patterns have dots, and behind them."""
        places = self._places
        return all(symbol.isdigit() for at, symbol in enumerate(symbols) if at not in places)


class PatternMap(Generic[T]):
    """One value for each pattern, found by the numbers that it matches.

    A pattern is found by its own text: for each shape that fits the length of a
    number there is one pattern that would match it, and one look into the
    dictionary tells whether it is there. So a search costs a look for each such
    shape (a dial plan has few), however many patterns there are; so do changes.
    """

    def __init__(self) -> None:
        self._values: dict[str, T] = {}
        self._shapes: dict[str, _Shape] = {}
        self._uses: dict[str, int] = {}
        # By the size of a number, negative for one with a plus; cleared when a shape comes or goes.
        self._by_size: dict[int, tuple[_Shape, ...]] = {}
        self._longest = 0

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, text: str) -> bool:
        return text in self._values

    def get(self, text: str) -> T | None:
        """Give the value of a pattern, not of a number; None where it is not there."""
        return self._values.get(text)

    def values(self) -> Iterable[T]:
        """Give all values."""
        return self._values.values()

    def set(self, text: str, value: T) -> None:
        """Give a pattern a value, in place of the one that it had.

        @raise ValueError: it is no pattern; the text says what was expected
        """
        if text not in self._values:
            name = text.translate(_TO_SHAPE)
            if name in self._uses:  # then it is a pattern, too
                self._uses[name] += 1
            else:
                self._add_shape(name, _Shape(parse_pattern(text)))
        self._values[text] = value

    def _add_shape(self, name: str, shape: _Shape) -> None:
        self._shapes[name] = shape
        self._uses[name] = 1
        self._longest = max(self._longest, shape.size)
        self._by_size.clear()

    def remove(self, text: str) -> None:
        """Forget a pattern.

        @raise KeyError: it is not there
        """
        del self._values[text]
        name = text.translate(_TO_SHAPE)
        self._uses[name] -= 1
        if not self._uses[name]:
            del self._uses[name], self._shapes[name]
            self._longest = max([shape.size for shape in self._shapes.values()], default=0)
            self._by_size.clear()

    def copy(self) -> Self:
        """Give another map with the same values, to be changed by itself."""
        other = type(self)()
        other._values = self._values.copy()
        other._shapes = self._shapes.copy()
        other._uses = self._uses.copy()
        other._longest = self._longest
        return other

    def matches(self, number: str, most: int | None = None) -> list[Match[T]]:
        """Give the patterns that match a number, most specific first, each with its rank and its value.

        What is no number is matched by none.

        @param most: how many are wanted, None for all
        """
        has_plus = number[:1] == "+"
        symbols = number[1:] if has_plus else number
        has_digits_only = symbols.isdigit() and symbols.isascii()
        if not has_digits_only and not is_number(number):
            return []
        size = len(symbols)
        if size > self._longest:
            size = self._longest + 1  # all that are longer are alike
        key = -size if has_plus else size
        shapes = self._by_size.get(key)
        if shapes is None:
            shapes = self._by_size[key] = self._fitting(size, has_plus)
        values = self._values
        found: list[Match[T]] = []
        for shape in shapes:
            prefix = shape.prefix
            text = shape.start + symbols[:prefix] + shape.end if prefix >= 0 else shape.pattern_for(symbols)
            value = values.get(text)
            if value is not None and (has_digits_only or shape.takes_others(symbols)):
                found.append((shape.rank, text, value))
                if len(found) == most:
                    break
        return found

    def first(self, number: str) -> Match[T] | None:
        """Give the most specific pattern that matches a number, with its rank and its value; None where none does."""
        found = self.matches(number, 1)
        return found[0] if found else None

    def _fitting(self, size: int, has_plus: bool) -> tuple[_Shape, ...]:
        """Give the shapes whose patterns can match numbers of a size, most specific first."""
        found = [
            shape
            for shape in self._shapes.values()
            if (has_plus or not shape.plus) and (shape.size == size or (shape.is_open and shape.size < size))
        ]
        return tuple(sorted(found, key=lambda shape: shape.rank))


class NumberTable(Generic[T]):
    """Values by pattern, any number for each; those of the most specific pattern that matches a number are found."""

    def __init__(self, entries: Iterable[tuple[Pattern, T]]) -> None:
        self._lists: PatternMap[list[T]] = PatternMap()
        for pattern, value in entries:
            known = self._lists.get(pattern.text)
            if known is None:
                self._lists.set(pattern.text, [value])
            else:
                known.append(value)

    def __bool__(self) -> bool:
        return bool(self._lists)

    def find(self, number: str) -> list[T]:
        """Give the values of the most specific pattern that matches, in the order of their entry; none: empty."""
        return next(self.matches(number), [])

    def matches(self, number: str) -> Iterator[list[T]]:
        """Give the values of each pattern that matches, most specific first."""
        for _, _, values in self._lists.matches(number):
            yield values
