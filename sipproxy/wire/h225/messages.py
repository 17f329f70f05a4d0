"""Between the messages of a location request and datagrams: one message, one datagram (H.225.0).

What an application needs of H.225.0 can be had from here. What has no place in
a message is skipped when it is read: tokens, which nobody checks, what is said
of protocols but prefixes, additions of later versions.
"""

from collections.abc import Callable
from typing import Any

from sipproxy.wire import per
from sipproxy.wire.h225 import reading, writing
from sipproxy.wire.h225.aliases import DIALLED_DIGITS, EMAIL_ID, H323_ID, URL_ID, Address, Alias, NonStandard
from sipproxy.wire.h225.errors import DecodeError, EncodeError
from sipproxy.wire.h225.locations import (
    REASONS,
    UNKNOWN_REASON,
    Alternate,
    LocationConfirm,
    LocationReject,
    LocationRequest,
    Message,
    RequestInProgress,
)
from sipproxy.wire.h225.ras import RasMessage

__all__ = [
    "DIALLED_DIGITS",
    "EMAIL_ID",
    "H323_ID",
    "MAX_DATAGRAM",
    "MAX_VALUES",
    "REASONS",
    "UNKNOWN_REASON",
    "URL_ID",
    "Address",
    "Alias",
    "Alternate",
    "DecodeError",
    "EncodeError",
    "LocationConfirm",
    "LocationReject",
    "LocationRequest",
    "Message",
    "NonStandard",
    "RequestInProgress",
    "decode",
    "encode",
]

#: Values in one message; an answer with twenty alternate endpoints has half as many.
MAX_VALUES = 600
#: Octets of one datagram; tokens with certificates make some thousand.
MAX_DATAGRAM = 8192
_RAS = per.Codec(RasMessage(), per.Limits(values=MAX_VALUES, length=MAX_DATAGRAM, number=256))

_READERS: dict[str, Callable[[dict[str, Any]], Message]] = {
    "locationRequest": reading.read_request,
    "locationConfirm": reading.read_confirm,
    "locationReject": reading.read_reject,
    "requestInProgress": reading.read_progress,
}


def encode(message: Message) -> bytes:
    """Give the datagram of a message.

    @raise EncodeError: it has no form
    """
    try:
        return _RAS.encode(writing.write(message))
    except per.EncodeError as error:
        raise EncodeError(f"{type(message).__name__}: {error}") from None


def decode(datagram: bytes) -> Message:
    """Give the message of a datagram. Octets behind it are not looked at.

    @raise DecodeError: there is none, or it is not about a location; no other exception whatever the octets
    """
    if len(datagram) > MAX_DATAGRAM:
        raise DecodeError(f"{len(datagram)} octets are more than {MAX_DATAGRAM}")
    try:
        name, value = _RAS.decode(datagram)[0]
    except per.DecodeError as error:
        raise DecodeError(str(error)) from None
    read = _READERS.get(name)
    if read is None:
        raise DecodeError(f"{name or 'a message unknown to us'} is not about a location")
    return read(value)
