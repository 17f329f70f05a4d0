"""One small ASN.1 module twice: as text for asn1tools, and as pyasn1 types for our codec.

Left out is what asn1tools does otherwise than X.691: lower bounds without upper ones (it writes the number, not its
distance), a NULL in an open type (it gives no octet, 11.1 asks for one), BIT STRINGs with an extensible size.
"""

from typing import Any

from pyasn1.type import char, univ
from pyasn1.type.constraint import (
    ConstraintsIntersection,
    PermittedAlphabetConstraint,
    ValueRangeConstraint,
    ValueSizeConstraint,
)
from pyasn1.type.namedtype import DefaultedNamedType, NamedType, OptionalNamedType
from pyasn1.type.namedval import NamedValues

from sipproxy.wire.per import MIN, Components, Extensible, ExtensibleEnumerated
from sipproxy.wire.per.build import bit_string, bmp_string, ia5_string, integer, list_of, octet_string

TEXT = """
Small DEFINITIONS AUTOMATIC TAGS ::= BEGIN

Numbers ::= SEQUENCE {
    shift BOOLEAN, a INTEGER (0..254), b INTEGER (1..256), c INTEGER (0..65535), d INTEGER (0..65536),
    e INTEGER (-5..4294967295), f INTEGER (3..3), g INTEGER (MIN..7), h INTEGER, i INTEGER (0..10, ...),
    j INTEGER (1..18446744073709551615)
}
Octets ::= SEQUENCE {
    shift BOOLEAN, a OCTET STRING (SIZE (1)), b OCTET STRING (SIZE (2)), again BOOLEAN, c OCTET STRING (SIZE (3)),
    d OCTET STRING (SIZE (0..1)), e OCTET STRING (SIZE (0..300)), f OCTET STRING, g OCTET STRING (SIZE (2..4, ...))
}
Bits ::= SEQUENCE {
    shift BOOLEAN, a BIT STRING (SIZE (5)), b BIT STRING (SIZE (16)), again BOOLEAN, c BIT STRING (SIZE (17)),
    d BIT STRING (SIZE (0..9)), e BIT STRING (SIZE (0..300)), f BIT STRING
}
Texts ::= SEQUENCE {
    shift BOOLEAN, a IA5String (SIZE (1..128)) (FROM ("0123456789#*,")), b IA5String (SIZE (2)), again BOOLEAN,
    c IA5String (SIZE (0..1)), d IA5String (SIZE (1..2)), e IA5String, f BMPString (SIZE (1..256)),
    g BMPString (SIZE (1)), h NumericString (SIZE (1..4)), i NumericString (SIZE (3..4)), j NumericString (SIZE (4)),
    k PrintableString, l VisibleString (SIZE (0..300)), m UTF8String, n IA5String (FROM ("abc")),
    o IA5String (SIZE (0..20)) (FROM ("ab"))
}
Others ::= SEQUENCE {
    shift BOOLEAN, a ENUMERATED { x, y, z }, b ENUMERATED { p, q, ..., r, s }, c OBJECT IDENTIFIER, d NULL,
    e SEQUENCE (SIZE (1..3)) OF INTEGER (0..7), f SEQUENCE OF NULL, g SET OF BOOLEAN
}
Extended ::= SEQUENCE {
    a BOOLEAN OPTIONAL, b INTEGER (0..7) DEFAULT 3, ..., c INTEGER (0..7), d BOOLEAN OPTIONAL,
    e SEQUENCE { f BOOLEAN, ..., g BOOLEAN } OPTIONAL
}
Older ::= SEQUENCE { a BOOLEAN OPTIONAL, b INTEGER (0..7) DEFAULT 3, ... }
Choice ::= CHOICE { a BOOLEAN, b INTEGER (0..300), c NULL, ..., d INTEGER (0..300), e CHOICE { a BOOLEAN } }
OlderChoice ::= CHOICE { a BOOLEAN, b INTEGER (0..300), c NULL, ... }

END
"""


def _constrained(kind: Any, *constraints: Any) -> Any:
    return kind(subtypeSpec=ConstraintsIntersection(*constraints))


def _size(low: int, high: int) -> ValueSizeConstraint:
    return ValueSizeConstraint(low, high)


class Numbers(univ.Sequence):
    """INTEGERs."""

    componentType = Components(
        NamedType("shift", univ.Boolean()),
        NamedType("a", integer(0, 254)),
        NamedType("b", integer(1, 256)),
        NamedType("c", integer(0, 65535)),
        NamedType("d", integer(0, 65536)),
        NamedType("e", integer(-5, 4294967295)),
        NamedType("f", integer(3, 3)),
        NamedType("g", integer(MIN, 7)),
        NamedType("h", univ.Integer()),
        NamedType("i", _constrained(univ.Integer, Extensible(ValueRangeConstraint(0, 10)))),
        NamedType("j", integer(1, 18446744073709551615)),
    )


class Octets(univ.Sequence):
    """OCTET STRINGs."""

    componentType = Components(
        NamedType("shift", univ.Boolean()),
        NamedType("a", octet_string(1, 1)),
        NamedType("b", octet_string(2, 2)),
        NamedType("again", univ.Boolean()),
        NamedType("c", octet_string(3, 3)),
        NamedType("d", octet_string(0, 1)),
        NamedType("e", octet_string(0, 300)),
        NamedType("f", univ.OctetString()),
        NamedType("g", _constrained(univ.OctetString, Extensible(_size(2, 4)))),
    )


class BitStrings(univ.Sequence):
    """BIT STRINGs."""

    componentType = Components(
        NamedType("shift", univ.Boolean()),
        NamedType("a", bit_string(5, 5)),
        NamedType("b", bit_string(16, 16)),
        NamedType("again", univ.Boolean()),
        NamedType("c", bit_string(17, 17)),
        NamedType("d", bit_string(0, 9)),
        NamedType("e", bit_string(0, 300)),
        NamedType("f", univ.BitString()),
    )


class Texts(univ.Sequence):
    """Character strings."""

    componentType = Components(
        NamedType("shift", univ.Boolean()),
        NamedType("a", ia5_string(1, 128, "0123456789#*,")),
        NamedType("b", ia5_string(2, 2)),
        NamedType("again", univ.Boolean()),
        NamedType("c", ia5_string(0, 1)),
        NamedType("d", ia5_string(1, 2)),
        NamedType("e", char.IA5String()),
        NamedType("f", bmp_string(1, 256)),
        NamedType("g", bmp_string(1, 1)),
        NamedType("h", _constrained(char.NumericString, _size(1, 4))),
        NamedType("i", _constrained(char.NumericString, _size(3, 4))),
        NamedType("j", _constrained(char.NumericString, _size(4, 4))),
        NamedType("k", char.PrintableString()),
        NamedType("l", _constrained(char.VisibleString, _size(0, 300))),
        NamedType("m", char.UTF8String()),
        NamedType("n", _constrained(char.IA5String, PermittedAlphabetConstraint(*"abc"))),
        NamedType("o", ia5_string(0, 20, "ab")),
    )


class Letters(ExtensibleEnumerated):
    """ENUMERATED with additions."""

    namedValues = NamedValues(("p", 0), ("q", 1), ("r", 2), ("s", 3))
    additions = ("r", "s")


class Others(univ.Sequence):
    """The other simple types, and lists."""

    componentType = Components(
        NamedType("shift", univ.Boolean()),
        NamedType("a", univ.Enumerated(namedValues=NamedValues(("x", 0), ("y", 1), ("z", 2)))),
        NamedType("b", Letters()),
        NamedType("c", univ.ObjectIdentifier()),
        NamedType("d", univ.Null()),
        NamedType("e", univ.SequenceOf(componentType=integer(0, 7), subtypeSpec=ConstraintsIntersection(_size(1, 3)))),
        NamedType("f", list_of(univ.Null())),
        NamedType("g", univ.SetOf(componentType=univ.Boolean())),
    )


class Inner(univ.Sequence):
    """Extended.e."""

    componentType = Components(NamedType("f", univ.Boolean()), ..., NamedType("g", univ.Boolean()))


class Extended(univ.Sequence):
    """SEQUENCE with additions."""

    componentType = Components(
        OptionalNamedType("a", univ.Boolean()),
        DefaultedNamedType("b", _constrained(univ.Integer, ValueRangeConstraint(0, 7)).clone(3)),
        ...,
        NamedType("c", integer(0, 7)),
        OptionalNamedType("d", univ.Boolean()),
        OptionalNamedType("e", Inner()),
    )


class Older(univ.Sequence):
    """Extended, before it was extended."""

    componentType = Components(
        OptionalNamedType("a", univ.Boolean()),
        DefaultedNamedType("b", _constrained(univ.Integer, ValueRangeConstraint(0, 7)).clone(3)),
        ...,
    )


class InnerChoice(univ.Choice):
    """Choice.e."""

    componentType = Components(NamedType("a", univ.Boolean()))


class Choice(univ.Choice):
    """CHOICE with additions."""

    componentType = Components(
        NamedType("a", univ.Boolean()),
        NamedType("b", integer(0, 300)),
        NamedType("c", univ.Null()),
        ...,
        NamedType("d", integer(0, 300)),
        NamedType("e", InnerChoice()),
    )


class OlderChoice(univ.Choice):
    """Choice, before it was extended."""

    componentType = Components(
        NamedType("a", univ.Boolean()), NamedType("b", integer(0, 300)), NamedType("c", univ.Null()), ...
    )


#: By name in the text.
TYPES: dict[str, Any] = {
    "Numbers": Numbers(),
    "Octets": Octets(),
    "Bits": BitStrings(),
    "Texts": Texts(),
    "Others": Others(),
    "Extended": Extended(),
    "Older": Older(),
    "Choice": Choice(),
    "OlderChoice": OlderChoice(),
}
