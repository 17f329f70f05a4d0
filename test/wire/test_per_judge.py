"""Our encodings of a small schema are those of asn1tools, octet for octet, for random values of every type."""

from random import Random
from typing import Any

import asn1tools
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.wire.per import Bits, Chosen, Codec, Limits, decode, encode
from test.wire.schema import TEXT, TYPES
from test.wire.values import Values

COUNT = 300


def as_theirs(value: Any) -> Any:
    """Give a plain value in the form that asn1tools has."""
    match value:
        case Bits(number, length):
            return (number << -length % 8).to_bytes((length + 7) // 8, "big"), length
        case Chosen(name, inner):
            return name, as_theirs(inner)
        case dict():
            return {name: as_theirs(inner) for name, inner in value.items()}
        case list():
            return [as_theirs(item) for item in value]
        case tuple():
            return ".".join(map(str, value))
    return value


class SchemaTests(SynchronousTestCase):
    """Values of test/wire/schema.py."""

    def setUp(self) -> None:
        self.theirs = asn1tools.compile_string(TEXT, "per")

    def test_random_values(self) -> None:
        """Both encode alike, and each value comes back."""
        random = Random(225)
        for name, spec in TYPES.items():
            codec = Codec(spec)
            for _ in range(COUNT):
                value = Values(random).value(spec)
                encoding = codec.encode(value)
                self.assertEqual(encoding.hex(), self.theirs.encode(name, as_theirs(value)).hex(), (name, value))
                defaults = {"b": 3} if name in ("Extended", "Older") else {}
                expected = defaults | value if isinstance(value, dict) else value
                self.assertEqual(codec.decode(encoding), (expected, b""))

    def test_pyasn1_values(self) -> None:
        """The way over pyasn1's values leads to the same encodings."""
        random = Random(1)
        for name, spec in TYPES.items():
            for _ in range(COUNT // 10):
                encoding = Codec(spec).encode(Values(random).value(spec))
                value, rest = decode(encoding, spec)
                self.assertEqual((encode(value), rest), (encoding, b""), name)

    def test_newer_sender(self) -> None:
        """What an extended type adds is skipped by one who knows the older type."""
        random = Random(2)
        extended, older = Codec(TYPES["Extended"]), Codec(TYPES["Older"])
        for _ in range(COUNT):
            value = Values(random).value(TYPES["Extended"])
            expected = {"b": 3} | {name: value[name] for name in ("a", "b") if name in value}
            self.assertEqual(older.decode(extended.encode(value)), (expected, b""))

    def test_newer_choice(self) -> None:
        """An alternative that is not known is told from the others, and skipped."""
        random = Random(3)
        newer, older = Codec(TYPES["Choice"]), Codec(TYPES["OlderChoice"])
        for _ in range(COUNT):
            value = Values(random).value(TYPES["Choice"])
            read, rest = older.decode(newer.encode(value))
            self.assertEqual((read.name, rest), (value.name if value.name in "abc" else "", b""))

    def test_pieces(self) -> None:
        """Lengths about 16K and 64K come in the same pieces."""
        codec = Codec(TYPES["Octets"], Limits(length=1 << 20))
        small = {"shift": True, "a": b"1", "b": b"12", "again": False, "c": b"123", "d": b"", "e": b""}
        for length in (127, 128, 16383, 16384, 16385, 32768, 65535, 65536, 65537, 81920, 150000):
            value = {**small, "f": Random(length).randbytes(length), "g": b"12"}
            encoding = codec.encode(value)
            self.assertEqual(encoding, self.theirs.encode("Octets", as_theirs(value)), length)
            self.assertEqual(codec.decode(encoding), (value, b""), length)

    def test_pieces_of_lists(self) -> None:
        """A list is as long as an octet string may be."""
        codec = Codec(TYPES["Others"])
        for length in (16384, 20000, 70000):
            random = Random(length)
            flags = [random.random() < 0.5 for _ in range(length)]
            value = {"shift": True, "a": "x", "b": "s", "c": (1, 3), "d": None, "e": [7], "f": [None], "g": flags}
            encoding = codec.encode(value)
            self.assertEqual(encoding, self.theirs.encode("Others", as_theirs(value)), length)
            self.assertEqual(codec.decode(encoding), (value, b""), length)
