"""RADIUS attributes to octets (RFC 2865 5, 5.26; RFC 8044 for the types).

pyrad reads the dictionaries and encodes rare types; the octets are put together
here, at a tenth of its cost: an accounted call has sixty attributes to send.
Attributes stand in the order in which they are given. There is no encryption,
and no attribute within another one but a vendor's.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from pyrad import tools  # type: ignore[import-untyped]

#: Octets of a value, and of a vendor's value, at most.
LONGEST_VALUE = 253
LONGEST_VENDOR_VALUE = 247

#: An attribute to be sent: its name in the dictionary and its value: octets as they are, text, or a number.
Attribute = tuple[str, object]

_VENDOR_SPECIFIC = 26


class _Form(NamedTuple):
    """How an attribute is written.

    @ivar heads: what stands before a value, by the octets of that; nothing for none
    @ivar type: the type of its value
    @ivar named: the octets of values that have names
    """

    heads: tuple[bytes, ...]
    type: str
    named: dict[str, bytes]


class Packer:
    """Writes the attributes of a dictionary."""

    def __init__(self, dictionary: Any) -> None:
        """
        @param dictionary: of L{sipproxy.wire.radius.load_dictionary}
        """
        self._dictionary = dictionary
        self._forms: dict[str, _Form] = {}

    def pack(self, attributes: Iterable[Attribute]) -> bytes:
        """Write attributes.

        @param attributes: values are of the attribute's type, or octets that go out as they are; one that is empty is
            left out (RFC 2865 5: "Text ... of length zero (0) MUST NOT be sent")
        @raise KeyError: the dictionary does not know one
        @raise ValueError: a value is too long
        @raise TypeError: one is none of its type; also ValueError
        """
        forms = self._forms
        parts: list[bytes] = []
        for name, value in attributes:
            form = forms.get(name) or self._learn(name)
            octets = value if isinstance(value, bytes) else _encoded(form, value)
            if len(octets) >= len(form.heads):
                raise ValueError(f"{name}: a value of {len(octets)} octets")
            parts += (form.heads[len(octets)], octets)
        return b"".join(parts)

    def heads(self, name: str, label: bytes) -> tuple[bytes, ...]:
        """Give what stands before the values of an attribute that all begin alike, by the octets of their rest.

        @param label: what they begin with
        @raise KeyError: the dictionary does not know the attribute
        """
        form = self._forms.get(name) or self._learn(name)
        return tuple(head + label for head in form.heads[len(label) :])

    def _learn(self, name: str) -> _Form:
        attribute = self._dictionary.attributes[name]
        key = self._dictionary.attrindex.GetForward(name)
        if isinstance(key, tuple):
            vendor, number = key
            heads = [
                bytes((_VENDOR_SPECIFIC, size + 8)) + vendor.to_bytes(4, "big") + bytes((number, size + 2))
                for size in range(LONGEST_VENDOR_VALUE + 1)
            ]
        else:
            heads = [bytes((key, size + 2)) for size in range(LONGEST_VALUE + 1)]
        form = self._forms[name] = _Form((b"", *heads[1:]), attribute.type, attribute.values.forward)
        return form


def _encoded(form: _Form, value: object) -> bytes:
    if form.named and isinstance(value, str) and value in form.named:
        return form.named[value]
    if form.type in ("integer", "date") and type(value) is int and 0 <= value < 1 << 32:
        return value.to_bytes(4, "big")
    encoded: bytes = tools.EncodeAttr(form.type, value)
    return encoded
