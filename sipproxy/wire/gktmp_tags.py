"""What stands in the bodies of GKTMP messages about locations: tags, and values behind them. Pure.

Which letter stands for which field of H.225.0 differs between products, and
what is built in here is partly inferred. So all of it is one table,
L{TagTable}, and a site overrides it by a file::

    # name as in H.225.0     tag, or - for a field that is not used
    separator                =
    destinationInfo          d
    callSignalAddress        c

A value is its kind and a text: C{I:} a transport address, C{H:} an H.323
identifier, C{E:} an E.164 number, C{M:} a mail address. Several values in one
field are separated by one space.
"""

import re
from dataclasses import dataclass, fields, replace
from ipaddress import IPv6Address
from typing import NamedTuple

from sipproxy.wire.gktmp import Fields, GktmpError, Message, read_fields, write_fields

#: Stands in a table for the tag of a field that is not used.
UNUSED = "-"

_TAG = re.compile(r"[A-Za-z0-9]{1,16}")
_NUMBER = re.compile(r"\+?[0-9#*]{1,128}")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+")
_ADDRESS = re.compile(
    r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
# H.225.0: delay INTEGER (1..65535), in milliseconds.
_DELAY = re.compile(r"[0-9]{1,5}")
_LONGEST_DELAY = 65535


class Value(NamedTuple):
    """A value.

    @ivar kind: I, H, E or M; empty for text without one of these
    """

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.text}" if self.kind else self.text


def read_values(text: str) -> tuple[Value, ...]:
    """Read the values of a field."""
    return tuple(_read_value(word) for word in text.split(" ") if word)


def _read_value(word: str) -> Value:
    kind, colon, text = word.partition(":")
    return Value(kind.upper(), text) if colon and kind.upper() in {"I", "H", "E", "M"} else Value("", word)


class Address(NamedTuple):
    """A transport address.

    @ivar host: literal address (IPv6 without brackets) or name
    @ivar port: None where none is given
    """

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def read_address(text: str) -> Address:
    """Read the text of a transport address: host, host:port, [IPv6]:port or bare IPv6.

    @raise GktmpError: it is none
    """
    if text.count(":") > 1 and not text.startswith("["):
        return Address(_ipv6(text))
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise GktmpError(f"not an address: {text[:60]!r}")
    port = None if found["port"] is None else int(found["port"])
    if port is not None and not 1 <= port <= 65535:
        raise GktmpError(f"not a port: {port}")
    return Address(found["host"] or _ipv6(found["bracketed"]), port)


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise GktmpError(f"not an address: {text[:60]!r}") from None
    if address.scope_id is not None:
        raise GktmpError("an address with a scope")
    return str(address)


@dataclass(frozen=True, slots=True)
class TagTable:
    """Which tag stands for which field; L{UNUSED} for a field that is neither written nor looked for.

    @ivar separator: what is written between tag and value; both are read
    @ivar service: no field of H.225.0: the number service that a question is meant for
    """

    separator: str = "="
    source_info: str = "s"
    destination_info: str = "d"
    call_signal_address: str = "c"
    can_map_alias: str = "m"
    alternate_endpoints: str = "A"
    reject_reason: str = "R"
    delay: str = "D"
    service: str = "S"

    @staticmethod
    def names() -> tuple[str, ...]:
        """Give the names that a file may have, as they are written there."""
        return tuple(_NAMES)

    @classmethod
    def read(cls, text: str) -> "TagTable":
        """Read the file of a site: one name and its tag a line, C{#} begins a comment.

        @raise GktmpError: there is something wrong; the text begins with the number of the line
        """
        changes: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            if words:
                attribute, tag = _entry(words, f"line {number}")
                if attribute in changes:
                    raise GktmpError(f"line {number}: {words[0]} only once")
                changes[attribute] = tag
        table = replace(cls(), **changes)
        tags = [tag for name in _NAMES.values() if (tag := getattr(table, name)) != UNUSED]
        twice = {tag for tag in tags if tags.count(tag) > 1}
        if twice:
            raise GktmpError(f"line 1: the tag {min(twice)} stands for two fields")
        return table


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


_NAMES = {_camel_case(field.name): field.name for field in fields(TagTable)}
_SPELLINGS = {name.lower(): name for name in _NAMES}


def _entry(words: list[str], place: str) -> tuple[str, str]:
    name = _SPELLINGS.get(words[0].lower())
    if name is None:
        raise GktmpError(f"{place}: expected one of {', '.join(_NAMES)}, got {words[0][:40]!r}")
    if len(words) != 2:
        raise GktmpError(f"{place}: expected {name} and one tag")
    tag = words[1]
    if name == "separator":
        if tag not in {"=", ":"}:
            raise GktmpError(f"{place}: expected the separator = or :, got {tag[:40]!r}")
    elif tag != UNUSED and _TAG.fullmatch(tag) is None:
        raise GktmpError(f"{place}: expected a tag of letters and digits, or {UNUSED}, got {tag[:40]!r}")
    return _NAMES[name], tag


class Question(NamedTuple):
    """What is asked about a number.

    @ivar service: 800, 900, LNP or LCR
    @ivar called: the number, without a plus
    @ivar calling: the caller's number, empty where it has none
    """

    service: str
    called: str
    calling: str = ""


class Location(NamedTuple):
    """What was answered.

    @ivar name: LCF (here it is), LRQ (go on with what has changed) or LRJ (no)
    @ivar destinations: new numbers (E), names (H) and mail addresses (M), the best one first
    @ivar addresses: where they are, the best one first; alternates at the end
    @ivar reason: why not
    """

    name: str
    destinations: tuple[Value, ...] = ()
    addresses: tuple[Address, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        words = [self.name, *map(str, self.destinations), *(f"at {address}" for address in self.addresses)]
        return " ".join([*words, self.reason] if self.reason else words)


#: What may answer a REQUEST LRQ for good.
ANSWERS = ("LCF", "LRQ", "LRJ")


def write_question(question: Question, table: TagTable) -> bytes:
    """Write the body of a REQUEST LRQ."""
    entries = (
        (table.service, question.service),
        (table.source_info, f"E:{question.calling}" if question.calling else ""),
        (table.destination_info, f"E:{question.called}"),
        (table.can_map_alias, "T"),
    )
    return write_fields(((tag, value) for tag, value in entries if tag != UNUSED and value), table.separator)


def read_question(message: Message, table: TagTable) -> Question:
    """Read a REQUEST LRQ.

    @raise GktmpError: it asks about no number
    """
    found = dict(reversed(read_fields(message.body)))
    called = _first_number(found.get(table.destination_info, ""))
    if not called:
        raise GktmpError("no number is asked about")
    return Question(found.get(table.service, ""), called, _first_number(found.get(table.source_info, "")))


def _first_number(text: str) -> str:
    return next((value.text for value in read_values(text) if value.kind == "E"), "")


def write_location(location: Location, table: TagTable) -> bytes:
    """Write the body of an answer."""
    entries = (
        (table.destination_info, " ".join(map(str, location.destinations))),
        (table.call_signal_address, " ".join(f"I:{address}" for address in location.addresses)),
        (table.reject_reason, location.reason),
    )
    return write_fields(((tag, value) for tag, value in entries if tag != UNUSED and value), table.separator)


def read_location(message: Message, table: TagTable) -> Location:
    """Read an LCF, LRQ or LRJ.

    @raise GktmpError: it is another message, or a value in it is none of its kind
    """
    if message.name not in ANSWERS:
        raise GktmpError(f"{message.name} answers no LRQ")
    body = read_fields(message.body)
    reason = " ".join(value for tag, value in body if tag == table.reject_reason)
    if message.name == "LRJ":
        return Location("LRJ", reason=reason)
    destinations = tuple(map(_destination, _values(body, table.destination_info)))
    addresses = [
        read_address(value.text)
        for tag in (table.call_signal_address, table.alternate_endpoints)
        for value in _values(body, tag)
        if value.kind in {"I", ""}
    ]
    return Location(message.name, destinations, tuple(dict.fromkeys(addresses)))


def _values(body: Fields, tag: str) -> list[Value]:
    return [value for given, text in body if given == tag for value in read_values(text)]


def _destination(value: Value) -> Value:
    right = {"E": _NUMBER, "M": _MAIL}.get(value.kind)
    if value.kind in {"I", ""} or not value.text or (right is not None and right.fullmatch(value.text) is None):
        raise GktmpError(f"not a destination: {str(value)[:60]!r}")
    return value


def write_delay(seconds: float, table: TagTable) -> bytes:
    """Write the body of a RIP."""
    return write_fields([(table.delay, str(round(seconds * 1000)))], table.separator) if table.delay != UNUSED else b""


def read_delay(message: Message, table: TagTable) -> float | None:
    """Give the seconds that a RIP asks to wait from now, None where it does not say.

    @raise GktmpError: it says it wrongly
    """
    text = dict(reversed(read_fields(message.body))).get(table.delay)
    if text is None:
        return None
    if _DELAY.fullmatch(text) is None or not 1 <= int(text) <= _LONGEST_DELAY:
        raise GktmpError(f"not a delay: {text[:40]!r}")
    return int(text) / 1000
