"""RADIUS packets: requests to octets, replies back (RFC 2865, 2866, 2869, with 3579 3.2 and 5080).

Over pyrad, whose packets and dictionaries do the coding of attributes. What is
checked here and not there: that the attributes of a reply fill it exactly, that
its code answers the request, that no value has a wrong length. An
Access-Request always carries a Message-Authenticator, so that nobody on the way
can add to it; of a reply it is checked where there is one, as many servers send
none. A reply that brings a Proxy-State is refused, since we send none.

There is no User-Password, no EAP, no encrypted attribute and no server's side.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pyrad import tools  # type: ignore[import-untyped]
from pyrad.dictionary import Dictionary, ParseError  # type: ignore[import-untyped]
from pyrad.packet import AcctPacket, AuthPacket, Packet, PacketError  # type: ignore[import-untyped]

from sipproxy.errors import SipproxyError

ACCESS_REQUEST = 1
ACCESS_ACCEPT = 2
ACCESS_REJECT = 3
ACCOUNTING_REQUEST = 4
ACCOUNTING_RESPONSE = 5
ACCESS_CHALLENGE = 11

#: Octets of a value, of a vendor's value, and of a packet, at most (RFC 2865 5, 5.26, 3).
LONGEST_VALUE = 253
LONGEST_VENDOR_VALUE = 247
LONGEST_PACKET = 4096

#: The dictionary of the package.
DICTIONARY = Path(__file__).resolve().parent.parent / "data" / "dictionary"

#: An attribute to be sent: its name in the dictionary and its value: octets as they are, text, or a number.
Attribute = tuple[str, object]

_ANSWERS = {
    ACCESS_REQUEST: frozenset({ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE}),
    ACCOUNTING_REQUEST: frozenset({ACCOUNTING_RESPONSE}),
}
_HEADER = 20
_MESSAGE_AUTHENTICATOR = 80
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


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is sent.

    @ivar code: what it asks
    @ivar authenticator: the Request Authenticator, 16 octets
    @ivar data: its octets
    @ivar packet: the same for pyrad
    """

    code: int
    authenticator: bytes
    data: bytes
    packet: Any


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer.

    @ivar code: C{ACCESS_ACCEPT}, ...
    @ivar attributes: values by name, in their order: text (octets where it is not UTF-8), numbers, octets;
        attributes that the dictionary does not know are left out
    """

    code: int
    attributes: Mapping[str, Sequence[Any]]


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


def make_request(
    dictionary: Any,
    code: int,
    identifier: int,
    secret: bytes,
    attributes: Iterable[Attribute],
    authenticator: bytes,
) -> Request:
    """Make an Access-Request with its Message-Authenticator, or an Accounting-Request.

    @param identifier: 0 to 255
    @param attributes: values are of the attribute's type, or octets that go out as they are; one that is empty is
        left out (RFC 2865 5: "Text ... of length zero (0) MUST NOT be sent")
    @param authenticator: 16 unpredictable octets; an Accounting-Request has one computed of itself instead
    @raise KeyError: the dictionary does not know an attribute
    @raise ValueError: a value or the packet is too long
    """
    if code == ACCESS_REQUEST:
        packet = AuthPacket(code, identifier, secret, authenticator, dict=dictionary, message_authenticator=True)
    else:
        packet = AcctPacket(code, identifier, secret, dict=dictionary)
    for name, value in attributes:
        encoded = _encoded(dictionary.attributes[name], value)
        if encoded:
            packet.setdefault(dictionary.attrindex.GetForward(name), []).append(encoded)
    data: bytes = packet.RequestPacket()
    if len(data) > LONGEST_PACKET:
        raise ValueError(f"a RADIUS packet of {len(data)} octets")
    return Request(code, packet.authenticator, data, packet)


def _encoded(attribute: Any, value: object) -> bytes:
    if isinstance(value, bytes):
        # Not through pyrad, which would read octets that begin with "0x" as hexadecimal.
        return value
    if isinstance(value, str) and attribute.values.HasForward(value):
        named: bytes = attribute.values.GetForward(value)
        return named
    encoded: bytes = tools.EncodeAttr(attribute.type, value)
    return encoded


def read_reply(dictionary: Any, request: Request, datagram: bytes) -> Reply:
    """Read what came back with a request's identifier.

    @raise RadiusError: it is damaged, forged, or no answer to this request
    """
    _check_lengths(datagram)
    try:
        packet = Packet(id=0, secret=request.packet.secret, dict=dictionary, packet=datagram)
    except PacketError as error:
        raise RadiusError("malformed", str(error)) from None
    if len(packet.get(_MESSAGE_AUTHENTICATOR, ())) > 1:
        raise RadiusError("malformed", "several Message-Authenticators")
    if not request.packet.VerifyReply(packet):
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
