"""C{/v1/explain}: why a request would go where it goes, and why calls have gone where they went."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred

from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.schema import MAYBE_TIME, TEXT, TIME, an_array, an_object
from sipproxy.errors import SipParseError
from sipproxy.message import DEFAULT_LIMITS, Request, parse_message
from sipproxy.message.uri import MAX_URI
from sipproxy.proxy.core import Core
from sipproxy.proxy.exchange import Exchange
from sipproxy.proxy.explain import Explained, Way, explain, line
from sipproxy.proxy.history import Trace
from sipproxy.proxy.points import sent_by
from sipproxy.routing import NextHop

#: Calls of one Call-ID that are told of.
MOST = 100

_CALL_ID = (Field("call_id", {"type": "string", "minLength": 1, "maxLength": 1000}, "The Call-ID.", True),)
_REQUEST = (
    Field("method", {"type": "string", "minLength": 1, "maxLength": 50}, "The method.", True),
    Field("uri", {"type": "string", "minLength": 1, "maxLength": MAX_URI}, "The Request-URI.", True),
    Field("from", {"type": "string", "maxLength": MAX_URI}, "The URI of From, else somebody of this domain."),
    Field("source", {"type": "string", "maxLength": 100}, "Where it comes from, address or address:port."),
    Field("headers", {"type": "string", "maxLength": 10_000}, "Further header lines, separated by line feeds."),
)

_STAGE = an_object(stage=TEXT, module=TEXT, text=TEXT)
_HOP = an_object(address=TEXT, port={"type": "integer"}, transport=TEXT, name=TEXT)
_STATUS = {"type": ["integer", "null"]}
_WAY = an_object(
    uri=TEXT, q={"type": "number"}, origin=TEXT, next_hops=an_array(_HOP), message=TEXT, status=_STATUS, reason=TEXT
)
_EXPLAINED = an_object(
    stages=an_array(_STAGE), targets=an_array(_WAY), contacts=an_array(TEXT), status=_STATUS, reason=TEXT
)
_CALL = an_object(
    call_id=TEXT,
    uri=TEXT,
    source=TEXT,
    started=TIME,
    duration=MAYBE_TIME,
    status=_STATUS,
    stages=an_array(_STAGE),
)

_LINE_ENDS = re.compile(r"[\r\n]+")


def explain_resource(core: Core) -> Resource:
    """Give the resource of a core."""

    def ask(arguments: Arguments) -> Deferred[Json]:
        request = _request(arguments, core.generation.identity.domain.decode("ascii"))
        return explain(core, request, _source(arguments.get("source", "127.0.0.1"))).addCallback(_explained)

    def find(arguments: Arguments) -> Json:
        call_id = arguments["call_id"].encode("utf-8")
        return {"calls": list(islice(_calls(core, call_id), MOST))}

    return Resource(
        "/explain",
        (
            Operation(
                "POST",
                "Take a request through the server without sending it.",
                ask,
                _EXPLAINED,
                body=_REQUEST,
                refusals={422: "It is no request."},
            ),
            Operation("GET", "Tell why calls have gone where they went.", find, _CALLS, query=_CALL_ID),
        ),
    )


_CALLS = an_object(calls=an_array(_CALL))


def _request(arguments: Arguments, domain: str) -> Request:
    """Write the request that is asked about.

    @raise ControlError: it is none
    """
    method, uri = arguments["method"], arguments["uri"]
    sender = arguments.get("from", f"sip:explain@{domain}")
    headers = [text for text in _LINE_ENDS.split(arguments.get("headers", "")) if text]
    if any(each in text for each in "\r\n" for text in (method, uri, sender)):
        raise ControlError(422, "a line end has no place there")
    lines = [
        f"{method} {uri} SIP/2.0",
        "Via: SIP/2.0/UDP explain.invalid;branch=z9hG4bKexplain",
        "Max-Forwards: 70",
        f"From: <{sender}>;tag=explain",
        f"To: <{uri}>",
        "Call-ID: explain",
        f"CSeq: 1 {method}",
    ]
    given = {text.partition(":")[0].strip().lower() for text in headers}
    kept = [text for text in lines[1:] if text.partition(":")[0].lower() not in given]
    try:
        text = "\r\n".join([lines[0], *headers[:0], *kept, *headers, "Content-Length: 0", "", ""])
        message = parse_message(text.encode("utf-8"), DEFAULT_LIMITS)
        if not isinstance(message, Request):
            raise ControlError(422, "that is no request")
        _ = message.request_uri
    except SipParseError as error:
        raise ControlError(422, f"that is no request: {error.reason.decode('utf-8', 'replace')}") from None
    return message


def _source(text: str) -> tuple[str, int]:
    """Read an address with or without a port.

    @raise ControlError: it is none
    """
    host, separator, port = text.rpartition(":")
    if not separator or (":" in host and not host.endswith("]")):
        host, port = text, "5060"
    try:
        number = int(port) if port.isascii() and port.isdigit() else -1
        address = str(ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        number, address = -1, ""
    if not 0 < number < 65536:
        raise ControlError(422, f"source: expected an address, or address:port, got {text!a}")
    return address, number


def _calls(core: Core, call_id: bytes) -> Iterator[Json]:
    for user in core.table.users():
        if isinstance(user, Exchange) and user.request.header("call-id") == call_id and hasattr(user, "journey"):
            yield {
                "call_id": _text(call_id),
                "uri": _text(user.request.uri),
                "source": sent_by(*user.source),
                "started": user.outcome.started,
                "duration": None,
                "status": None,
                "stages": _stages(user.journey.subject.trace),
            }
    for call in core.history.find(call_id) if core.history is not None else ():
        yield {
            "call_id": _text(call_id),
            "uri": _text(call.uri),
            "source": sent_by(*call.source),
            "started": call.started,
            "duration": call.duration,
            "status": call.status,
            "stages": _stages(call.trace),
        }


def _explained(explained: Explained) -> Json:
    return {
        "stages": _stages(explained.trace),
        "targets": [_way(way) for way in explained.ways],
        "contacts": [_text(contact) for contact in explained.contacts],
        "status": explained.status,
        "reason": explained.reason,
    }


def _stages(trace: Trace) -> list[Json]:
    return [{"stage": stage, "module": module, "text": line(value)} for stage, module, value in trace]


def _way(way: Way) -> Json:
    error = way.error
    return {
        "uri": line(way.target.uri),
        "q": way.target.q,
        "origin": way.target.origin,
        "next_hops": [_hop(hop) for hop in way.hops],
        "message": _text(way.message),
        "status": None if error is None else error.status,
        "reason": "" if error is None else _text(error.reason),
    }


def _hop(hop: NextHop) -> Json:
    return {"address": hop.host, "port": hop.port, "transport": hop.transport, "name": hop.name}


def _text(octets: Any) -> str:
    text: str = octets.decode("utf-8", "backslashreplace")
    return text
