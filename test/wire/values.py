"""Random plain values of pyasn1 types, for tests that hold two codecs beside each other."""

from collections.abc import Callable
from random import Random
from typing import Any

from pyasn1.type import char, univ

from sipproxy.wire.per import Bits, Chosen, Undecoded, Unsupported
from sipproxy.wire.per.constraints import alphabet, size_range, value_range

FAR = 1 << 40
LONG = 24
_CHARACTERS: dict[type, str] = {
    char.NumericString: " 0123456789",
    char.PrintableString: "ABCXYZabcxyz019 '()+,-./:=?",
    char.VisibleString: "".join(map(chr, range(32, 127))),
    char.IA5String: "".join(map(chr, range(128))),
    char.BMPString: "az09 \u00fc\u0153\u4e2d\ufffd",
    char.UniversalString: "az\u4e2d\U0001f600",
    char.UTF8String: "az\u00fc\u4e2d\U0001f600",
}


class Values:
    """Makes values.

    @ivar left_out: types that no component or alternative may be of
    @ivar open_type: gives the contents of an open type
    @ivar far: how far from zero a number without a bound goes
    @ivar undecoded: gives octets that are not looked into; None: such components and alternatives are left out
    """

    def __init__(
        self,
        random: Random,
        undecoded: Callable[[], bytes] | None = None,
        open_type: bytes = b"\0",
        far: int = FAR,
        left_out: tuple[type, ...] = (),
    ) -> None:
        self._random = random
        self.far = far
        self.left_out = left_out
        self.undecoded = undecoded
        self.open_type = open_type

    def value(self, spec: Any, depth: int = 1) -> Any:
        """Make a value. The deeper it lies within another the shorter it is."""
        match spec:
            case univ.Boolean():
                return self._random.random() < 0.5
            case univ.Enumerated():
                return self._random.choice(list(spec.namedValues))
            case univ.Integer():
                return self._number(value_range(spec))
            case univ.Null():
                return None
            case Undecoded():
                assert self.undecoded is not None
                return self.undecoded()
            case univ.Any():
                return self.open_type
            case char.AbstractCharacterString():
                return self._text(spec)
            case univ.OctetString():
                return self._random.randbytes(self._length(spec))
            case univ.BitString():
                length = self._length(spec)
                return Bits(self._random.getrandbits(length) if length else 0, length)
            case univ.ObjectIdentifier():
                arcs = [
                    self._random.choice((0, 1, 39, 127, 128, 113549, self.far))
                    for _ in range(self._random.randrange(6))
                ]
                return (self._random.randrange(3), self._random.randrange(40), *arcs)
            case univ.Choice():
                alternatives = [named for named in spec.componentType.namedTypes if self._usable(named.asn1Object)]
                named = self._random.choice(alternatives)
                return Chosen(named.name, self.value(named.asn1Object, depth))
            case univ.Sequence() | univ.Set():
                return self._components(spec, depth)
            case univ.SequenceOf() | univ.SetOf():
                low, high = self._sizes(spec)
                most = low + 3 // depth if high is None else min(high, low + 3 // depth)
                return [self.value(spec.componentType, depth + 1) for _ in range(self._random.randint(low, most))]
        raise TypeError(type(spec))

    def _usable(self, spec: Any) -> bool:
        return not isinstance(spec, (Unsupported, *self.left_out)) and (
            self.undecoded is not None or not isinstance(spec, Undecoded)
        )

    def _components(self, spec: Any, depth: int) -> dict[str, Any]:
        made = {}
        for named in spec.componentType.namedTypes:
            may_miss = named.isOptional or named.isDefaulted
            if self._usable(named.asn1Object) and not (may_miss and self._random.random() < 0.3 + 0.1 * depth):
                made[named.name] = self.value(named.asn1Object, depth + 1)
        return made

    def _number(self, within: Any) -> int:
        low = within.low if within.low is not None else -self.far
        high = within.high if within.high is not None else self.far
        if within.extensible and self._random.random() < 0.3:
            low, high = -self.far, self.far
        near = (low, high, min(low + 1, high), max(high - 1, low), min(max(0, low), high))
        return self._random.choice((*near, self._random.randint(low, high), self._random.randint(low, high)))

    def _sizes(self, spec: Any) -> tuple[int, int | None]:
        size = size_range(spec)
        return size.low or 0, None if size.extensible else size.high

    def _length(self, spec: Any) -> int:
        low, high = self._sizes(spec)
        most = LONG if high is None else high
        return self._random.choice((low, min(low + 1, most), self._random.randint(low, min(low + LONG, most)), most))

    def _text(self, spec: Any) -> str:
        allowed = alphabet(spec)
        known = next(known for kind, known in _CHARACTERS.items() if isinstance(spec, kind))
        return "".join(self._random.choices(sorted(allowed) if allowed else known, k=self._length(spec)))
