"""Requests that belong to one that was sent: its ACK and its CANCEL.

Both are made from the octets that went out, so that Via, Route, From and
Request-URI are the same (RFC 3261 17.1.1.3, 9.1).
"""

import sys

from sipproxy.message import Limits, Request, Response, parse_message, split_values

_COPIED = ("route", "from", "call-id")
#: What we have added may have taken a request over the limits for what comes in.
_UNLIMITED = Limits(sys.maxsize, sys.maxsize, sys.maxsize, sys.maxsize)


def make_ack(sent: bytes, response: Response) -> bytes:
    """Write the ACK for a non-2xx final response (RFC 3261 17.1.1.3)."""
    to = response.lines[response.names.index("to")] if "to" in response.names else b""
    return _follow_up(sent, b"ACK", to)


def make_cancel(sent: bytes) -> bytes:
    """Write the CANCEL of a request (RFC 3261 9.1)."""
    return _follow_up(sent, b"CANCEL", b"")


def _follow_up(sent: bytes, method: bytes, to: bytes) -> bytes:
    request = parse_message(sent, _UNLIMITED)
    assert isinstance(request, Request)
    lines = [
        b"%b %b SIP/2.0" % (method, request.uri),
        b"Via: " + split_values(request.value_at(request.names.index("via")))[0],
    ]
    for name, line in zip(request.names, request.lines, strict=True):
        if name in _COPIED:
            lines.append(line)
        elif name == "to":
            lines.append(to or line)
    lines += [
        b"CSeq: %d %b" % (request.cseq[0], method),
        b"Max-Forwards: 70",
        b"Content-Length: 0",
        b"",
        b"",
    ]
    return b"\r\n".join(lines)
