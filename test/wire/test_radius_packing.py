"""RADIUS attributes as octets."""

from hypothesis import given
from hypothesis import strategies as st
from pyrad.packet import AcctPacket  # type: ignore[import-untyped]
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.wire.radius import load_dictionary
from sipproxy.wire.radius_packing import LONGEST_VALUE, LONGEST_VENDOR_VALUE, Attribute, Packer

DICT = load_dictionary()
PACKER = Packer(DICT)
_NUMBERS = ("NAS-Port", "Acct-Delay-Time", "Acct-Session-Time")
_TEXTS = ("User-Name", "Called-Station-Id", "call-id", "Cisco-AVPair", "h323-setup-time")

_attributes = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(_NUMBERS), st.integers(0, 2**32 - 1)),
        st.tuples(st.sampled_from(_TEXTS), st.one_of(st.text(max_size=40), st.binary(max_size=80))),
        st.tuples(st.just("Acct-Status-Type"), st.sampled_from(("Start", "Interim-Update", "Stop"))),
        st.tuples(st.just("NAS-IP-Address"), st.ip_addresses(v=4).map(str)),
    ),
    max_size=20,
)


class PackerTests(SynchronousTestCase):
    """What L{Packer} writes."""

    @given(_attributes)
    def test_read_back(self, attributes: list[Attribute]) -> None:
        """Another implementation reads all values back, those of a name in their order, and empty ones not at all."""
        content = PACKER.pack(attributes)
        head = bytes((4, 1)) + (20 + len(content)).to_bytes(2, "big") + bytes(16)
        read = AcctPacket(dict=DICT, secret=b"s", packet=head + content)
        expected: dict[str, list[object]] = {}
        for name, value in attributes:
            if value not in ("", b""):
                expected.setdefault(name, []).append(value)
        for name, values in expected.items():
            kept = zip(values, read[name], read[DICT.attrindex.GetForward(name)], strict=True)
            found = [raw if isinstance(value, bytes) else decoded for value, decoded, raw in kept]
            self.assertEqual(found, values)
        self.assertEqual(len(read), len(expected))

    def test_forms(self) -> None:
        """A standard attribute has two octets before its value, a vendor's eight (RFC 2865 5, 5.26)."""
        self.assertEqual(PACKER.pack([("NAS-Port", 5)]), bytes.fromhex("050600000005"))
        self.assertEqual(PACKER.pack([("Cisco-AVPair", b"a=1")]), bytes.fromhex("1a0b00000009") + b"\x01\x05a=1")
        self.assertEqual(PACKER.pack([("Service-Type", "Login")]), bytes.fromhex("060600000001"))

    def test_label(self) -> None:
        """Where all values begin alike, this stands in their heads, for as many octets as there is room behind it."""
        heads = PACKER.heads("call-id", b"call-id=")
        for size in range(LONGEST_VENDOR_VALUE - len(b"call-id=") + 1):
            self.assertEqual(heads[size] + bytes(size), PACKER.pack([("call-id", b"call-id=" + bytes(size))]))
        self.assertEqual(len(heads), size + 1)
        self.assertRaises(KeyError, PACKER.heads, "Nobody", b"=")

    def test_longest(self) -> None:
        """A value of the greatest length fits, one octet more does not."""
        for name, longest in (("User-Name", LONGEST_VALUE), ("call-id", LONGEST_VENDOR_VALUE)):
            self.assertEqual(PACKER.pack([(name, bytes(longest))])[1], 255)
            self.assertRaises(ValueError, PACKER.pack, [(name, bytes(longest + 1))])

    def test_bad(self) -> None:
        """What the dictionary does not know, or is no value of its type, is an error of the one who asks."""
        self.assertRaises(KeyError, PACKER.pack, [("Nobody", 1)])
        for value in (-1, 2**32, "many"):
            self.assertRaises((ValueError, TypeError), PACKER.pack, [("NAS-Port", value)])
