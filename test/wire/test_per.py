"""Encodings that can be worked out by hand from X.691, limits, and what is no value of a type."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyasn1.type import char, univ, useful
from pyasn1.type.constraint import (
    ConstraintsExclusion,
    ConstraintsIntersection,
    ConstraintsUnion,
    PermittedAlphabetConstraint,
    SingleValueConstraint,
    ValueRangeConstraint,
    ValueSizeConstraint,
)
from pyasn1.type.namedtype import NamedType, OptionalNamedType
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.wire.per import (
    MAX,
    Bits,
    Chosen,
    Codec,
    Components,
    DecodeError,
    EncodeError,
    Extensible,
    Limits,
    Undecoded,
    Unsupported,
    decode,
    encode,
)
from sipproxy.wire.per.build import bit_string, bmp_string, ia5_string, integer, list_of, octet_string
from test.wire.schema import TYPES


def constrained(kind: Any, *constraints: Any) -> Any:
    """Give a type with constraints."""
    return kind(subtypeSpec=ConstraintsIntersection(*constraints))


class Pair(univ.Sequence):
    """A bit, then something that starts on another one."""

    componentType = Components(NamedType("first", univ.Boolean()), NamedType("second", octet_string(0, 7)))


class Many(univ.Sequence):
    """More additions than a small length counts."""

    componentType = Components(..., *(OptionalNamedType(f"n{place}", integer(0, 255)) for place in range(70)))


class Strange(univ.Choice):
    """Alternatives that are not looked into."""

    componentType = Components(
        NamedType("unsupported", Unsupported()),
        NamedType("open", univ.Any()),
        ...,
        NamedType("undecoded", Undecoded()),
        NamedType("nothing", univ.Null()),
    )


class EncodingTests(SynchronousTestCase):
    """Values and their octets."""

    def see(self, spec: Any, value: Any, octets: str) -> None:
        """Check both directions."""
        codec = Codec(spec)
        self.assertEqual(codec.encode(value).hex(), octets)
        self.assertEqual(codec.decode(bytes.fromhex(octets)), (value, b""))

    def test_semi_constrained(self) -> None:
        """A number with a lower bound alone is its distance from it (11.7)."""
        self.see(integer(7, MAX), 7, "0100")
        self.see(integer(7, MAX), 300, "020125")
        self.see(integer(-300, MAX), -300, "0100")

    def test_single_values(self) -> None:
        """A range is as wide as what a type allows, however that is said."""
        even = ConstraintsUnion(SingleValueConstraint(2, 4), ValueRangeConstraint(6, 9))
        self.see(constrained(univ.Integer, even), 9, "e0")
        self.see(constrained(univ.Integer, ValueRangeConstraint(0, 100), ValueRangeConstraint(2, MAX)), 2, "00")
        self.see(constrained(univ.Integer, ConstraintsExclusion(SingleValueConstraint(3))), 4, "0104")
        self.see(constrained(univ.Integer, ConstraintsUnion(ValueRangeConstraint(0, MAX), even)), 4, "0104")

    def test_last_constraint(self) -> None:
        """Of several constraints the last one says whether other values may come."""
        extensible = Extensible(ValueRangeConstraint(0, 7))
        self.see(constrained(univ.Integer, extensible, ValueRangeConstraint(0, 3)), 3, "c0")
        self.see(constrained(univ.Integer, ValueRangeConstraint(0, 7), Extensible(ValueRangeConstraint(0, 3))), 3, "60")

    def test_alignment(self) -> None:
        """The octets of a string start on an octet, and there is no padding before none."""
        self.see(Pair(), {"first": True, "second": b"\x12\x34"}, "a01234")
        self.see(Pair(), {"first": True, "second": b""}, "80")

    def test_nothing(self) -> None:
        """A complete encoding has an octet, in an open type too (11.1)."""
        self.see(univ.Null(), None, "00")
        self.see(integer(5, 5), 5, "00")
        self.see(Strange(), Chosen("nothing", None), "810100")

    def test_open_types(self) -> None:
        """What is not looked into keeps its octets, with one length before them."""
        self.see(Strange(), Chosen("undecoded", b"\1\2\3"), "8003010203")
        self.see(Strange(), Chosen("open", b"\1\2\3"), "4003010203")
        self.assertRaises(EncodeError, Codec(Strange()).encode, Chosen("unsupported", None))
        self.assertRaises(DecodeError, Codec(Strange()).decode, b"\0")

    def test_many_additions(self) -> None:
        """A bitmap of more than 64 bits has a length of its own kind (11.9.3.4)."""
        self.see(Many(), {"n0": 7, "n69": 8}, "c046" + "80" + "00" * 7 + "04" + "0107" + "0108")
        self.see(Many(), {}, "00")

    def test_extensible_sizes(self) -> None:
        """A length that only the extension allows is written as if there were no constraint."""
        size = Extensible(ValueSizeConstraint(2, 4))
        self.see(constrained(univ.BitString, size), Bits(5, 3), "20" + "a0")
        self.see(constrained(univ.BitString, size), Bits(5, 7), "80" + "07" + "0a")
        self.see(constrained(univ.OctetString, size), b"abcde", "80" + "05" + "6162636465")
        self.see(constrained(char.IA5String, size), "abc", "20" + "616263")

    def test_alphabets(self) -> None:
        """A character takes as many bits, a power of two, as its alphabet asks for."""
        self.see(ia5_string(1, 128, "0123456789#*,"), "09#*,", "08" + "3c012" + "0")
        self.see(ia5_string(3, 3, "ab"), "aba", "40")
        self.see(ia5_string(2, 2, "a"), "aa", "00")
        self.see(
            constrained(char.UniversalString, PermittedAlphabetConstraint("a", "\U0001f600")), "a\U0001f600", "0240"
        )
        self.see(constrained(char.BMPString, PermittedAlphabetConstraint(*map(chr, range(256, 296)))), "\u0101", "0101")
        self.see(bmp_string(1, 256), "\U0001f600", "01d83dde00")

    def test_times(self) -> None:
        """Times are the VisibleStrings that they are made of."""
        self.see(useful.UTCTime(), "9912312359Z", "0b" + b"9912312359Z".hex())

    def test_unknown_types(self) -> None:
        """A type whose encoding is not known is refused when the codec is made."""
        for spec in (univ.Real(), char.TeletexString(), list_of(char.GraphicString())):
            self.assertRaises(TypeError, Codec, spec)

    def test_one_marker(self) -> None:
        """There is one extension marker at most."""
        self.assertRaises(ValueError, Components, ..., NamedType("a", univ.Null()), ...)

    def test_rest(self) -> None:
        """What stands behind the value is given back."""
        self.assertEqual(Codec(integer(0, 7)).decode(b"\xe0more"), (7, b"more"))
        self.assertEqual(decode(b"\xe0more", integer(0, 7)), (7, b"more"))

    def test_padded_addition(self) -> None:
        """Octets behind the value of an addition are skipped with it."""
        self.assertEqual(Codec(TYPES["Choice"]).decode(bytes.fromhex("800401024444")), (("d", 258), b""))


class RefusalTests(SynchronousTestCase):
    """What is no value, and what is no encoding."""

    def test_no_values(self) -> None:
        """A value that its type does not have is an EncodeError, of whatever type it is."""
        refused: tuple[tuple[Any, tuple[Any, ...]], ...] = (
            (integer(0, 7), (8, -1, "1", None, 1.0)),
            (integer(0, MAX), (-1,)),
            (univ.Boolean(), (1, None)),
            (univ.Null(), (False, "")),
            (octet_string(1, 2), (b"", b"123", "1", None)),
            (bit_string(1, 2), (Bits(0, 0), Bits(0, 3), Bits(4, 2), Bits(-1, 2), b"1", 1)),
            (ia5_string(1, 2, "ab"), ("", "aaa", "c", b"a", None)),
            (char.IA5String(), ("\u00fc",)),
            (bmp_string(1, 2), ("abc", "\ud800")),
            (char.UTF8String(), ("\ud800", b"a")),
            (univ.ObjectIdentifier(), ((), (1,), (3, 1), (1, 40), (1, -1), "1.2")),
            (list_of(univ.Null()), (None, "", (1,), {})),
            (Pair(), ({"first": True}, {"first": True, "second": b"", "third": 1}, [], None)),
            (Strange(), ("open", ("else", None), ("open",), None, Chosen("", b"1"))),
            (TYPES["Others"].componentType.getTypeByPosition(1), ("w", 1, None)),
        )
        for spec, values in refused:
            for value in values:
                self.assertRaises(EncodeError, Codec(spec).encode, value)

    def test_no_encodings(self) -> None:
        """Octets that are no encoding are a DecodeError."""
        for spec, octets in (
            (integer(0, 4), "e0"),
            (integer(0, 65536), "80ffffff"),
            (univ.Integer(), "00"),
            (integer(-1000, -1), ""),
            (constrained(univ.Integer, ValueRangeConstraint(-MAX, 7)), "0108"),
            (octet_string(2, 4), "c0"),
            (octet_string(2, MAX), "0141"),
            (univ.OctetString(), "c5"),
            (univ.OctetString(), "c0"),
            (univ.OctetString(), "8401"),
            (char.IA5String(), "0180"),
            (ia5_string(3, 3, "abc"), "fc"),
            (constrained(char.UniversalString, PermittedAlphabetConstraint("a", "b", "\U0001f600")), "01c0"),
            (char.UniversalString(), "0100110000"),
            (bmp_string(1, 256), "00d800"),
            (char.UTF8String(), "01ff"),
            (univ.ObjectIdentifier(), "00"),
            (univ.ObjectIdentifier(), "0180"),
            (Many(), "c000"),
            (Many(), "c0c1"),
        ):
            self.assertRaises(DecodeError, Codec(spec).decode, bytes.fromhex(octets))

    def test_limits(self) -> None:
        """What claims to be larger than the limits is refused before it is made."""
        limits = Limits(values=10, length=20_000, number=4)
        self.assertEqual(len(Codec(list_of(univ.Null()), limits).decode(b"\x0a")[0]), 10)
        for spec, octets in (
            (list_of(univ.Null()), b"\x0b"),
            (list_of(univ.Null()), b"\xc1"),
            (list_of(list_of(univ.Null())), b"\x04\x03\x03\x03\x03"),
            (ia5_string(0, MAX, "a"), b"\xc2" * 1000),
            (univ.OctetString(), b"\xc2" + bytes(40000)),
            (univ.Integer(), b"\x05" + bytes(5)),
            (univ.ObjectIdentifier(), b"\x05" + bytes(5)),
            (Many(), bytes.fromhex("c046") + b"\xff" * 9 + b"\1\0" * 70),
        ):
            self.assertRaises(DecodeError, Codec(spec, limits).decode, octets)

    def test_pyasn1_constraints(self) -> None:
        """A constraint that PER does not see is seen by pyasn1."""
        spec = constrained(univ.Integer, ValueRangeConstraint(0, 7), ConstraintsExclusion(SingleValueConstraint(3)))
        self.assertRaises(DecodeError, decode, b"\x60", spec)

    def test_no_pyasn1_value(self) -> None:
        """A pyasn1 object in which something is missing has no encoding."""
        pair = Pair()
        pair["first"] = True
        for value in (pair, Pair(), Strange(), univ.Integer(), list_of(univ.Null())):
            self.assertRaises(EncodeError, encode, value)

    @given(st.sampled_from(sorted(TYPES)), st.binary(max_size=60))
    def test_any_octets(self, name: str, octets: bytes) -> None:
        """Octets by chance are a value, which comes back when encoded, or a DecodeError."""
        codec = Codec(TYPES[name])
        try:
            value, _ = codec.decode(octets)
        except DecodeError:
            return
        try:
            encoding = codec.encode(value)
        except EncodeError:
            # An unknown alternative or name is read, and cannot be written.
            return
        self.assertEqual(codec.decode(encoding), (value, b""))
