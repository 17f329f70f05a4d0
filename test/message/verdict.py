"""What becomes of a datagram, in one word: what the tests of whole messages assert on."""

from sipproxy.errors import SipParseError
from sipproxy.message import Request, Response, parse_message
from sipproxy.proxy.validate import validate

Verdict = int | str


def verdict(data: bytes) -> Verdict:
    """Read a datagram as a server does, up to the point where its meaning begins.

    @return: C{"ok"}, C{"drop"} for what gets no answer, or the status of the answer
    """
    try:
        message = parse_message(data)
    except SipParseError as error:
        return error.status if isinstance(error.partial, Request) and "via" in error.partial.names else "drop"
    try:
        if isinstance(message, Response):
            message.check_single()
            _ = message.via, message.from_, message.to, message.call_id, message.cseq
        else:
            validate(message)
    except SipParseError as error:
        return error.status if isinstance(message, Request) else "drop"
    return "ok"
