"""C{/v1/calls}: the requests that have no final response yet, the oldest first.

What has no transaction (a stateless server's requests, an ACK) is gone when it is forwarded, and never here.
"""

from itertools import islice
from typing import Any

from sipproxy.control.declarations import Arguments, Field, Json, Operation, Resource
from sipproxy.control.patterns import Pattern
from sipproxy.control.schema import COUNT, TEXT, TIME, an_array, an_object
from sipproxy.proxy.exchange import Exchange
from sipproxy.proxy.points import sent_by
from sipproxy.transaction import TransactionTable

#: How many are told of unless more are asked for, and how many at most.
USUAL, MOST = 1000, 10_000

_FIELDS = (
    Field("call_id", {"type": "string", "maxLength": 1000}, "Only those with this Call-ID; * stands for any text."),
    Field("limit", {"type": "integer", "minimum": 1, "maximum": MOST}, f"How many at most, else {USUAL}."),
)
_ITEM = an_object(
    **{"method": TEXT, "uri": TEXT, "from": TEXT, "to": TEXT, "call_id": TEXT, "source": TEXT, "since": TIME},
    next_hops=an_array(TEXT),
)


def calls_resource(table: "TransactionTable[Any]") -> Resource:
    """Give the resource of what is pending in a table of transactions."""

    def show(arguments: Arguments) -> Json:
        pattern = Pattern(arguments.get("call_id", "*"))
        pending = [user for user in table.users() if isinstance(user, Exchange)]
        # Those that are not wanted, and those behind the last that is, are not looked into.
        found = (exchange for exchange in pending if pattern.matches(_header(exchange, "call-id")))
        return {
            "calls": [_item(exchange) for exchange in islice(found, arguments.get("limit", USUAL))],
            "pending": len(pending),
        }

    answer = an_object(calls=an_array(_ITEM), pending=COUNT)
    return Resource("/calls", (Operation("GET", "List pending requests.", show, answer, query=_FIELDS),))


def _item(exchange: Exchange) -> Json:
    request = exchange.request
    return {
        "method": _text(request.method),
        "uri": _text(request.request_uri.raw),
        "from": _header(exchange, "from"),
        "to": _header(exchange, "to"),
        "call_id": _header(exchange, "call-id"),
        "source": sent_by(*exchange.source),
        "since": exchange.outcome.started,
        "next_hops": [sent_by(hop.host, hop.port) for hop in exchange.hops()],
    }


def _header(exchange: Exchange, name: str) -> str:
    return _text(exchange.request.header(name) or b"")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")
