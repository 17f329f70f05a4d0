"""The way in: encodings of pyasn1 types, of plain values or of pyasn1's own."""

from typing import Any

from pyasn1.error import PyAsn1Error

from sipproxy.wire.per.bits import BitReader, BitWriter, Limits
from sipproxy.wire.per.coders import coder_of
from sipproxy.wire.per.errors import DecodeError
from sipproxy.wire.per.native import from_native, to_native


class Codec:
    """Encodes and decodes plain Python values (L{sipproxy.wire.per.native}) of one type."""

    def __init__(self, spec: Any, limits: Limits = Limits()) -> None:  # noqa: B008 - immutable
        """Take a type apart; done once, encoding and decoding are faster than with L{encode} and L{decode}.

        @param spec: an instance of a pyasn1 type
        @param limits: what an encoding may ask for
        """
        self._coder = coder_of(spec)
        self._limits = limits

    def encode(self, native: Any) -> bytes:
        """Give the complete encoding of a value.

        @raise EncodeError: the type does not have it
        """
        writer = BitWriter()
        self._coder.encode(writer, native)
        return writer.finish()

    def decode(self, octets: bytes) -> tuple[Any, bytes]:
        """Give the value that octets begin with, and the octets that are left.

        @raise DecodeError: there is none, and no other exception whatever the octets
        """
        reader = BitReader(octets, self._limits)
        native = self._coder.decode(reader)
        return native, reader.finish()


def encode(value: Any) -> bytes:
    """Give the complete encoding of a pyasn1 value.

    @raise EncodeError: something in it has no value
    """
    return Codec(value).encode(to_native(value))


def decode(octets: bytes, spec: Any, limits: Limits = Limits()) -> tuple[Any, bytes]:  # noqa: B008 - immutable
    """Give the pyasn1 value that octets begin with, and the octets that are left.

    @param spec: an instance of the type
    @raise DecodeError: there is none
    """
    native, rest = Codec(spec, limits).decode(octets)
    try:
        return from_native(spec, native), rest
    except PyAsn1Error as error:
        # Constraints that pyasn1 knows and PER does not see.
        raise DecodeError(f"not of the type: {error}") from error
