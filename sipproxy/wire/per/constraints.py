"""Constraints of pyasn1 types as far as PER sees them (X.691 section 10.3).

Read are value ranges, single values, sizes and permitted alphabets, their
intersections and unions, and L{Extensible} ones. Others (exclusions, inner
types) leave the encoding as it is.
"""

from collections.abc import Callable
from typing import Any

from pyasn1.type import constraint

from sipproxy.wire.per.numbers import Range
from sipproxy.wire.per.types import MAX, MIN, Extensible

_EVERYTHING = Range()


def value_range(spec: Any) -> Range:
    """Give the numbers that an INTEGER type allows."""
    return _range(spec.subtypeSpec, _values_of)


def size_range(spec: Any) -> Range:
    """Give the lengths that a type allows."""
    low, high, extensible = _range(spec.subtypeSpec, _sizes_of)
    return Range(low or 0, high, extensible)


def alphabet(spec: Any) -> frozenset[str] | None:
    """Give the characters that a string type allows, None where all of its kind."""
    found: frozenset[str] | None = None
    for part in _parts(spec.subtypeSpec):
        if isinstance(part, constraint.PermittedAlphabetConstraint):
            found = frozenset(part) if found is None else found & frozenset(part)
    return found


def _parts(spec: Any) -> list[Any]:
    """Give the constraints that must all hold."""
    if isinstance(spec, constraint.ConstraintsIntersection):
        return [part for inner in spec for part in _parts(inner)]
    return [spec]


def _range(spec: Any, of: Callable[[Any], Range | None]) -> Range:
    found = _EVERYTHING
    for part in _parts(spec):
        if isinstance(part, Extensible):
            allowed = _range(part.inner, of)._replace(extensible=True)
        elif isinstance(part, constraint.ConstraintsUnion):
            allowed = _join([_range(inner, of) for inner in part])
        else:
            allowed = of(part) or _EVERYTHING
        if allowed != _EVERYTHING:
            # Whether others may come is for the last constraint to say.
            found = _meet(found, allowed)._replace(extensible=allowed.extensible)
    return found


def _values_of(part: Any) -> Range | None:
    if isinstance(part, constraint.ValueSizeConstraint | constraint.PermittedAlphabetConstraint):
        return None
    if isinstance(part, constraint.ValueRangeConstraint):
        return _bounds(part)
    if isinstance(part, constraint.SingleValueConstraint):
        return Range(min(part), max(part))
    return None


def _sizes_of(part: Any) -> Range | None:
    return _bounds(part) if isinstance(part, constraint.ValueSizeConstraint) else None


def _bounds(part: Any) -> Range:
    return Range(None if part.start == MIN else part.start, None if part.stop == MAX else part.stop)


def _meet(one: Range, other: Range) -> Range:
    lows = [low for low in (one.low, other.low) if low is not None]
    highs = [high for high in (one.high, other.high) if high is not None]
    return Range(max(lows, default=None), min(highs, default=None))


def _join(ranges: list[Range]) -> Range:
    lows = [each.low for each in ranges if each.low is not None]
    highs = [each.high for each in ranges if each.high is not None]
    low = min(lows) if len(lows) == len(ranges) else None
    return Range(low, max(highs) if len(highs) == len(ranges) else None)
