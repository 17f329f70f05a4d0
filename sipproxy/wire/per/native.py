"""Plain Python values for pyasn1 ones, and back.

| ASN.1 | plain |
|---|---|
| BOOLEAN, INTEGER, NULL | bool, int, None |
| ENUMERATED | the name |
| BIT STRING | L{Bits} |
| OCTET STRING, open type | bytes |
| OBJECT IDENTIFIER | tuple of int |
| character strings | str |
| SEQUENCE, SET | dict of the components that are there |
| SEQUENCE OF, SET OF | list |
| CHOICE | L{Chosen} |

To make pyasn1 values costs several times what decoding does; so coders work on plain ones.
"""

from functools import singledispatch
from typing import Any

from pyasn1.error import PyAsn1Error
from pyasn1.type import char, univ

from sipproxy.wire.per.errors import EncodeError
from sipproxy.wire.per.simple import Bits
from sipproxy.wire.per.structured import Chosen


@singledispatch
def to_native(value: Any) -> Any:
    """Give the plain form of a pyasn1 value.

    @raise EncodeError: something in it has no value
    """
    raise TypeError(f"no plain form is known of {type(value).__name__}")


def from_native(spec: Any, native: Any) -> Any:
    """Give the value of a pyasn1 type for its plain form.

    An unknown alternative becomes a CHOICE in which nothing is chosen.

    @raise pyasn1.error.PyAsn1Error: the type does not have it
    """
    value = spec.clone()
    match spec:
        case univ.Choice():
            return _filled(value, {native[0]: native[1]} if native[0] else {})
        case univ.Sequence() | univ.Set():
            value.clear()
            return _filled(value, native)
        case univ.SequenceOf() | univ.SetOf():
            value.clear()
            value.extend(from_native(value.componentType, item) for item in native)
            return value
        case univ.BitString():
            return value.clone(binValue=f"{native.number:0{native.length}b}" if native.length else "")
    return value.clone("" if native is None else native)


def _filled(value: Any, components: dict[str, Any]) -> Any:
    for name, native in components.items():
        spec = value.componentType[value.componentType.getPositionByName(name)].asn1Object
        # AUTOMATIC TAGS are not in the types, so tags tell nothing of which is which.
        value.setComponentByName(name, from_native(spec, native), matchTags=False)
    return value


def _components(value: Any) -> list[tuple[Any, Any]]:
    named = value.componentType.namedTypes
    return [(each, value.getComponentByPosition(place, instantiate=False)) for place, each in enumerate(named)]


def _is_there(component: Any) -> bool:
    """Tell whether a component has a value.

    pyasn1 says no of a SEQUENCE without a mandatory component; but an addition may be that, if its sender is older.
    """
    if isinstance(component, univ.Sequence | univ.Set) and not isinstance(component, univ.Choice):
        return component.isValue or any(_is_there(inner) for _, inner in _components(component))
    return component is not univ.noValue and component.isValue


def _there(value: Any) -> Any:
    if not value.isValue:
        raise EncodeError(f"a {type(value).__name__} has no value")
    return value


@to_native.register
def _(value: univ.Boolean) -> bool:
    return bool(_there(value))


@to_native.register
def _(value: univ.Integer) -> int:
    return int(_there(value))


@to_native.register
def _(value: univ.Enumerated) -> str:
    return str(_there(value).prettyPrint())


@to_native.register
def _(value: univ.Null) -> None:
    _there(value)


@to_native.register
def _(value: univ.OctetString) -> bytes:
    return bytes(_there(value))


@to_native.register
def _(value: char.AbstractCharacterString) -> str:
    return str(_there(value))


@to_native.register
def _(value: univ.BitString) -> Bits:
    return Bits(_there(value).asInteger(), len(value))


@to_native.register
def _(value: univ.ObjectIdentifier) -> tuple[int, ...]:
    return tuple(_there(value))


@to_native.register(univ.Sequence)
@to_native.register(univ.Set)
def _(value: Any) -> dict[str, Any]:
    return {named.name: to_native(component) for named, component in _components(value) if _is_there(component)}


@to_native.register
def _(value: univ.Choice) -> Chosen:
    try:
        return Chosen(value.getName(), to_native(value.getComponent()))
    except PyAsn1Error:
        raise EncodeError("a CHOICE in which nothing is chosen") from None


@to_native.register(univ.SequenceOf)
@to_native.register(univ.SetOf)
def _(value: Any) -> list[Any]:
    return [to_native(item) for item in _there(value)]
