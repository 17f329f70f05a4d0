"""HEP3 packets: a captured message and where it was seen, to octets and back. Pure.

The Homer Encapsulation Protocol, version 3 (Homer project, "HEP3 Network Protocol
Specification", rev. 37): a header of six octets, then chunks, each with vendor,
type and length. The reader skips chunks that it does not know, as the
specification asks for.

Not here: compressed payloads, chunks of vendors, and what is no address, port or
payload of a captured packet (VLAN, MAC addresses, quality of voice).
"""

from ipaddress import ip_address
from socket import AF_INET, AF_INET6, AddressFamily, inet_pton
from struct import Struct
from typing import NamedTuple

from sipproxy.errors import SipproxyError

#: The version's mark, and the octets of a packet at most: its length has 16 bits.
MARK = b"HEP3"
LONGEST = 65_535
#: Protocols that are captured (chunk 0x000b).
SIP = 1
#: Protocols below (chunk 0x0002), as IP numbers them.
UDP = 17

Address = tuple[str, int]

_HEADER = Struct("!4sH")
_CHUNK = Struct("!HHH")
_GENERIC = 0
# Types of generic chunks.
_FAMILY, _PROTOCOL = 0x0001, 0x0002
_SOURCE, _DESTINATION = {4: 0x0003, 6: 0x0005}, {4: 0x0004, 6: 0x0006}
_SOURCE_PORT, _DESTINATION_PORT = 0x0007, 0x0008
_SECONDS, _MICROSECONDS = 0x0009, 0x000A
_CAPTURED, _AGENT, _KEY, _PAYLOAD = 0x000B, 0x000C, 0x000E, 0x000F
# The specification names none for IPv6; all senders write Linux' AF_INET6.
_FAMILIES = {4: 2, 6: 10}
# The width of numbers, octets.
_WIDTHS = {
    _FAMILY: 1,
    _PROTOCOL: 1,
    _SOURCE_PORT: 2,
    _DESTINATION_PORT: 2,
    _SECONDS: 4,
    _MICROSECONDS: 4,
    _CAPTURED: 1,
    _AGENT: 4,
}


class HepError(SipproxyError):
    """Octets that are no HEP3 packet; the text is one line."""


class Captured(NamedTuple):
    """A message that was seen on the network.

    @ivar source: C{(host, port)} that it came from, a literal address
    @ivar destination: C{(host, port)} that it went to, of the same family
    @ivar micros: when it was seen, microseconds since 1970
    @ivar payload: its octets
    @ivar agent: number of who has seen it
    @ivar key: what the receiver knows us by, empty for nothing
    @ivar protocol: the protocol below it, L{UDP} where it is that
    @ivar captured: what it is, L{SIP} where it is that
    """

    source: Address
    destination: Address
    micros: int
    payload: bytes
    agent: int
    key: bytes
    protocol: int
    captured: int


class Encoder:
    """Writes the packets of SIP messages on UDP; what is the same in all of them is written once.

    @param agent: number of who has seen the messages
    @param key: what the receiver knows us by, empty for nothing
    @param longest: octets of a packet, at most; a payload that does not fit is cut
    """

    def __init__(self, agent: int, key: bytes = b"", longest: int = LONGEST) -> None:
        self._longest = longest
        key_chunk = _chunk(_KEY, key) if key else b""
        self._tail = _number(_CAPTURED, SIP) + _number(_AGENT, agent) + key_chunk

    def encode(self, source: Address, destination: Address, micros: int, payload: bytes) -> bytes:
        """Write the packet of a message.

        @param source: C{(host, port)} that it came from, a literal address
        @param destination: C{(host, port)} that it went to, of the same family
        @param micros: when it was seen, microseconds since 1970
        @raise ValueError: an address is not literal, or they are of two families
        """
        form = _FORMS[6 if ":" in source[0] else 4]
        seconds, rest = divmod(micros, 1_000_000)
        room = self._longest - form.size - len(self._tail) - _CHUNK.size
        tail = self._tail + _chunk(_PAYLOAD, payload[:room])
        return form.write(source, destination, seconds, rest, form.size + len(tail)) + tail


class _Form:
    """What stands before the chunks that are the same in all packets: one layout for each family of addresses.

    @ivar size: its octets
    """

    def __init__(self, version: int, family: AddressFamily, width: int) -> None:
        self._family = family
        self._constant = _number(_FAMILY, _FAMILIES[version]) + _number(_PROTOCOL, UDP)
        self._heads = (
            _head(_SOURCE[version], width),
            _head(_DESTINATION[version], width),
            *(_head(kind, _WIDTHS[kind]) for kind in (_SOURCE_PORT, _DESTINATION_PORT, _SECONDS, _MICROSECONDS)),
        )
        # One struct for all of it: a packet is made for each message that passes.
        self._layout = Struct(f"!4sH{len(self._constant)}s6s{width}s6s{width}s6sH6sH6sI6sI")
        self.size = self._layout.size

    def write(self, source: Address, destination: Address, seconds: int, micros: int, length: int) -> bytes:
        """Write it.

        @param length: octets of the whole packet
        @raise ValueError: an address is none of the family
        """
        sender, receiver = self._packed(source[0]), self._packed(destination[0])
        a, b, c, d, e, f = self._heads
        return self._layout.pack(
            MARK, length, self._constant,
            a, sender, b, receiver, c, source[1], d, destination[1], e, seconds, f, micros,
        )  # fmt: skip

    def _packed(self, host: str) -> bytes:
        try:
            return inet_pton(self._family, host.partition("%")[0])  # a zone means nothing elsewhere
        except OSError:
            raise ValueError(f"{host!a} is no address of {self._family.name}") from None


def decode(packet: bytes) -> Captured:
    """Read a packet.

    @raise HepError: it is none, or lacks an address, a port, the time or the payload
    """
    chunks = _chunks(packet)
    found: dict[int, bytes] = {kind: value for vendor, kind, value in chunks if vendor == _GENERIC}
    families = [version for version in _FAMILIES if _SOURCE[version] in found and _DESTINATION[version] in found]
    if not families:
        raise HepError("there are no addresses")
    version = families[0]
    return Captured(
        (_address(found, _SOURCE[version]), _value(found, _SOURCE_PORT)),
        (_address(found, _DESTINATION[version]), _value(found, _DESTINATION_PORT)),
        _value(found, _SECONDS) * 1_000_000 + _value(found, _MICROSECONDS),
        _octets(found, _PAYLOAD),
        _value(found, _AGENT),
        found.get(_KEY, b""),
        _value(found, _PROTOCOL),
        _value(found, _CAPTURED),
    )


def _chunks(packet: bytes) -> list[tuple[int, int, bytes]]:
    """Take a packet apart: vendor, type and value of each chunk."""
    if len(packet) < _HEADER.size:
        raise HepError(f"{len(packet)} octets are no packet")
    mark, length = _HEADER.unpack_from(packet)
    if mark != MARK:
        raise HepError(f"it begins with {mark!r}")
    if length != len(packet):
        raise HepError(f"{len(packet)} octets for a packet of {length}")
    found, at = [], _HEADER.size
    while at < length:
        if length - at < _CHUNK.size:
            raise HepError("the last chunk has no head")
        vendor, kind, size = _CHUNK.unpack_from(packet, at)
        if not _CHUNK.size <= size <= length - at:
            raise HepError(f"the length of chunk {kind:#06x}")
        found.append((vendor, kind, packet[at + _CHUNK.size : at + size]))
        at += size
    return found


def _octets(found: dict[int, bytes], kind: int) -> bytes:
    if kind not in found:
        raise HepError(f"chunk {kind:#06x} is missing")
    return found[kind]


def _value(found: dict[int, bytes], kind: int) -> int:
    octets = _octets(found, kind)
    if len(octets) != _WIDTHS[kind]:
        raise HepError(f"the length of chunk {kind:#06x}")
    return int.from_bytes(octets, "big")


def _address(found: dict[int, bytes], kind: int) -> str:
    octets = _octets(found, kind)
    if len(octets) != (4 if kind in (_SOURCE[4], _DESTINATION[4]) else 16):
        raise HepError(f"the length of chunk {kind:#06x}")
    return str(ip_address(octets))


def _head(kind: int, size: int) -> bytes:
    return _CHUNK.pack(_GENERIC, kind, _CHUNK.size + size)


def _chunk(kind: int, value: bytes) -> bytes:
    return _head(kind, len(value)) + value


def _number(kind: int, value: int) -> bytes:
    return _chunk(kind, value.to_bytes(_WIDTHS[kind], "big"))


_FORMS = {4: _Form(4, AF_INET, 4), 6: _Form(6, AF_INET6, 16)}
