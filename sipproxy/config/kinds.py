"""Kinds of values: how the words after a directive's name become a value.

A kind is data: a function from words to a value and the texts that describe it
to the operator. Kinds of addresses are in L{sipproxy.config.addresses}. A kind
sees one value; conditions between values are the checks of a
L{sipproxy.config.directives.Module}.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, overload

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: Upper bound where a directive names none: what SQLite can hold.
LARGEST = 2**63 - 1

#: Upper bound of times: the largest delta-seconds (RFC 3261 20.19).
LARGEST_TIME = 2**32 - 1

_INTEGER = re.compile(r"-?[0-9]{1,19}")


class WrongValueError(ValueError):
    """Words that are not a value of the kind.

    @ivar expected: what would have been right
    @ivar index: index of the offending word, the number of words where one is missing
    """

    def __init__(self, expected: str, index: int) -> None:
        super().__init__(expected)
        self.expected = expected
        self.index = index


def _as_it_is(value: Any, root: Path) -> Any:
    """Leave a value that has no paths in it."""
    return value


@dataclass(frozen=True)
class Kind(Generic[T_co]):
    """How a value is read, and how it is described.

    C{show} and C{resolve} take more than C{T_co}: a directive's default may be
    wider than what can be written (a path, or None for none).

    @ivar parse: gives the value of words; raises L{WrongValueError}, or a plain ValueError with what was expected
    @ivar expected: what is right, for a problem: "On or Off"
    @ivar syntax: stands after the name in the manual: "On | Off"
    @ivar candidates: the words that can stand here, for completion; empty where they are not finite
    @ivar show: writes a default as a file would
    @ivar resolve: makes the paths in a value absolute, from ServerRoot
    @ivar occurrences: whether the directive may stand several times; then C{parse} gives a tuple, to be joined
    """

    parse: Callable[[Sequence[str]], T_co]
    expected: str
    syntax: str
    candidates: tuple[str, ...] = ()
    show: Callable[[Any], str] = str
    resolve: Callable[[Any, Path], Any] = _as_it_is
    occurrences: Literal["once", "many"] = "once"


def words(
    parser: Callable[[Sequence[str]], T],
    expected: str,
    syntax: str = "",
    show: Callable[[Any], str] = str,
    resolve: Callable[[Any, Path], Any] = _as_it_is,
) -> Kind[T]:
    """Make a kind of a module's own.

    @param parser: gives the value of one or more words; raises C{ValueError(expected)}, or L{WrongValueError} to
        name the word that is wrong
    @param expected: said where there is no word at all, and where the error has no text
    @param syntax: for the manual, C{expected} if empty
    """

    def parse(given: Sequence[str]) -> T:
        if not given:
            raise WrongValueError(expected, 0)
        return parser(given)

    return Kind(parse, expected, syntax or expected, show=show, resolve=resolve)


def one_word(
    parser: Callable[[str], T],
    expected: str,
    syntax: str,
    candidates: tuple[str, ...] = (),
    show: Callable[[Any], str] = str,
    resolve: Callable[[Any, Path], Any] = _as_it_is,
) -> Kind[T]:
    """Make a kind of exactly one word.

    @param parser: raises ValueError, with what was expected where C{expected} does not say it
    """

    def parse(given: Sequence[str]) -> T:
        if not given:
            raise WrongValueError(expected, 0)
        if len(given) > 1:
            raise WrongValueError("end of line", 1)
        try:
            return parser(given[0])
        except ValueError as error:
            raise WrongValueError(str(error) or expected, 0) from None

    return Kind(parse, expected, syntax, candidates, show, resolve)


def one_of(*values: str) -> Kind[str]:
    """Read one of some words, in any case; the value has the spelling given here."""
    spelling = {value.lower(): value for value in values}
    expected = " or ".join(filter(None, (", ".join(values[:-1]), values[-1])))

    def parse(word: str) -> str:
        if word.lower() not in spelling:
            raise ValueError
        return spelling[word.lower()]

    return one_word(parse, expected, " | ".join(values), values)


def on_off() -> Kind[bool]:
    """Read On or Off."""
    states = {"on": True, "off": False}

    def parse(word: str) -> bool:
        if word.lower() not in states:
            raise ValueError
        return states[word.lower()]

    return one_word(parse, "On or Off", "On | Off", ("On", "Off"), lambda value: "On" if value else "Off")


def _integer(minimum: int, maximum: int, unit: str = "") -> tuple[Callable[[str], int], str]:
    """Give the parser of an integer within bounds, and what it expects."""
    bounds = f"of {minimum} or more" if maximum == LARGEST else f"from {minimum} to {maximum}"
    expected = " ".join(filter(None, ("a whole number", unit, bounds)))

    def parse(word: str) -> int:
        if _INTEGER.fullmatch(word) is None or not minimum <= int(word) <= maximum:
            raise ValueError
        return int(word)

    return parse, expected


def whole(minimum: int = 0, maximum: int = LARGEST) -> Kind[int]:
    """Read an integer within bounds."""
    parse, expected = _integer(minimum, maximum)
    return one_word(parse, expected, "number")


def milliseconds(minimum: int = 0, maximum: int = LARGEST_TIME) -> Kind[float]:
    """Read a time written in whole milliseconds; the value, and a default, is in seconds.

    @param minimum: in milliseconds, as is C{maximum}
    """
    parse, expected = _integer(minimum, maximum, "of milliseconds")
    return one_word(
        lambda word: parse(word) / 1000, expected, "milliseconds", show=lambda value: str(round(value * 1000))
    )


def seconds(minimum: int = 0, maximum: int = LARGEST_TIME) -> Kind[float]:
    """Read a time written in whole seconds; the value is in seconds."""
    parse, expected = _integer(minimum, maximum, "of seconds")
    return one_word(lambda word: float(parse(word)), expected, "seconds", show=lambda value: str(round(value)))


def text() -> Kind[str]:
    """Read one word, in quotes if it has blanks; control characters are refused, as values reach messages and logs."""

    def parse(word: str) -> str:
        if not word.isprintable():
            raise ValueError("text without control characters")
        return word

    return one_word(parse, "text, in double quotes if it has blanks", "text")


@overload
def path() -> Kind[Path]: ...
@overload
def path(keywords: tuple[str, ...]) -> Kind[Path | str]: ...
def path(keywords: tuple[str, ...] = ()) -> Kind[Path] | Kind[Path | str]:
    """Read a path; a relative one starts at ServerRoot.

    @param keywords: words that are no paths, in any case; the value is then that text
    """
    spelling = {keyword.lower(): keyword for keyword in keywords}

    def parse(word: str) -> Path | str:
        if not word:
            raise ValueError
        return spelling.get(word.lower()) or Path(word)

    return one_word(
        parse,
        " or ".join(("a path", *keywords)),
        " | ".join(("path", *keywords)),
        keywords,
        resolve=lambda value, root: absolute(value, root) if isinstance(value, Path) else value,
    )


def absolute(value: Path, root: Path) -> Path:
    """Make a path start at a directory, unless it is absolute; C{..} is taken as text, as Apache does."""
    return Path(os.path.normpath(root / value))


def each(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """Read one or more words, each of a kind that takes one word."""

    def parse(given: Sequence[str]) -> tuple[T, ...]:
        if not given:
            raise WrongValueError(kind.expected, 0)
        return tuple(one(index, word) for index, word in enumerate(given))

    def one(index: int, word: str) -> T:
        try:
            return kind.parse((word,))
        except WrongValueError as wrong:
            raise WrongValueError(wrong.expected, index) from None

    return Kind(
        parse,
        f"{kind.expected}, or several",
        f"{kind.syntax} ...",
        kind.candidates,
        lambda values: " ".join(map(kind.show, values)),
        lambda values, root: tuple(kind.resolve(value, root) for value in values),
    )


def repeated(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """Let a directive stand many times; its value is a tuple, with an element for each occurrence."""
    return Kind(
        lambda given: (kind.parse(given),),
        kind.expected,
        kind.syntax,
        kind.candidates,
        lambda values: ", ".join(map(kind.show, values)),
        lambda values, root: tuple(kind.resolve(value, root) for value in values),
        "many",
    )


def joined(kind: Kind[tuple[T, ...]]) -> Kind[tuple[T, ...]]:
    """Let a directive whose value is a tuple stand many times; the tuples are joined to one."""
    return replace(kind, occurrences="many")
