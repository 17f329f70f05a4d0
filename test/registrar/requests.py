"""REGISTER requests for tests."""

from sipproxy.message import Request, parse_message

#: When tests happen, seconds since 1970.
NOW = 1_790_000_000.0


def register_request(
    *lines: str | bytes, call_id: str = "c1@phone", cseq: int = 1, to: str = "<sip:bob@example.com>"
) -> Request:
    """Give a REGISTER with some more header lines."""
    head = (
        b"REGISTER sip:example.com SIP/2.0",
        b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1",
        b"Max-Forwards: 70",
        b"From: <sip:bob@example.com>;tag=f1",
        b"To: " + to.encode(),
        b"Call-ID: " + call_id.encode(),
        b"CSeq: %d REGISTER" % cseq,
    )
    more = (line.encode() if isinstance(line, str) else line for line in lines)
    request = parse_message(b"\r\n".join((*head, *more, b"Content-Length: 0", b"", b"")))
    assert isinstance(request, Request)
    return request
