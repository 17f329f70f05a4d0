"""Fields of bits, written to octets and read from them (X.691 section 11.1).

A position counts bits from the start of the outermost encoding. Contents of an
open type start on an octet, so that alignment means the same inside and outside.
"""

from dataclasses import dataclass

from sipproxy.wire.per.errors import DecodeError


@dataclass(frozen=True, slots=True)
class Limits:
    """What one encoding may ask of us, whatever it claims to hold.

    @ivar values: sequences, components, items and alternatives in all, nested ones included
    @ivar length: octets, characters, bits or items of one value
    @ivar number: octets of one INTEGER or OBJECT IDENTIFIER; arithmetic on longer ones is not linear
    """

    values: int = 100_000
    length: int = 1 << 20
    number: int = 1024


class BitWriter:
    """Gathers fields of bits, the first one leftmost."""

    __slots__ = ("_octets", "_rest", "_width")

    def __init__(self) -> None:
        self._octets = bytearray()
        self._rest = 0
        self._width = 0

    def bits(self, value: int, width: int) -> None:
        """Append a number as a field of so many bits."""
        gathered = self._rest << width | value
        whole, left = divmod(self._width + width, 8)
        if whole:
            self._octets += (gathered >> left).to_bytes(whole, "big")
            gathered &= (1 << left) - 1
        self._rest, self._width = gathered, left

    def align(self) -> None:
        """Pad with zeros to the next octet."""
        if self._width:
            self.bits(0, 8 - self._width)

    def octets(self, octets: bytes) -> None:
        """Append octets, wherever the last field ended."""
        if self._width:
            self.bits(int.from_bytes(octets, "big"), 8 * len(octets))
        else:
            self._octets += octets

    def finish(self) -> bytes:
        """Give the complete encoding: whole octets, and at least one (X.691 11.1)."""
        self.align()
        return bytes(self._octets) or b"\0"


class BitReader:
    """Takes fields of bits in turn.

    @ivar limits: what the encoding may ask for
    """

    __slots__ = ("_at", "_budget", "_end", "_octets", "limits")

    def __init__(self, octets: bytes, limits: Limits) -> None:
        self.limits = limits
        self._octets = octets
        self._at = 0
        self._end = 8 * len(octets)
        # Shared with the readers of open types within this one.
        self._budget = [limits.values]

    def bits(self, width: int) -> int:
        """Take a field of so many bits as a number.

        @raise DecodeError: there are not so many left
        """
        end = self._at + width
        if end > self._end:
            raise self.error("ends too early")
        field = int.from_bytes(self._octets[self._at >> 3 : (end + 7) >> 3], "big")
        self._at = end
        return field >> (-end & 7) & (1 << width) - 1

    def bit(self) -> int:
        """Take one bit.

        @raise DecodeError: there is none left
        """
        at = self._at
        if at >= self._end:
            raise self.error("ends too early")
        self._at = at + 1
        return self._octets[at >> 3] >> (~at & 7) & 1

    def octet(self) -> int:
        """Take the next whole octet as a number.

        @raise DecodeError: there is none left
        """
        first = (self._at + 7) >> 3
        if 8 * first >= self._end:
            raise self.error("ends too early")
        self._at = 8 * first + 8
        return self._octets[first]

    def octets(self, count: int) -> bytes:
        """Take octets, wherever the last field ended.

        @raise DecodeError: there are not so many left
        """
        if self._at & 7:
            return self.bits(8 * count).to_bytes(count, "big")
        first = self._at >> 3
        self._at += 8 * count
        if self._at > self._end:
            raise self.error("ends too early")
        return self._octets[first : first + count]

    def align(self) -> None:
        """Go on to the next octet. What is skipped is not looked at."""
        self._at = (self._at + 7) & ~7

    def rest(self) -> bytes:
        """Take the octets that are left, from the next whole one on."""
        self.align()
        return self.octets(max(self._end - self._at, 0) >> 3)

    def finish(self) -> bytes:
        """End a complete encoding, which has an octet even where a value takes no bits (X.691 11.1).

        @return: the octets behind it
        """
        if not self._at:
            self._at = min(8, self._end)
        return self.rest()

    def within(self, count: int) -> "BitReader":
        """Take octets as an encoding of its own, which has its share of the same limits.

        @raise DecodeError: there are not so many left
        """
        inner = BitReader(self._octets, self.limits)
        inner._at = self._at
        self.octets(count)
        inner._end, inner._budget = self._at, self._budget
        return inner

    def joined(self, octets: bytes) -> "BitReader":
        """Give a reader of octets that were gathered from pieces, within the same limits."""
        inner = BitReader(octets, self.limits)
        inner._budget = self._budget
        return inner

    def spend(self, values: int) -> None:
        """Count values that are going to be made.

        @raise DecodeError: they are more than the limits allow
        """
        self._budget[0] -= values
        if self._budget[0] < 0:
            raise self.error(f"more than {self.limits.values} values")

    def error(self, reason: str) -> DecodeError:
        """Make the error that tells where reading has come to."""
        return DecodeError(f"octet {self._at >> 3}: {reason}")
