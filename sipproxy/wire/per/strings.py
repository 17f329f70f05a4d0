"""Coders of character strings (X.691 section 30), aligned variant."""

from typing import Any, NamedTuple

from pyasn1.type import char

from sipproxy.wire.per.bits import BitReader, BitWriter
from sipproxy.wire.per.errors import EncodeError
from sipproxy.wire.per.numbers import LARGE, Range, read_octets, read_pieces, write_octets, write_pieces

_PRINTABLE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"


class _Kind(NamedTuple):
    """Characters of a type.

    @ivar characters: all of them; None where each code of its width is one
    @ivar highest: the highest code
    """

    characters: frozenset[str] | None
    highest: int


_KINDS: dict[type, _Kind] = {
    char.NumericString: _Kind(frozenset(" 0123456789"), ord("9")),
    char.PrintableString: _Kind(frozenset(_PRINTABLE), ord("z")),
    char.VisibleString: _Kind(frozenset(map(chr, range(32, 127))), 126),
    char.IA5String: _Kind(frozenset(map(chr, range(128))), 127),
    char.BMPString: _Kind(None, 0xFFFF),
    char.UniversalString: _Kind(None, 0x10FFFF),
}
# By width in bits: how text with one character for each code is written.
_FORMS = {8: "latin-1", 16: "utf-16-be", 32: "utf-32-be"}
_DIGITS = "0123456789abcdef"
# By width in bits: the codes that a hexadecimal digit holds.
_IN_DIGIT = {
    width: {
        ord(digit): "".join(chr(int(digit, 16) >> shift & (1 << width) - 1) for shift in range(4 - width, -1, -width))
        for digit in _DIGITS
    }
    for width in (1, 2, 4)
}


class KnownMultiplierCoder:
    """A string in which each character takes the same number of bits, a power of two.

    Where the alphabet is small a character is written as its place in it, as narrow as that allows. A character that
    does not fit 16 bits is taken in a BMPString as the two codes of UTF-16: not in the standard, but met.
    """

    def __init__(self, spec: char.AbstractCharacterString, alphabet: frozenset[str] | None, size: Range) -> None:
        """Make the coder of a type.

        @param alphabet: the characters that the type is restricted to, if it is
        @param size: the lengths that it allows
        """
        kind = next(kind for base, kind in _KINDS.items() if isinstance(spec, base))
        self._size = size
        self._allowed = alphabet if alphabet is not None else kind.characters
        codes = sorted(map(ord, self._allowed)) if self._allowed is not None else range(kind.highest + 1)
        bits = (len(codes) - 1).bit_length()
        self._width = 1 << (bits - 1).bit_length() if bits else 0
        self._count = len(codes)
        # Where the highest code is wider than the number of characters asks for, places stand for codes (30.5.4).
        self._by_place = codes[-1] >= 1 << self._width
        self._codes = dict(enumerate(codes)) if self._by_place else {}
        self._places = {code: place for place, code in self._codes.items()}
        most = None if size.high is None or size.high >= LARGE or size.extensible else size.high * self._width
        # A string that never fills two octets does not start on one (30.5.6, 30.5.7).
        self._aligned = most is None or (most > 16 if size.low == size.high else most >= 16)

    def encode(self, writer: BitWriter, value: Any) -> None:
        if not isinstance(value, str) or (self._allowed is not None and not self._allowed.issuperset(value)):
            raise EncodeError(f"not of this type: {value!r:.100}")
        number, length = _pack(value.translate(self._places) if self._by_place else value, self._width)
        for piece in write_pieces(writer, length, self._size):
            bits = (piece.stop - piece.start) * self._width
            if self._aligned and bits:
                writer.align()
            writer.bits(number >> (length - piece.stop) * self._width & (1 << bits) - 1, bits)

    def decode(self, reader: BitReader) -> str:
        number = length = 0
        for count in read_pieces(reader, self._size):
            if self._aligned and count:
                reader.align()
            bits = count * self._width
            number = number << bits | reader.bits(bits)
            length += count
        try:
            codes = _unpack(number, length, self._width)
        except UnicodeDecodeError:
            raise reader.error("codes that are no characters") from None
        if self._by_place:
            if codes and ord(max(codes)) >= self._count:
                raise reader.error("a character behind the alphabet")
            return codes.translate(self._codes)
        if self._allowed is not None and not self._allowed.issuperset(codes):
            raise reader.error("a character that the type does not have")
        return codes


class Utf8Coder:
    """UTF8String: its octets, with their number."""

    def encode(self, writer: BitWriter, value: Any) -> None:
        if not isinstance(value, str):
            raise EncodeError(f"no UTF8String: {value!r:.100}")
        write_octets(writer, _encoded(value, "utf-8"))

    def decode(self, reader: BitReader) -> str:
        try:
            return read_octets(reader, reader.limits.length).decode("utf-8")
        except UnicodeDecodeError:
            raise reader.error("octets that are no UTF-8") from None


def _pack(codes: str, width: int) -> tuple[int, int]:
    """Put codes side by side in a number; give their count too."""
    if width >= 8:
        octets = _encoded(codes, _FORMS[width])
        return int.from_bytes(octets, "big"), 8 * len(octets) // width
    if not width or not codes:
        return 0, len(codes)
    return int(codes.translate(dict(enumerate(_DIGITS))), 1 << width), len(codes)


def _unpack(number: int, count: int, width: int) -> str:
    """Take codes out of a number."""
    bits = count * width
    if width >= 8:
        return number.to_bytes(bits // 8, "big").decode(_FORMS[width])
    if not bits:
        return "\0" * count
    # All codes at once: a loop over single ones would take its time for long strings.
    digits = f"{number << -bits % 4:0{(bits + 3) // 4}x}"
    return digits.translate(_IN_DIGIT[width])[:count]


def _encoded(text: str, form: str) -> bytes:
    try:
        return text.encode(form)
    except UnicodeEncodeError:
        raise EncodeError(f"no characters: {text!r:.100}") from None
