"""From a pyasn1 type to the coder of its values."""

from functools import singledispatch
from typing import Any

from pyasn1.type import char, univ

from sipproxy.wire.per import simple
from sipproxy.wire.per.constraints import alphabet, size_range, value_range
from sipproxy.wire.per.native import to_native
from sipproxy.wire.per.strings import KnownMultiplierCoder, Utf8Coder
from sipproxy.wire.per.structured import ABSENT, ChoiceCoder, Component, ListCoder, SequenceCoder
from sipproxy.wire.per.types import Components, ExtensibleEnumerated, Undecoded, Unsupported


@singledispatch
def coder_of(spec: Any) -> simple.Coder:
    """Make the coder of a type.

    Types of types are walked through to the end: a type must not hold itself.

    @param spec: an instance of a pyasn1 type, with or without a value
    @raise TypeError: no such type is known here (REAL, EMBEDDED PDV, times, other character strings)
    """
    raise TypeError(f"no packed encoding is known of {type(spec).__name__}")


@coder_of.register
def _(spec: univ.Boolean) -> simple.Coder:
    return simple.BooleanCoder()


@coder_of.register
def _(spec: univ.Integer) -> simple.Coder:
    return simple.IntegerCoder(value_range(spec))


@coder_of.register
def _(spec: univ.Enumerated) -> simple.Coder:
    names = sorted(spec.namedValues, key=spec.namedValues.__getitem__)
    return simple.EnumeratedCoder(names, len(names), False)


@coder_of.register
def _(spec: ExtensibleEnumerated) -> simple.Coder:
    root = sorted(set(spec.namedValues) - set(spec.additions), key=spec.namedValues.__getitem__)
    return simple.EnumeratedCoder([*root, *spec.additions], len(root), True)


@coder_of.register
def _(spec: univ.Null) -> simple.Coder:
    return simple.NullCoder()


@coder_of.register
def _(spec: Unsupported) -> simple.Coder:
    return simple.UnsupportedCoder("a component")


@coder_of.register
def _(spec: Undecoded) -> simple.Coder:
    return simple.UndecodedCoder()


@coder_of.register
def _(spec: univ.Any) -> simple.Coder:
    return simple.OpenTypeCoder()


@coder_of.register
def _(spec: univ.OctetString) -> simple.Coder:
    return simple.OctetStringCoder(size_range(spec))


@coder_of.register
def _(spec: univ.BitString) -> simple.Coder:
    return simple.BitStringCoder(size_range(spec))


@coder_of.register
def _(spec: univ.ObjectIdentifier) -> simple.Coder:
    return simple.ObjectIdentifierCoder()


@coder_of.register(char.NumericString)
@coder_of.register(char.PrintableString)
@coder_of.register(char.VisibleString)
@coder_of.register(char.IA5String)
@coder_of.register(char.BMPString)
@coder_of.register(char.UniversalString)
def _(spec: char.AbstractCharacterString) -> simple.Coder:
    return KnownMultiplierCoder(spec, alphabet(spec), size_range(spec))


@coder_of.register
def _(spec: char.AbstractCharacterString) -> simple.Coder:
    # To pyasn1 these are OCTET STRINGs too; which characters they have depends on escape sequences.
    raise TypeError(f"no packed encoding is known of {type(spec).__name__}")


@coder_of.register
def _(spec: char.UTF8String) -> simple.Coder:
    return Utf8Coder()


@coder_of.register(univ.Sequence)
@coder_of.register(univ.Set)
def _(spec: univ.Sequence | univ.Set) -> simple.Coder:
    components = spec.componentType
    root, extensible = _root(components)
    made = [_component(named) for named in components.namedTypes]
    return SequenceCoder(made[:root], made[root:], extensible)


@coder_of.register
def _(spec: univ.Choice) -> simple.Coder:
    root, extensible = _root(spec.componentType)
    made = [(named.name, _alternative(named)) for named in spec.componentType.namedTypes]
    return ChoiceCoder(made, root, extensible)


@coder_of.register(univ.SequenceOf)
@coder_of.register(univ.SetOf)
def _(spec: univ.SequenceOf | univ.SetOf) -> simple.Coder:
    return ListCoder(coder_of(spec.componentType), size_range(spec))


def _root(components: Any) -> tuple[int, bool]:
    """Give how many components stand before the extension marker, and whether there is one."""
    if isinstance(components, Components):
        return components.root, components.extensible
    return len(components), False


def _alternative(named: Any) -> simple.Coder:
    spec = named.asn1Object
    return simple.UnsupportedCoder(named.name) if isinstance(spec, Unsupported) else coder_of(spec)


def _component(named: Any) -> Component:
    spec = named.asn1Object
    default = to_native(spec) if named.isDefaulted else ABSENT
    return Component(named.name, coder_of(spec), named.isOptional or named.isDefaulted, default)
