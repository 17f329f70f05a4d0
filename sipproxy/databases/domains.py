"""Names of domains as patterns: a name, C{*.} and a name for all below it, or C{*} for all; a table of them.

The exact name wins, then the longest C{*.}, then C{*}. A literal address is no
name: only a pattern of exactly that address matches it. Case does not matter;
what is not ASCII is compared as it stands in the DNS (RFC 5890, UTS 46).
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Generic, Self, TypeVar

import idna

from sipproxy.config import Kind, WrongValueError, host
from sipproxy.config.kinds import one_word

T = TypeVar("T")

EXPECTED = "a domain, *.domain or *"

_HOST = host()
# RFC 3261 25.1: the last label of a name begins with a letter, so what ends in a label of digits is an IPv4 address.
_IPV4 = re.compile(r"[0-9.]*[0-9]").fullmatch


def international_host() -> Kind[str]:
    """Read a host name, in any script, or a literal address; the value is what the DNS is asked for."""
    return one_word(read_host, _HOST.expected, _HOST.syntax)


def read_host(text: str) -> str:
    """Read a host name, in any script, or a literal address; what is not ASCII becomes what the DNS is asked for.

    @raise ValueError: it is none
    """
    try:
        return _HOST.parse((_in_ascii(text),))
    except WrongValueError as wrong:
        raise ValueError(wrong.expected) from None


def read_domain(text: str) -> str:
    """Read a pattern of domains.

    @raise ValueError: it is none
    """
    if text == "*":
        return text
    below = text.removeprefix("*.")
    try:
        name = read_host(below)
    except ValueError:
        raise ValueError(EXPECTED) from None
    if below == text:
        return name
    if is_literal(name):
        raise ValueError(EXPECTED)
    return f"*.{name}"


def is_literal(host: str) -> bool:
    """Tell whether a host is a literal address."""
    return ":" in host or _IPV4(host) is not None


def _in_ascii(text: str) -> str:
    """Write a name as it stands in the DNS.

    @raise ValueError: it cannot
    """
    if text.isascii():
        return text
    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise ValueError(_HOST.expected) from None


def _found_as(host: str) -> str:
    """Give the spelling in which a host is looked up; what is no host is found nowhere."""
    if host.startswith("["):
        try:
            return str(ip_address(host[1:-1]))
        except ValueError:
            return ""
    try:
        return _in_ascii(host).lower().removesuffix(".")
    except ValueError:
        return ""


class DomainMap(Generic[T]):
    """One value for each pattern, found by the hosts that it matches; a search costs a look for each label."""

    def __init__(self) -> None:
        self._values: dict[str, T] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, text: str) -> T | None:
        """Give the value of a pattern, not of a host; None where it is not there."""
        return self._values.get(text)

    def values(self) -> Iterable[T]:
        """Give all values."""
        return self._values.values()

    def set(self, text: str, value: T) -> None:
        """Give a pattern, as L{read_domain} writes it, a value in place of the one that it had."""
        self._values[text] = value

    def remove(self, text: str) -> None:
        """Forget a pattern.

        @raise KeyError: it is not there
        """
        del self._values[text]

    def copy(self) -> Self:
        """Give another map with the same values, to be changed by itself."""
        other = type(self)()
        other._values = self._values.copy()
        return other

    def matches(self, host: str) -> Iterator[tuple[int, str, T]]:
        """Give the patterns that match a host, most specific first, each with its rank and its value."""
        if not self._values:
            return
        name = _found_as(host)
        if not name:
            return
        for rank, text in enumerate(_candidates(name)):
            value = self._values.get(text)
            if value is not None:
                yield rank, text, value

    def first(self, host: str) -> tuple[int, str, T] | None:
        """Give the most specific pattern that matches a host, with its rank and its value; None where none does."""
        return next(self.matches(host), None)


def _candidates(name: str) -> Iterator[str]:
    """Give all patterns that match a name or a literal address, most specific first."""
    yield name
    if is_literal(name):
        return
    rest = name.partition(".")[2]
    while rest:
        yield f"*.{rest}"
        rest = rest.partition(".")[2]
    yield "*"
