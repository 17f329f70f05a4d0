"""Whole numbers and lengths (X.691 sections 11.3 to 11.9), aligned variant.

A length may come in pieces: who writes or reads something of a length walks
through the pieces that L{write_pieces} and L{read_pieces} give.
"""

from collections.abc import Iterator
from typing import NamedTuple

from sipproxy.wire.per.bits import BitReader, BitWriter
from sipproxy.wire.per.errors import EncodeError

#: A length below this that a type sets is written in as few bits as it takes; above, in pieces.
LARGE = 65536
_PIECE = 16384
_MOST_PIECES = 4
_SMALL = 64


class Range(NamedTuple):
    """The numbers, or lengths, that a type allows.

    @ivar low: the lowest, None for any
    @ivar high: the highest, None for any
    @ivar extensible: others may come, which are marked by a bit
    """

    low: int | None = None
    high: int | None = None
    extensible: bool = False

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        return (self.low is None or self.low <= number) and (self.high is None or number <= self.high)


#: Lengths of which a type says nothing.
ANY_LENGTH = Range(0, None)


def write_constrained(writer: BitWriter, number: int, low: int, high: int) -> None:
    """Write a number that lies between two bounds (11.5)."""
    span, offset = high - low + 1, number - low
    if span <= 255:
        writer.bits(offset, (span - 1).bit_length())
    elif span <= LARGE:
        writer.align()
        writer.bits(offset, 8 if span == 256 else 16)
    else:
        octets = _magnitude(offset)
        write_constrained(writer, len(octets), 1, _octets_of(span - 1))
        writer.align()
        writer.octets(octets)


def read_constrained(reader: BitReader, low: int, high: int) -> int:
    """Read a number that lies between two bounds (11.5)."""
    span = high - low + 1
    if span <= 255:
        offset = reader.bits((span - 1).bit_length())
    elif span <= LARGE:
        reader.align()
        offset = reader.bits(8 if span == 256 else 16)
    else:
        count = read_constrained(reader, 1, _octets_of(span - 1))
        reader.align()
        offset = reader.bits(8 * count)
    if offset >= span:
        raise reader.error(f"{low + offset} is more than {high}")
    return low + offset


def write_small(writer: BitWriter, number: int) -> None:
    """Write a number that is small as a rule, but has no highest value (11.6)."""
    if number < _SMALL:
        writer.bits(number, 7)
    else:
        writer.bits(1, 1)
        write_integer(writer, number, Range(0))


def read_small(reader: BitReader) -> int:
    """Read a number that is small as a rule, but has no highest value (11.6)."""
    if not reader.bit():
        return reader.bits(6)
    return read_integer(reader, Range(0))


def write_integer(writer: BitWriter, number: int, within: Range) -> None:
    """Write a number that has at most one bound (11.7, 11.8)."""
    octets = _magnitude(number - within.low) if within.low is not None else _signed(number)
    write_octets(writer, octets)


def read_integer(reader: BitReader, within: Range) -> int:
    """Read a number that has at most one bound (11.7, 11.8)."""
    octets = read_octets(reader, reader.limits.number)
    if not octets:
        raise reader.error("a number of no octets")
    number = within.low + int.from_bytes(octets, "big") if within.low is not None else _from_signed(octets)
    if number not in within:
        raise reader.error("a number above the highest")
    return number


def write_octets(writer: BitWriter, octets: bytes) -> None:
    """Write octets with their length before them."""
    for piece in write_pieces(writer, len(octets), ANY_LENGTH):
        writer.octets(octets[piece])


def read_octets(reader: BitReader, most: int) -> bytes:
    """Read octets with their length before them.

    @param most: the most that are taken
    """
    count, more = _read_length(reader)
    octets = reader.octets(count)
    while more and len(octets) <= most:
        count, more = _read_length(reader)
        octets += reader.octets(count)
    if len(octets) > most:
        raise reader.error(f"longer than {most}")
    return octets


def read_contents(reader: BitReader) -> BitReader:
    """Read the length of an encoding that is the contents of an open type, and give the reader of it."""
    count, more = _read_length(reader)
    if not more:
        return reader.within(count)
    return reader.joined(reader.octets(count) + read_octets(reader, reader.limits.length))


def write_pieces(writer: BitWriter, length: int, within: Range) -> Iterator[slice]:
    """Write a length, in as many pieces as it takes; what has the length is written between them.

    @return: for each piece, which part of it comes next
    @raise EncodeError: the type has no value of this length
    """
    if within.extensible:
        writer.bits(length not in within, 1)
        within = within if length in within else ANY_LENGTH
    if length not in within:
        raise EncodeError(f"a length of {length} is not from {within.low} to {within.high}")
    if within.high is not None and within.high < LARGE:
        write_constrained(writer, length, within.low or 0, within.high)
        yield slice(0, length)
        return
    at = 0
    while (count := min((length - at) // _PIECE, _MOST_PIECES)) > 0:
        writer.align()
        writer.bits(0xC0 | count, 8)
        yield slice(at, at + count * _PIECE)
        at += count * _PIECE
    _write_length(writer, length - at)
    yield slice(at, length)


def read_pieces(reader: BitReader, within: Range) -> Iterator[int]:
    """Read a length, in as many pieces as it has; what has the length is read between them.

    @return: the length of each piece
    """
    if within.extensible and reader.bit():
        within = ANY_LENGTH
    if within.high is not None and within.high < LARGE:
        length = read_constrained(reader, within.low or 0, within.high)
        _see_length(reader, length)
        yield length
        return
    total, more = 0, True
    while more:
        count, more = _read_length(reader)
        total += count
        _see_length(reader, total)
        yield count
    if total not in within:
        raise reader.error(f"a length of {total} is not from {within.low} to {within.high}")


def write_small_length(writer: BitWriter, length: int) -> None:
    """Write the length of a bitmap (11.9.3.4): one or more, and few as a rule."""
    if length <= _SMALL:
        writer.bits(length - 1, 7)
    else:
        writer.bits(1, 1)
        _write_length(writer, length)


def read_small_length(reader: BitReader) -> int:
    """Read the length of a bitmap (11.9.3.4)."""
    if not reader.bit():
        return reader.bits(6) + 1
    length, more = _read_length(reader)
    if more or not length:
        raise reader.error("no length of a bitmap")
    return length


def _write_length(writer: BitWriter, length: int) -> None:
    writer.align()
    if length < 128:
        writer.bits(length, 8)
    else:
        writer.bits(0x8000 | length, 16)


def _read_length(reader: BitReader) -> tuple[int, bool]:
    """Give the length of the next piece, and whether another one follows it."""
    first = reader.octet()
    if first < 0x80:
        return first, False
    if first < 0xC0:
        return (first & 0x3F) << 8 | reader.octet(), False
    count = first & 0x3F
    if not 1 <= count <= _MOST_PIECES:
        raise reader.error("no length")
    return count * _PIECE, True


def _see_length(reader: BitReader, length: int) -> None:
    if length > reader.limits.length:
        raise reader.error(f"longer than {reader.limits.length}")


def _octets_of(number: int) -> int:
    return max((number.bit_length() + 7) // 8, 1)


def _magnitude(number: int) -> bytes:
    return number.to_bytes(_octets_of(number), "big")


def _signed(number: int) -> bytes:
    # The sign takes a bit; the complement of a negative number has as many others as the number.
    significant = number if number >= 0 else ~number
    return number.to_bytes(significant.bit_length() // 8 + 1, "big", signed=True)


def _from_signed(octets: bytes) -> int:
    return int.from_bytes(octets, "big", signed=True)
