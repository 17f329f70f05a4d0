"""RADIUS packets: requests to octets, replies back (RFC 2865, 2866, 2869, with 3579 3.2 and 5080).

What is sent is put together here and in L{sipproxy.wire.radius_packing}; pyrad
reads dictionaries and replies. What is checked here and not there: that the
attributes of a reply fill it exactly, that its code answers the request, that
no value has a wrong length. An Accounting-Response without attributes, as all
servers send it, is read without pyrad: its authenticator says everything. An
Access-Request always carries a Message-Authenticator, so that nobody on the way
can add to it; of a reply it is checked where there is one, as many servers send
none. A reply that brings a Proxy-State is refused, since we send none.

There is no User-Password, no EAP, no encrypted attribute and no server's side.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pyrad.dictionary import Dictionary, ParseError  # type: ignore[import-untyped]
from pyrad.packet import AuthPacket, Packet, PacketError  # type: ignore[import-untyped]

from sipproxy.errors import SipproxyError
from sipproxy.wire.radius_packing import LONGEST_VALUE, LONGEST_VENDOR_VALUE, Attribute, Packer

__all__ = [
    "ACCESS_ACCEPT",
    "ACCESS_CHALLENGE",
    "ACCESS_REJECT",
    "ACCESS_REQUEST",
    "ACCOUNTING_REQUEST",
    "ACCOUNTING_RESPONSE",
    "DICTIONARY",
    "LONGEST_PACKET",
    "LONGEST_VALUE",
    "LONGEST_VENDOR_VALUE",
    "Attribute",
    "DictionaryError",
    "Packer",
    "RadiusError",
    "Reply",
    "Request",
    "load_dictionary",
    "make_request",
    "nas_attributes",
    "read_reply",
]

ACCESS_REQUEST = 1
ACCESS_ACCEPT = 2
ACCESS_REJECT = 3
ACCOUNTING_REQUEST = 4
ACCOUNTING_RESPONSE = 5
ACCESS_CHALLENGE = 11

#: Octets of a packet, at most (RFC 2865 3).
LONGEST_PACKET = 4096

#: The dictionary of the package.
DICTIONARY = Path(__file__).resolve().parent.parent / "data" / "dictionary"

_ANSWERS = {
    ACCESS_REQUEST: frozenset({ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE}),
    ACCOUNTING_REQUEST: frozenset({ACCOUNTING_RESPONSE}),
}
_HEADER = 20
_MESSAGE_AUTHENTICATOR = 80
_UNSIGNED = bytes((_MESSAGE_AUTHENTICATOR, 18)) + bytes(16)
# Cisco: the port and the service that its proxy names in all packets.
_NAS_PORT = 5
_LOGIN = 1


class RadiusError(SipproxyError):
    """A reply that must be dropped.

    @ivar fault: C{"malformed"}; C{"authenticator"}, where it is not from somebody who knows the secret and the
        request; or C{"code"}, where it is no answer to such a request
    """

    def __init__(self, fault: Literal["malformed", "authenticator", "code"], text: str) -> None:
        super().__init__(text)
        self.fault = fault


class DictionaryError(SipproxyError):
    """A dictionary that cannot be used; the text is one line for the operator."""


class Request(NamedTuple):
    """A request as it is sent.

    @ivar code: what it asks
    @ivar secret: what the server shares with us
    @ivar authenticator: the Request Authenticator, 16 octets
    @ivar data: its octets
    """

    code: int
    identifier: int
    secret: bytes
    authenticator: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer.

    @ivar code: C{ACCESS_ACCEPT}, ...
    @ivar attributes: values by name, in their order: text (octets where it is not UTF-8), numbers, octets;
        attributes that the dictionary does not know are left out
    """

    code: int
    attributes: Mapping[str, Sequence[Any]]


_ACKNOWLEDGEMENT = Reply(ACCOUNTING_RESPONSE, {})


def load_dictionary(path: Path = DICTIONARY) -> Any:
    """Read a dictionary in FreeRADIUS's format, with the files that it includes.

    @return: the dictionary for the other functions of this module
    @raise DictionaryError: it cannot be read, or lacks an attribute of the package's own
    """
    own = _read_dictionary(DICTIONARY)
    if path == DICTIONARY:
        return own
    given = _read_dictionary(path)
    for name, attribute in own.attributes.items():
        other = given.attributes.get(name)
        if other is None or _definition(given, other) != _definition(own, attribute):
            raise DictionaryError(f"{path} does not define {name} as attribute {attribute.code} {attribute.type}")
    return given


def _read_dictionary(path: Path) -> Any:
    try:
        return Dictionary(str(path))
    except OSError as error:
        raise DictionaryError(f"{error.filename or path} cannot be read: {error.strerror}") from error
    except (ParseError, ValueError, KeyError) as error:
        raise DictionaryError(f"{path} is no RADIUS dictionary: {error}") from error


def _definition(dictionary: Any, attribute: Any) -> tuple[object, str]:
    return dictionary.attrindex.GetForward(attribute.name), attribute.type


def nas_attributes(address: str) -> tuple[Attribute, ...]:
    """Give the attributes that say who asks, the same in all requests.

    @param address: a literal address of this server
    """
    # RFC 3162 2.1: NAS-IPv6-Address is for what NAS-IP-Address cannot hold.
    name = "NAS-IPv6-Address" if ":" in address else "NAS-IP-Address"
    return (name, address), ("NAS-Port", _NAS_PORT), ("Service-Type", _LOGIN)


def make_request(code: int, identifier: int, secret: bytes, content: bytes, authenticator: bytes = b"") -> Request:
    """Make an Access-Request with its Message-Authenticator, or an Accounting-Request.

    @param identifier: 0 to 255
    @param content: its attributes, of L{Packer.pack}
    @param authenticator: 16 unpredictable octets; an Accounting-Request has one computed of itself instead
    @raise ValueError: the packet is too long
    """
    if code == ACCESS_REQUEST:
        content = _UNSIGNED + content
    size = _HEADER + len(content)
    if size > LONGEST_PACKET:
        raise ValueError(f"a RADIUS packet of {size} octets")
    head = bytes((code, identifier, size >> 8, size & 255))
    if code == ACCESS_REQUEST:
        # RFC 3579 3.2: over the packet with sixteen zero octets in its place.
        signature = hmac.digest(secret, head + authenticator + content, "md5")
        content = content[:2] + signature + content[18:]
    else:
        # RFC 2866 3: likewise in the place of the authenticator, and the secret behind it.
        authenticator = md5(head + bytes(16) + content + secret).digest()
    return Request(code, identifier, secret, authenticator, head + authenticator + content)


def read_reply(dictionary: Any, request: Request, datagram: bytes) -> Reply:
    """Read what came back with a request's identifier.

    @raise RadiusError: it is damaged, forged, or no answer to this request
    """
    if len(datagram) == _HEADER and request.code == ACCOUNTING_REQUEST:
        head = bytes((ACCOUNTING_RESPONSE, request.identifier, 0, _HEADER))
        signature = md5(head + request.authenticator + request.secret).digest()
        if hmac.compare_digest(head + signature, datagram):
            return _ACKNOWLEDGEMENT
    _check_lengths(datagram)
    asked = AuthPacket(request.code, request.identifier, request.secret, request.authenticator, dict=dictionary)
    try:
        packet = Packet(id=0, secret=request.secret, dict=dictionary, packet=datagram)
    except PacketError as error:
        raise RadiusError("malformed", str(error)) from None
    if len(packet.get(_MESSAGE_AUTHENTICATOR, ())) > 1:
        raise RadiusError("malformed", "several Message-Authenticators")
    if not asked.VerifyReply(packet):
        raise RadiusError("authenticator", "the authenticator is wrong")
    if packet.code not in _ANSWERS[request.code]:
        raise RadiusError("code", f"a packet of code {packet.code}")
    return Reply(packet.code, _attributes(dictionary, packet))


def _check_lengths(datagram: bytes) -> None:
    """Look whether the packet has the length that it says, and is filled by its attributes."""
    end = int.from_bytes(datagram[2:4], "big")
    # RFC 2865 3: shorter than it says, "silently discarded"; what is behind its length is padding.
    if not _HEADER <= end <= min(len(datagram), LONGEST_PACKET):
        raise RadiusError("malformed", f"{len(datagram)} octets for a packet of {end}")
    at = _HEADER
    while at < end:
        length = datagram[at + 1] if at + 1 < end else 0
        if length < 2 or at + length > end:
            raise RadiusError("malformed", f"the length of an attribute of type {datagram[at]}")
        at += length


def _attributes(dictionary: Any, packet: Any) -> dict[str, list[Any]]:
    """Give the values of attributes that the dictionary knows."""
    found: dict[str, list[Any]] = {}
    for key in packet.keys():  # noqa: SIM118 - pyrad's keys() gives names, iterating the packet gives numbers
        if isinstance(key, str):
            try:
                values = packet[key]
            except (ValueError, PacketError):
                # RFC 2865 5: with an invalid length "either ... Access-Reject or else silently discarded".
                raise RadiusError("malformed", f"the value of {key}") from None
            if isinstance(values, list):  # an attribute within which there are others is a dict
                found[key] = values
    return found
