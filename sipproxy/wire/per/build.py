"""Short forms of pyasn1 types with constraints."""

from typing import Any

from pyasn1.type import char, univ
from pyasn1.type.constraint import (
    ConstraintsIntersection,
    PermittedAlphabetConstraint,
    ValueRangeConstraint,
    ValueSizeConstraint,
)


def integer(low: float, high: float) -> univ.Integer:
    """INTEGER (low..high)."""
    return univ.Integer(subtypeSpec=ConstraintsIntersection(ValueRangeConstraint(low, high)))


def octet_string(low: float, high: float) -> univ.OctetString:
    """OCTET STRING (SIZE (low..high))."""
    return univ.OctetString(subtypeSpec=_size(low, high))


def bit_string(low: float, high: float) -> univ.BitString:
    """BIT STRING (SIZE (low..high))."""
    return univ.BitString(subtypeSpec=_size(low, high))


def bmp_string(low: float, high: float) -> char.BMPString:
    """BMPString (SIZE (low..high))."""
    return char.BMPString(subtypeSpec=_size(low, high))


def ia5_string(low: float, high: float, alphabet: str = "") -> char.IA5String:
    """IA5String (SIZE (low..high)), with (FROM (alphabet)) where there is one."""
    characters = (PermittedAlphabetConstraint(*alphabet),) if alphabet else ()
    return char.IA5String(subtypeSpec=ConstraintsIntersection(ValueSizeConstraint(low, high), *characters))


def list_of(item: Any) -> univ.SequenceOf:
    """SEQUENCE OF item."""
    return univ.SequenceOf(componentType=item)


def _size(low: float, high: float) -> ConstraintsIntersection:
    return ConstraintsIntersection(ValueSizeConstraint(low, high))
