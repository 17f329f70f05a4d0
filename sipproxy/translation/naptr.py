"""NAPTR records as ENUM reads them (RFC 6116 3.4, 5.2): order, flags, services, substitution expressions. Pure.

A record is a rule of RFC 3402 and 3403. L{Search} goes from rule to rule; it
says which names it wants to know, and who runs it asks the DNS.

Expressions come from strangers. They are run by RE2, in a time linear in their
size and in the text's, and their size is bounded before. Among matches of equal
length RE2 may divide the text between groups in another way than POSIX would.
"""

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import re2  # type: ignore[import-untyped]

from sipproxy.errors import SipParseError
from sipproxy.message import Uri, parse_uri

#: Steps of a chain of non-terminal rules (RFC 6116 5.2.1).
MAX_STEPS = 5
#: Names asked for in one search.
MAX_NAMES = 16
#: Expressions tried in one search.
MAX_TRIES = 40
#: URIs found in one search.
MAX_FOUND = 10
#: Octets of a substitution expression: what a character-string can hold (RFC 1035 3.3).
MAX_EXPRESSION = 255
#: Octets of what it makes of a number.
MAX_RESULT = 512
# POSIX guarantees no more (_POSIX_RE_DUP_MAX), and repetitions of repetitions are what costs time to compile.
_MAX_REPETITIONS = 255
# With RE2's own bound, 8 MiB, some expressions of 255 octets take a second to compile; with this one, a millisecond.
_MAX_MEMORY = 32 * 1024
_REMEMBERED = 512
_LONGEST_QUOTE = 80

_TOKEN = re.compile(rb"\\.|.", re.DOTALL)
_REPETITIONS = re.compile(rb"\{[0-9,]*")
_NUMBER = re.compile(rb"[0-9]+")


class Rule(NamedTuple):
    """A NAPTR record.

    @ivar replacement: a domain name without its final dot, C{b""} for the root
    """

    order: int
    preference: int
    flags: bytes
    service: bytes
    regexp: bytes
    replacement: bytes


def in_order(rules: Iterable[Rule]) -> list[Rule]:
    """Sort rules by order, then preference; equal ones stay as they were served (RFC 6116 5.2)."""
    return sorted(rules, key=lambda rule: rule[:2])


def services(field: bytes) -> tuple[bytes, ...]:
    """Give the Enumservices of a service field in small letters, such as C{pstn:sip}; none where it is not ENUM's.

    Both C{E2U+sip} (RFC 6116 3.4.3) and the older C{sip+E2U} (RFC 2916) are read.
    """
    first, *others = field.lower().split(b"+")
    if first == b"e2u":
        return tuple(others)
    if others and others.pop() == b"e2u":
        return (first, *others)
    return ()


class Substitution:
    """A substitution expression (RFC 3402 3.2).

    Its result is the replacement alone, not, as with sed, what of the text did not match as well.
    """

    def __init__(self, expression: bytes) -> None:
        """
        @raise ValueError: it is none; the text says why
        """
        if len(expression) > MAX_EXPRESSION:
            raise ValueError(f"longer than {MAX_EXPRESSION} octets")
        delimiter = expression[:1]
        if not delimiter or delimiter in b"0123456789iI\\":
            raise ValueError("no delimiter")
        parts = _split(expression, delimiter)
        if len(parts) != 3:
            raise ValueError("not three delimiters")
        pattern, replacement, flags = parts
        if not {*flags} <= {b"i", b"I"}:
            raise ValueError("unknown flags")
        self._pattern = _compile(_written(pattern, delimiter), b"".join(flags))
        self._pieces = [_piece(token, delimiter) for token in replacement]
        last = max((piece for piece in self._pieces if isinstance(piece, int)), default=0)
        if last > self._pattern.groups:
            raise ValueError(f"no group {last}")

    def apply(self, text: bytes) -> bytes | None:
        """Give what the expression makes of a text, None where it does not match.

        @raise ValueError: the result is too long
        """
        match = self._pattern.search(text)
        if match is None:
            return None
        result = b"".join([(match[piece] or b"") if isinstance(piece, int) else piece for piece in self._pieces])
        if len(result) > MAX_RESULT:
            raise ValueError(f"a result of more than {MAX_RESULT} octets")
        return result


#: A number that is called is called again, and a zone has few expressions for many numbers.
substitution = lru_cache(maxsize=_REMEMBERED)(Substitution)


def _split(expression: bytes, delimiter: bytes) -> list[list[bytes]]:
    """Give what stands between and behind the delimiters, as tokens: a character, or a backslash and one."""
    parts: list[list[bytes]] = []
    for token in _TOKEN.findall(expression):
        if token == delimiter:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _written(pattern: list[bytes], delimiter: bytes) -> bytes:
    """Write the ERE without escaped delimiters: they stand for the character itself, whatever it means to an ERE."""
    itself = delimiter if delimiter.isalpha() or delimiter.isspace() or not delimiter.isascii() else b"\\" + delimiter
    return b"".join([itself if token == b"\\" + delimiter else token for token in pattern])


def _piece(token: bytes, delimiter: bytes) -> bytes | int:
    """Give a token of the replacement: the number of a group, or text."""
    if len(token) == 2 and token[1:] in b"123456789":
        return int(token[1:])
    return delimiter if token == b"\\" + delimiter else token


def _compile(pattern: bytes, flags: bytes) -> Any:
    """Compile a POSIX extended regular expression.

    @raise ValueError: it is none, or too large
    """
    for repetitions in _REPETITIONS.findall(pattern):
        if any(int(count) > _MAX_REPETITIONS for count in _NUMBER.findall(repetitions)):
            raise ValueError(f"more than {_MAX_REPETITIONS} repetitions")
    options = re2.Options()
    options.posix_syntax = True
    options.longest_match = True
    options.case_sensitive = not flags
    # Octets, so that no expression is refused for what is not UTF-8: numbers are ASCII anyhow.
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _MAX_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        text = error.args[0]
        raise ValueError(text.decode("latin-1") if isinstance(text, bytes) else str(text)) from None


Outcome = Sequence[Rule] | str
"""The rules of a name, or the reason why there are none."""


class Search:
    """The search for one number under one root, without the asking (RFC 6116 5.2).

    @ivar found: the URIs, most preferred first
    """

    def __init__(self, number: bytes, wanted: frozenset[bytes], note: Callable[[str], None]) -> None:
        """
        @param number: the Application Unique String, with its plus
        @param wanted: Enumservices, as L{services} gives them
        """
        self.found: list[Uri] = []
        self._number = number
        self._wanted = wanted
        self._note = note
        self._asked: set[str] = set()
        self._tries = 0

    def under(self, name: str, steps: int = 0) -> Generator[str, Outcome, None]:
        """Yield the names to be asked for, and take the outcome of each.

        @param steps: non-terminal rules that led here
        """
        self._asked.add(name)
        outcome = yield name
        if isinstance(outcome, str):
            self._note(outcome)
            return
        rules = [rule for rule in in_order(outcome) if not rule.flags or self._is_wanted(rule)]
        self._note(f"{name}: NAPTR records: {len(outcome)}, of use: {len(rules)}")
        for rule in rules:
            if len(self.found) >= MAX_FOUND or self._tries >= MAX_TRIES:
                self._note(f"{name}: the records after these are not looked at")
                return
            if rule.flags:
                self._apply(rule, name)
            else:
                yield from self._follow(rule, name, steps + 1)

    def _is_wanted(self, rule: Rule) -> bool:
        offered = services(rule.service)
        # RFC 6116 3.4.3.1: a record with a private service counts only in its network, which who lists it is in.
        return not self._wanted.isdisjoint(offered) and all(
            service in self._wanted for service in offered if service.startswith(b"p-")
        )

    def _follow(self, rule: Rule, name: str, steps: int) -> Generator[str, Outcome, None]:
        """Go on where a non-terminal rule leads."""
        target = rule.replacement.decode("latin-1").lower().removesuffix(".")
        if not target:
            self._skip(rule, name, "leads nowhere")
        elif target in self._asked:
            self._skip(rule, name, f"leads back to {_quoted(target)}")
        elif steps > MAX_STEPS or len(self._asked) >= MAX_NAMES:
            self._skip(rule, name, "leads too far")
        else:
            yield from self.under(target, steps)

    def _apply(self, rule: Rule, name: str) -> None:
        """Take the result of a terminal rule."""
        if rule.flags not in (b"u", b"U"):
            self._skip(rule, name, f"unknown flags {_quoted(rule.flags.decode('latin-1'))}")
            return
        self._tries += 1
        shown = _quoted(rule.regexp.decode("latin-1"))
        try:
            result = substitution(rule.regexp).apply(self._number)
        except ValueError as error:
            self._skip(rule, name, f"bad expression {shown}: {_quoted(str(error))}")
            return
        if result is None:
            self._skip(rule, name, f"{shown} does not match {self._number.decode()}")
            return
        self._take(rule, name, result)

    def _take(self, rule: Rule, name: str, result: bytes) -> None:
        shown = _quoted(result.decode("latin-1"))
        try:
            uri = parse_uri(result)
        except SipParseError as error:
            self._skip(rule, name, f"result {shown}: {error}")
            return
        if uri.scheme != b"sip":
            self._skip(rule, name, f"result {shown}: not a sip: URI")
        elif uri.raw not in [known.raw for known in self.found]:
            self.found.append(uri)

    def _skip(self, rule: Rule, name: str, reason: str) -> None:
        self._note(f"{name}: skipped record {rule.order} {rule.preference}: {reason}")


def _quoted(text: str) -> str:
    """Show a stranger's text on one line, not all of a long one."""
    return ascii(text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}...")
