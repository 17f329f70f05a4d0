"""A plain request for tests, and variations of it."""

from sipproxy.message import Request, parse_message

HEAD: dict[str, bytes] = {
    "start": b"INVITE sip:bob@biloxi.com SIP/2.0",
    "via": b"Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds",
    "max_forwards": b"Max-Forwards: 70",
    "to": b"To: Bob <sip:bob@biloxi.com>",
    "from_": b"From: Alice <sip:alice@atlanta.com>;tag=1928301774",
    "call_id": b"Call-ID: a84b4c76e66710@pc33.atlanta.com",
    "cseq": b"CSeq: 314159 INVITE",
}


def octets(*further: bytes, **changed: bytes | None) -> bytes:
    """Write an INVITE.

    @param further: header lines behind the usual ones
    @param changed: other lines instead of those of L{HEAD}, None to leave one out; C{body}
    """
    parts = HEAD | {"body": b""} | changed
    body = parts.pop("body")
    return b"\r\n".join([*(line for line in parts.values() if line is not None), *further, b"", body or b""])


def request(*further: bytes, **changed: bytes | None) -> Request:
    """Give the INVITE of L{octets}, read."""
    message = parse_message(octets(*further, **changed))
    assert isinstance(message, Request)
    return message
