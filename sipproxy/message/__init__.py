"""SIP messages: octets to values and back, without any input or output.

Pure: imports neither Twisted nor zope (RFC 3261 7, 19, 20, 25).
"""

from sipproxy.message.edit import Draft, make_response
from sipproxy.message.headers import NameAddr, Via, parse_name_addr, parse_via, split_values
from sipproxy.message.message import DEFAULT_LIMITS, Limits, Message, Request, Response, parse_message
from sipproxy.message.relayed import AnyResponse, RelayedResponse, read_response
from sipproxy.message.status import reason_phrase
from sipproxy.message.uri import Uri, parse_uri

__all__ = [
    "DEFAULT_LIMITS",
    "AnyResponse",
    "Draft",
    "Limits",
    "Message",
    "NameAddr",
    "RelayedResponse",
    "Request",
    "Response",
    "Uri",
    "Via",
    "make_response",
    "parse_message",
    "parse_name_addr",
    "parse_uri",
    "parse_via",
    "read_response",
    "reason_phrase",
    "split_values",
]
