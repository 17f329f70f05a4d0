"""Coders of the simple types but character strings (X.691 sections 12 to 14, 16 to 18 and 24).

A coder turns a plain Python value into the encoding of its type, and back.
"""

from typing import Any, NamedTuple, Protocol

from sipproxy.wire.per.bits import BitReader, BitWriter
from sipproxy.wire.per.errors import EncodeError
from sipproxy.wire.per.numbers import (
    LARGE,
    Range,
    read_constrained,
    read_integer,
    read_octets,
    read_pieces,
    read_small,
    write_constrained,
    write_integer,
    write_octets,
    write_pieces,
    write_small,
)


class Coder(Protocol):
    """Writes and reads the values of one type."""

    def encode(self, writer: BitWriter, value: Any) -> None:
        """Write a value.

        @raise EncodeError: the type does not have it
        """

    def decode(self, reader: BitReader) -> Any:
        """Read a value.

        @raise DecodeError: there is none
        """


class Bits(NamedTuple):
    """A value of a BIT STRING.

    @ivar number: the bits as a number, the first one leftmost
    @ivar length: how many they are
    """

    number: int
    length: int


class BooleanCoder:
    """BOOLEAN: a bit."""

    def encode(self, writer: BitWriter, value: Any) -> None:
        if not isinstance(value, bool):
            raise EncodeError(f"no BOOLEAN: {value!r:.100}")
        writer.bits(value, 1)

    def decode(self, reader: BitReader) -> bool:
        return reader.bit() == 1


class NullCoder:
    """NULL: nothing."""

    def encode(self, writer: BitWriter, value: Any) -> None:
        if value is not None:
            raise EncodeError(f"no NULL: {value!r:.100}")

    def decode(self, reader: BitReader) -> None:
        return None


class UnsupportedCoder:
    """A type that is not known, under its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def encode(self, writer: BitWriter, value: Any) -> None:
        raise EncodeError(f"no encoding is known of {self._name}")

    def decode(self, reader: BitReader) -> Any:
        raise reader.error(f"no encoding is known of {self._name}")


class UndecodedCoder:
    """Octets as they came; whoever stands outside has written, or read, how many they are."""

    def encode(self, writer: BitWriter, value: Any) -> None:
        writer.octets(_octets(value))

    def decode(self, reader: BitReader) -> bytes:
        return reader.rest()


class OpenTypeCoder:
    """An open type: the octets of the encoding within it."""

    def encode(self, writer: BitWriter, value: Any) -> None:
        write_octets(writer, _octets(value))

    def decode(self, reader: BitReader) -> bytes:
        return read_octets(reader, reader.limits.length)


class IntegerCoder:
    """INTEGER, with two bounds, one or none."""

    def __init__(self, within: Range) -> None:
        self._within = within

    def encode(self, writer: BitWriter, value: Any) -> None:
        within = self._within
        if not isinstance(value, int):
            raise EncodeError(f"no INTEGER: {value!r:.100}")
        if within.extensible:
            writer.bits(value not in within, 1)
            within = within if value in within else Range()
        if value not in within:
            raise EncodeError(f"{value} is not from {within.low} to {within.high}")
        if within.low is not None and within.high is not None:
            write_constrained(writer, value, within.low, within.high)
        else:
            write_integer(writer, value, within)

    def decode(self, reader: BitReader) -> int:
        low, high, extensible = self._within
        if extensible and reader.bit():
            return read_integer(reader, Range())
        if low is not None and high is not None:
            return read_constrained(reader, low, high)
        return read_integer(reader, self._within)


class EnumeratedCoder:
    """ENUMERATED: the place of a name in the order of the numbers.

    A name that is not known, behind an extension marker, is read as "".
    """

    def __init__(self, names: list[str], root: int, extensible: bool) -> None:
        self._names, self._root, self._extensible = names, root, extensible
        self._places = {name: place for place, name in enumerate(names)}

    def encode(self, writer: BitWriter, value: Any) -> None:
        place = self._places.get(value)
        if place is None:
            raise EncodeError(f"not among {', '.join(self._names)}: {value!r:.100}")
        write_index(writer, place, self._root, self._extensible)

    def decode(self, reader: BitReader) -> str:
        place = read_index(reader, self._root, self._extensible)
        return self._names[place] if place < len(self._names) else ""


class OctetStringCoder:
    """OCTET STRING; a fixed one of one or two octets starts on any bit."""

    def __init__(self, size: Range) -> None:
        self._size = size
        self._aligned = size.extensible or size.low != size.high or size.high is None or size.high > 2
        # Most are of one length, and need not be asked for pieces.
        self._fixed = size.high if size.low == size.high and not size.extensible and (size.high or 0) < LARGE else None

    def encode(self, writer: BitWriter, value: Any) -> None:
        octets = _octets(value)
        for piece in write_pieces(writer, len(octets), self._size):
            if self._aligned and octets[piece]:
                writer.align()
            writer.octets(octets[piece])

    def decode(self, reader: BitReader) -> bytes:
        if self._fixed is not None:
            if self._aligned:
                reader.align()
            return reader.octets(self._fixed)
        pieces = []
        for count in read_pieces(reader, self._size):
            if self._aligned and count:
                reader.align()
            pieces.append(reader.octets(count))
        return b"".join(pieces)


class BitStringCoder:
    """BIT STRING; a fixed one of up to 16 bits starts on any bit."""

    def __init__(self, size: Range) -> None:
        self._size = size
        self._aligned = size.extensible or size.low != size.high or size.high is None or size.high > 16

    def encode(self, writer: BitWriter, value: Any) -> None:
        if not isinstance(value, Bits) or value.number.bit_length() > value.length or value.number < 0:
            raise EncodeError(f"no BIT STRING: {value!r:.100}")
        for piece in write_pieces(writer, value.length, self._size):
            width = piece.stop - piece.start
            if self._aligned and width:
                writer.align()
            writer.bits(value.number >> (value.length - piece.stop) & (1 << width) - 1, width)

    def decode(self, reader: BitReader) -> Bits:
        number = length = 0
        for width in read_pieces(reader, self._size):
            if self._aligned and width:
                reader.align()
            number = number << width | reader.bits(width)
            length += width
        return Bits(number, length)


class ObjectIdentifierCoder:
    """OBJECT IDENTIFIER: the contents that BER has (X.690 8.19), with a length."""

    def encode(self, writer: BitWriter, value: Any) -> None:
        if not isinstance(value, tuple) or len(value) < 2 or min(value) < 0 or value[0] > 2:
            raise EncodeError(f"no OBJECT IDENTIFIER: {value!r:.100}")
        if value[0] < 2 and value[1] > 39:
            raise EncodeError(f"no OBJECT IDENTIFIER: {value!r:.100}")
        numbers = (40 * value[0] + value[1], *value[2:])
        write_octets(writer, b"".join(map(_base_128, numbers)))

    def decode(self, reader: BitReader) -> tuple[int, ...]:
        octets = read_octets(reader, reader.limits.number)
        if not octets or octets[-1] & 0x80:
            raise reader.error("no OBJECT IDENTIFIER")
        numbers, number = [], 0
        for octet in octets:
            number = number << 7 | octet & 0x7F
            if not octet & 0x80:
                numbers.append(number)
                number = 0
        first = min(numbers[0] // 40, 2)
        return (first, numbers[0] - 40 * first, *numbers[1:])


def write_index(writer: BitWriter, place: int, root: int, extensible: bool) -> None:
    """Write which name or alternative it is: of those before the marker, or behind it (X.691 14, 23)."""
    if extensible:
        writer.bits(place >= root, 1)
    if place < root:
        write_constrained(writer, place, 0, root - 1)
    else:
        write_small(writer, place - root)


def read_index(reader: BitReader, root: int, extensible: bool) -> int:
    """Read which name or alternative it is; those behind the marker follow those before it."""
    if extensible and reader.bit():
        return root + read_small(reader)
    return read_constrained(reader, 0, root - 1)


def _octets(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise EncodeError(f"no octets: {value!r:.100}")
    return value


def _base_128(number: int) -> bytes:
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.append(number & 0x7F | 0x80)
    return bytes(reversed(octets))
