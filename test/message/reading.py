"""Everything that can be read of a message, read: for tests that look for what nobody foresaw."""

from collections.abc import Callable

from sipproxy.errors import SipParseError
from sipproxy.message import Draft, Message, Request, make_response, parse_message

TYPED = ("via", "from_", "to", "call_id", "cseq", "request_uri")
LISTS = ("via", "route", "record-route", "contact", "supported", "x")


def tried(read: Callable[..., object], *arguments: object) -> object:
    """Call a reader.

    @return: what it gives, or the error by which it refuses; any other exception passes
    """
    try:
        return read(*arguments)
    except SipParseError as error:
        return error


def read_all(message: Message) -> None:
    """Read all that is typed, and write what is made of a message."""
    for name in TYPED:
        tried(getattr, message, name, None)
    draft = Draft.of(message)
    for name in LISTS:
        tried(message.values, name)
        tried(draft.pop_value, name)
    tried(message.check_single)
    draft.to_bytes()
    if isinstance(message, Request):
        make_response(message, 400, to_tag=b"x")


def outcome(data: bytes) -> str:
    """Read a datagram wholly; of one that is refused, what is there for an answer.

    @return: C{"message"}, or the reason for which it is refused
    """
    message = tried(parse_message, data)
    if isinstance(message, SipParseError):
        if isinstance(message.partial, Message):
            read_all(message.partial)
        return message.reason.decode()
    assert isinstance(message, Message)
    read_all(message)
    return "message"
