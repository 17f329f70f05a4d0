"""What ASN.1 says of a type and pyasn1 has no word for.

pyasn1 was made for BER, which needs no extension marker to skip what it does not
know. PER does: the marker costs a bit, and what stands behind it a length.
"""

import math
from types import EllipsisType

from pyasn1.type import constraint, namedtype, univ

#: No bound, in a C{ValueRangeConstraint} or C{ValueSizeConstraint}.
MIN, MAX = -math.inf, math.inf


class Components(namedtype.NamedTypes):
    """Components of a SEQUENCE or SET, or alternatives of a CHOICE, with ASN.1's C{...} where it has one.

    C{Components(NamedType("a", A()), ..., OptionalNamedType("b", B()))} is C{{a A, ..., b B OPTIONAL}}. What comes
    from version brackets, C{[[ ]]}, is one component with a SEQUENCE as its type, which gives the same encoding.

    @ivar root: how many stand before the marker
    @ivar extensible: there is a marker
    """

    def __init__(self, *items: namedtype.NamedType | EllipsisType) -> None:
        named = [item for item in items if not isinstance(item, EllipsisType)]
        if len(items) - len(named) > 1:
            raise ValueError("one extension marker at most")
        self.extensible = ... in items
        self.root = items.index(...) if self.extensible else len(items)
        # "terminal" spares tables by which BER finds components from tags. They grow with the square of the number of
        # optional components, would take most of a second for H.225.0, and without tags in the types tell nothing.
        super().__init__(*named, terminal=True)


class Extensible(constraint.AbstractConstraint):
    """A constraint with an extension marker, C{(inner, ...)}: other values are allowed, and marked by a bit.

    @ivar inner: the constraint of pyasn1 that stands before the marker
    """

    def __init__(self, inner: constraint.AbstractConstraint) -> None:
        self.inner = inner
        super().__init__(inner)

    def _testValue(self, value: object, index: int | None) -> None:
        """Allow everything."""


class Undecoded(univ.OctetString):
    """The octets of an encoding, kept as they came.

    Takes the place of a type that is not looked into. It works where PER puts a length before the encoding: as an
    extension addition or as an alternative behind the marker. (C{univ.Any} is ASN.1's open type; there it would stand
    for an open type within the one that each addition is.)
    """


class Unsupported(univ.Null):
    """Takes the place of a type that is not known, where its encoding can neither be read nor skipped."""


class ExtensibleEnumerated(univ.Enumerated):
    """An ENUMERATED with an extension marker.

    @cvar additions: of the names in C{namedValues}, those behind the marker, in order
    """

    additions: tuple[str, ...] = ()
