"""The C{%} directives of C{LogFormat}: what each takes from an outcome, as text and as a JSON value.

Apache's mod_log_config, as far as SIP has the same; C{%{name}n} gives what the
stages of the server noted on the request (C{next-hop}, C{reason}, ...).
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from sipproxy.interfaces import IOutcome
from sipproxy.logs.escape import encoded, readable
from sipproxy.logs.times import LocalTime, SecondText, access_time, rfc3339_time, split_time
from sipproxy.message.grammar import canonical_name, is_token

Text = Callable[[IOutcome], bytes]
Value = Callable[[IOutcome], "str | int | float | None"]


@dataclass(frozen=True, slots=True)
class Field:
    """One directive, ready for use.

    @ivar name: its key in JSON
    @ivar text: makes the octets of the line, C{-} for what is absent; they are escaped later
    @ivar value: makes the JSON value, None for what is absent
    """

    name: str
    text: Text
    value: Value


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What fields need beside the outcome.

    @ivar server_name: this server's name, for C{%v}
    @ivar local_time: C{time.localtime}, or C{time.gmtime}
    """

    server_name: str
    local_time: LocalTime = time.localtime


Make = Callable[[str, Surroundings], Field]
_PORTS = {"": "local", "canonical": "local", "local": "local", "remote": "source"}
_UNITS = {"": 1_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}
_FRACTIONS: dict[str, Callable[[float], str]] = {
    "sec": lambda at: str(int(at)),
    "msec": lambda at: str(round(at * 1_000_000) // 1_000),
    "usec": lambda at: str(round(at * 1_000_000)),
    "msec_frac": lambda at: f"{split_time(at)[1] // 1_000:03}",
    "usec_frac": lambda at: f"{split_time(at)[1]:06}",
}


def make_field(letter: str, argument: str, surroundings: Surroundings) -> Field:
    """Make the field of a directive.

    @param letter: the directive's letter
    @param argument: what stood in braces, C{""} where there were none
    @raise ValueError: there is no such directive; the text says what was expected
    """
    if letter in _PLAIN and not argument:
        return _PLAIN[letter]
    if letter in _MAKERS:
        return _MAKERS[letter](argument, surroundings)
    if letter in _PLAIN:
        raise ValueError(f"%{letter} without an argument")
    raise ValueError(f"one of {EXPECTED}")


def _octets(name: str, get: Callable[[IOutcome], bytes]) -> Field:
    """A field of octets that a peer sent."""
    return Field(name, get, lambda outcome: _readable(get(outcome)))


def _note(key: str, name: str) -> Field:
    """A field from the notes: text of ours, but it may quote what a peer sent."""

    def text(outcome: IOutcome) -> bytes:
        found = outcome.notes.get(key)
        return encoded(found) if found else b"-"

    return Field(name, text, lambda outcome: _readable(outcome.notes.get(key)))


def _number(name: str, get: Callable[[IOutcome], int | None]) -> Field:
    """A field that is a number, or absent."""

    def text(outcome: IOutcome) -> bytes:
        found = get(outcome)
        return b"-" if found is None else b"%d" % found

    return Field(name, text, get)


def _ours(name: str, get: Callable[[IOutcome], str]) -> Field:
    """A field that is our own text: an IP address, a time."""
    return Field(name, lambda outcome: get(outcome).encode(), get)


def _readable(found: bytes | str | None) -> str | None:
    return readable(found) if found else None


def _header(argument: str, surroundings: Surroundings) -> Field:
    if not is_token(argument.encode()):
        raise ValueError("%{Header}i with the name of a header field")
    name = canonical_name(argument.encode())
    return Field(
        name.replace("-", "_"),
        lambda outcome: outcome.request.header(name) or b"-",
        lambda outcome: _readable(outcome.request.header(name)),
    )


def _noted(argument: str, surroundings: Surroundings) -> Field:
    if not argument:
        raise ValueError("%{name}n with the name of a note")
    return _note(argument, argument.lower().replace("-", "_"))


def _port(argument: str, surroundings: Surroundings) -> Field:
    end = _PORTS.get(argument)
    if end == "local":
        return _number("local_port", lambda outcome: int(outcome.local[1]))
    if end == "source":
        return _number("source_port", lambda outcome: int(outcome.source[1]))
    raise ValueError("%p, %{local}p or %{remote}p")


def _duration(argument: str, surroundings: Surroundings) -> Field:
    unit = _UNITS.get(argument)
    if unit is None:
        raise ValueError("%T, %{s}T, %{ms}T or %{us}T")
    return _number(f"duration_{argument or 's'}", lambda outcome: round(outcome.duration * 1_000_000) // unit)


def _time(argument: str, surroundings: Surroundings) -> Field:
    """C{%t}, C{%{format}t} of strftime, or one of Apache's fractions; C{begin:} and C{end:} say of which moment."""
    if not argument:
        return _common_time(surroundings)
    if argument.startswith("end:"):
        return _moment(argument[4:], surroundings, lambda outcome: float(outcome.started + outcome.duration))
    return _moment(argument.removeprefix("begin:"), surroundings, lambda outcome: float(outcome.started))


def _moment(form: str, surroundings: Surroundings, moment: Callable[[IOutcome], float]) -> Field:
    fraction = _FRACTIONS.get(form)
    if fraction is not None:
        return _ours(f"time_{form}", lambda outcome: fraction(moment(outcome)))

    def text(parts: time.struct_time) -> str:
        return time.strftime(form, parts) if form else f"[{access_time(parts)}]"

    seconds = SecondText(text, surroundings.local_time)
    return _ours("time_text", lambda outcome: seconds[int(moment(outcome))])


def common_times(surroundings: Surroundings) -> SecondText[bytes]:
    """Give the text of C{%t} for each second."""
    return SecondText(lambda parts: f"[{access_time(parts)}]".encode(), surroundings.local_time)


def _common_time(surroundings: Surroundings) -> Field:
    common = common_times(surroundings)
    rfc3339 = SecondText(rfc3339_time, surroundings.local_time)

    def value(outcome: IOutcome) -> str:
        second, micros = split_time(outcome.started)
        return rfc3339[second] % micros

    return Field("time", lambda outcome: common[int(outcome.started)], value)


def _server(argument: str, surroundings: Surroundings) -> Field:
    if argument:
        raise ValueError("%v without an argument")
    name = surroundings.server_name
    written = encoded(name) or b"-"
    return Field("server", lambda outcome: written, lambda outcome: name)


def _process(outcome: IOutcome) -> int:
    # Asked each time: the server may have become a daemon since the format was read.
    return os.getpid()


def _status(outcome: IOutcome) -> bytes:
    status = outcome.status
    return b"-" if status is None else b"%d" % status


def _size(outcome: IOutcome) -> bytes:
    size = outcome.size
    return b"%d" % size if size else b"-"


def _microseconds(outcome: IOutcome) -> bytes:
    return b"%.0f" % (outcome.duration * 1e6)


# Those of the predefined formats are written out: a getter inside a getter costs a call for each line.
_PLAIN = {
    "h": Field("host", lambda outcome: outcome.source[0].encode(), lambda outcome: outcome.source[0]),
    "a": _ours("source_address", lambda outcome: str(outcome.source[0])),
    "A": _ours("local_address", lambda outcome: str(outcome.local[0])),
    "l": Field("ident", lambda outcome: b"-", lambda outcome: None),
    "u": _note("user", "user"),
    "r": _octets("request", lambda outcome: outcome.request.start or b"-"),
    "m": _octets("method", lambda outcome: outcome.request.method or b"-"),
    "U": _octets("uri", lambda outcome: outcome.request.uri or b"-"),
    "s": Field("status", _status, lambda outcome: outcome.status),
    "b": Field("size", _size, lambda outcome: outcome.size or None),
    "B": _number("size", lambda outcome: outcome.size),
    "D": Field("duration_us", _microseconds, lambda outcome: round(outcome.duration * 1e6)),
    "P": _number("pid", _process),
}
_MAKERS: dict[str, Make] = {
    "i": _header,
    "n": _noted,
    "p": _port,
    "t": _time,
    "T": _duration,
    "v": _server,
}
EXPECTED = " ".join(f"%{letter}" for letter in sorted(_PLAIN | _MAKERS, key=lambda one: (one.lower(), one))) + " %%"
