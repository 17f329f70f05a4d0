"""What routers write into the trace of a request: values, whose text is made when somebody reads it.

Each call leaves some, few are ever read; so a note is a few references.
"""

from collections.abc import Sequence
from typing import Any

from twisted.names import dns

from sipproxy.interfaces import IAnswer
from sipproxy.translation.chain import Subject

#: Records of one answer that are written out.
_MOST_WRITTEN = 20


class Note:
    """A line whose text is a template and values."""

    __slots__ = ("template", "values")

    def __init__(self, template: str, *values: object) -> None:
        """
        @param template: as for C{str.format}
        """
        self.template = template
        self.values = values

    def __str__(self) -> str:
        return self.template.format(*self.values)

    def __repr__(self) -> str:
        return f"<Note {self}>"


class AnswerNote:
    """An answer of the DNS: its records as in a zone file, and how old it was."""

    __slots__ = ("age", "count", "is_stale", "name", "record_type", "records")

    def __init__(self, name: str, record_type: int, answer: IAnswer, age: float) -> None:
        """
        @param age: seconds since it came
        """
        self.name = name
        self.record_type = record_type
        # Not the answer itself: a stranger may have made it large, and notes are kept with the calls.
        self.records = answer.records[:_MOST_WRITTEN]
        self.count = len(answer.records)
        self.is_stale = answer.is_stale
        self.age = age

    def __str__(self) -> str:
        written = [record_text(record) for record in self.records]
        if self.count > _MOST_WRITTEN:
            written.append(f"{self.count - _MOST_WRITTEN} more")
        stale = ", stale" if self.is_stale else ""
        return f"{type_text(self.record_type)} {self.name}: {', '.join(written)} ({self.age:.0f} s old{stale})"

    def __repr__(self) -> str:
        return f"<AnswerNote {self}>"


class RoutesNote:
    """Static routes of a pattern, with priority and weight."""

    __slots__ = ("pattern", "routes", "verdict")

    def __init__(self, verdict: str, pattern: object, routes: Sequence[Any]) -> None:
        """
        @param verdict: C{"matches"}, or why they are not taken
        """
        self.verdict = verdict
        self.pattern = pattern
        self.routes = routes

    def __str__(self) -> str:
        written = [
            f"{route.next_hop}{f':{route.port}' if route.port else ''} priority {route.priority} weight {route.weight}"
            for route in self.routes[:_MOST_WRITTEN]
        ]
        if len(self.routes) > _MOST_WRITTEN:
            written.append(f"{len(self.routes) - _MOST_WRITTEN} more")
        return f"{self.pattern} {self.verdict}: {', '.join(written)}"

    def __repr__(self) -> str:
        return f"<RoutesNote {self}>"


def add(subject: Subject, module: str, note: object) -> None:
    """Put a note of a router on the trace."""
    subject.trace.append(("routing", module, note))


def type_text(record_type: int) -> str:
    """Write a record type."""
    return dns.QUERY_TYPES.get(record_type, f"TYPE{record_type}")


def record_text(record: Any) -> str:
    """Write an SRV or NAPTR record of L{twisted.names.dns} as a zone file has it."""
    if isinstance(record, dns.Record_SRV):
        return f"{record.priority} {record.weight} {record.port} {name_text(record.target)}."
    if isinstance(record, dns.Record_NAPTR):
        quoted = " ".join([f'"{charstr_text(text)}"' for text in (record.flags, record.service, record.regexp)])
        return f"{record.order} {record.preference} {quoted} {name_text(record.replacement)}."
    return str(record)


def name_text(name: dns.Name) -> str:
    """Give a domain name without its final dot; empty for the root."""
    return name.name.decode("latin-1").removesuffix(".")


def charstr_text(text: dns.Charstr) -> str:
    """Give a character-string of a record."""
    return text.string.decode("latin-1")
