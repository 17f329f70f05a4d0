"""C{/v1/accounting}: the records that wait to be delivered, page by page; C{/v1/accounting/retry} delivers them now."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.schema import COUNT, MAYBE_TIME, TEXT, TIME, an_array, an_object

#: Calls whose records are told on one page.
PAGE = 1000

_LIST = (
    Field("after", {"type": "string", "maxLength": 20}, "Go on behind this call: next of a page."),
    Field("limit", {"type": "integer", "minimum": 1, "maximum": PAGE}, "How many calls, each with all its records."),
)
_ITEM = an_object(
    type={"type": "string", "enum": ["Start", "Interim-Update", "Stop"]},
    time=TIME,
    call_id=TEXT,
    waits_for=an_array({"type": "string", "enum": ["radius", "file"]}),
    record={"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
)
_STATE = an_object(name=TEXT, state={"type": "string", "enum": ["up", "away"]}, since=MAYBE_TIME, reason=TEXT)
_COUNTS = an_object(waiting=COUNT, open_calls=COUNT, dependencies=an_array(_STATE))
_PAGE = an_object(**_COUNTS["properties"], records=an_array(_ITEM), next={"type": ["string", "null"]})
_REFUSALS = {404: "Accounting is Off."}


class Record(Protocol):
    """A record that waits (L{sipproxy.accounting.service.Waiting})."""

    @property
    def kind(self) -> str:
        """Its Acct-Status-Type."""

    @property
    def time(self) -> float:
        """Of what it tells, seconds since 1970."""

    @property
    def call_id(self) -> str:
        """The Call-ID."""

    @property
    def waits_for(self) -> Sequence[str]:
        """What it waits for."""

    @property
    def fields(self) -> Mapping[str, object]:
        """Its attributes."""


class Accounting(Protocol):
    """What is needed of L{sipproxy.accounting.service.AccountingService}."""

    @property
    def waiting(self) -> int:
        """How many records wait."""

    @property
    def open_calls(self) -> int:
        """How many calls are open."""

    @property
    def states(self) -> Sequence[tuple[str, float | None, str]]:
        """What it depends on: name, since when it is away, why."""

    def queue(self, after: int, limit: int) -> "Deferred[Any]":
        """Give records that wait, and the number of the call behind which to go on."""

    def retry(self) -> None:
        """Try to deliver at once what waits."""


def accounting_resources(accounting: Accounting | None) -> tuple[Resource, ...]:
    """Give the resources.

    @param accounting: None where it is Off
    """

    def show(arguments: Arguments) -> "Deferred[Json]":
        service = _on(accounting)
        found = service.queue(_number(arguments.get("after", "0")), arguments.get("limit", PAGE))

        def page(result: tuple[Sequence[Record], int | None]) -> Json:
            records, after = result
            following = None if after is None else str(after)
            return {**_counts(service), "records": [_item(record) for record in records], "next": following}

        return found.addCallback(page)

    def retry(_: Arguments) -> Json:
        service = _on(accounting)
        service.retry()
        return _counts(service)

    return (
        Resource(
            "/accounting",
            (
                Operation(
                    "GET",
                    "List records that wait to be delivered, a page at a time.",
                    show,
                    _PAGE,
                    query=_LIST,
                    refusals=_REFUSALS | {422: "It is next of no page."},
                ),
            ),
        ),
        Resource(
            "/accounting/retry",
            (Operation("POST", "Deliver at once what waits.", retry, _COUNTS, refusals=_REFUSALS),),
        ),
    )


def _on(accounting: Accounting | None) -> Accounting:
    """Give it.

    @raise ControlError: it is Off
    """
    if accounting is None:
        raise ControlError(404, "Accounting is Off")
    return accounting


def _number(text: str) -> int:
    """Read a place to go on from.

    @raise ControlError: it is none
    """
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ControlError(422, "after: expected next of a page")
    return int(text)


def _counts(accounting: Accounting) -> Json:
    return {
        "waiting": accounting.waiting,
        "open_calls": accounting.open_calls,
        "dependencies": [
            {"name": name, "state": "up" if since is None else "away", "since": since, "reason": reason}
            for name, since, reason in accounting.states
        ],
    }


def _item(record: Record) -> Json:
    return {
        "type": record.kind,
        "time": record.time,
        "call_id": _text(record.call_id),
        "waits_for": list(record.waits_for),
        "record": {name: _text(value) if isinstance(value, str) else value for name, value in record.fields.items()},
    }


def _text(text: str) -> str:
    """Write octets that are no UTF-8, which stand as lone surrogates, in a form that every reader of JSON takes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
