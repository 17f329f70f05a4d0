"""Packed encoding rules (X.691), aligned variant, for pyasn1 types. Pure; knows nothing of H.225.

pyasn1 has types, and BER, CER and DER for them, but no PER. Types are written as
for pyasn1, with three words more (L{sipproxy.wire.per.types}): C{Components}
with the extension marker, C{Extensible} constraints, and C{Undecoded} for what
is kept as octets. L{Codec} works on plain Python values; L{encode} and
L{decode} on pyasn1's, as the codecs of pyasn1 do.

What PER derives from tags is derived from the order in which things are
written: alternatives of a CHOICE and components of a SET are in the order of
their tags already, as they are with AUTOMATIC TAGS.

Encodings are those of BASIC-PER; sections are those of X.691's edition of 2015. Not done: the unaligned variant, REAL,
EMBEDDED PDV, the older character strings, types that hold themselves. The
depth of a value is bounded by its type therefore, all else by L{Limits}.
"""

from sipproxy.wire.per.bits import Limits
from sipproxy.wire.per.codec import Codec, decode, encode
from sipproxy.wire.per.errors import DecodeError, EncodeError, PerError
from sipproxy.wire.per.simple import Bits
from sipproxy.wire.per.structured import Chosen
from sipproxy.wire.per.types import MAX, MIN, Components, Extensible, ExtensibleEnumerated, Undecoded, Unsupported

__all__ = [
    "MAX",
    "MIN",
    "Bits",
    "Chosen",
    "Codec",
    "Components",
    "DecodeError",
    "EncodeError",
    "Extensible",
    "ExtensibleEnumerated",
    "Limits",
    "PerError",
    "Undecoded",
    "Unsupported",
    "decode",
    "encode",
]
