"""The types of H.225.0: random values of all that they can carry, read back by us and by pycrate."""

from random import Random
from typing import Any

from pycrate_asn1dir import H225
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.wire.h225 import ras
from sipproxy.wire.h225.addresses import IsupNumber, MobileUim, PartyNumber, TransportAddress
from sipproxy.wire.h225.cisco import LocationRequestInfo
from sipproxy.wire.h225.ras import RasMessage
from sipproxy.wire.h225.tokens import ClearToken
from sipproxy.wire.per import Bits, Chosen, Codec, DecodeError, decode, encode
from test.wire import vectors
from test.wire.values import Values

COUNT = 2000
MESSAGES = (
    ("locationRequest", ras.LocationRequest()),
    ("locationConfirm", ras.LocationConfirm()),
    ("locationReject", ras.LocationReject()),
    ("requestInProgress", ras.RequestInProgress()),
)
THEIRS = H225.H323_MESSAGES


def as_theirs(value: Any) -> Any:
    """Give a plain value in the form that pycrate has, but for contents of open types."""
    match value:
        case Bits(number, length):
            return number, length
        case Chosen(name, inner):
            return name, 0 if inner is None else as_theirs(inner)
        case dict():
            return {name: as_theirs(inner) for name, inner in value.items() if name != "toBeSigned"}
        case list():
            return [as_theirs(item) for item in value]
    return value


def without_open_types(value: Any) -> Any:
    """Give pycrate's value without contents of open types."""
    match value:
        case dict():
            return {name: without_open_types(inner) for name, inner in value.items() if name != "toBeSigned"}
        case list():
            return [without_open_types(item) for item in value]
        case (str() as name, inner):
            return name, without_open_types(inner)
    return value


class PycrateTests(SynchronousTestCase):
    """What we encode, decoded by another's codec from another's ASN.1."""

    def compare(self, spec: Any, theirs: Any, count: int) -> None:
        """Encode values of a type and see them decoded."""
        random, codec = Random(count), Codec(spec)
        token = Codec(ClearToken()).encode({"tokenOID": (0, 0, 8, 235)})
        for _ in range(count):
            value = Values(random, open_type=token).value(spec)
            theirs.from_aper(codec.encode(value))
            self.assertEqual(without_open_types(theirs.get_val()), as_theirs(value))

    def test_messages(self) -> None:
        """LRQ, LCF, LRJ and RIP with all their components that are looked into."""
        codec, random = Codec(RasMessage()), Random(COUNT)
        token = Codec(ClearToken()).encode({"tokenOID": (0, 0, 8, 235)})
        values = Values(random, open_type=token)
        for number in range(COUNT // 2):
            name, spec = MESSAGES[number % 4]
            value = Chosen(name, values.value(spec))
            THEIRS.RasMessage.from_aper(codec.encode(value))
            self.assertEqual(without_open_types(THEIRS.RasMessage.get_val()), as_theirs(value))

    def test_addresses(self) -> None:
        """Transport addresses and numbers of every kind."""
        self.compare(TransportAddress(), THEIRS.TransportAddress, COUNT // 4)
        self.compare(PartyNumber(), THEIRS.PartyNumber, COUNT // 4)
        self.compare(MobileUim(), THEIRS.MobileUIM, COUNT // 4)
        self.compare(IsupNumber(), THEIRS.IsupNumber, COUNT // 4)


class RoundTests(SynchronousTestCase):
    """What we encode, decoded by us."""

    def test_vectors(self) -> None:
        """Each vector gives the same octets again, over plain values and over pyasn1's."""
        codec = Codec(RasMessage())
        for datagram in vectors.ALL:
            native, rest = codec.decode(datagram)
            self.assertEqual((codec.encode(native), rest), (datagram, b""))
            value, rest = decode(datagram, RasMessage())
            self.assertEqual((encode(value), rest), (datagram, b""))

    def test_random_values(self) -> None:
        """Values of the four messages come back, with octets where nobody looks into them."""
        codec, random = Codec(RasMessage()), Random(225)
        values = Values(random, undecoded=lambda: random.randbytes(random.randrange(1, 30)))
        for number in range(COUNT):
            name, spec = MESSAGES[number % 4]
            value = Chosen(name, values.value(spec))
            self.assertEqual(codec.decode(codec.encode(value)), (value, b""))

    def test_cisco(self) -> None:
        """Cisco's data has the octets that others know it by."""
        codec = Codec(LocationRequestInfo())
        self.assertEqual(codec.encode({"ttl": 6}).hex(), "0280")
        self.assertEqual(codec.encode({"ttl": 6, "callingOctet3a": 0x81}).hex(), "8284200181")
        self.assertEqual(codec.encode({"ttl": 255}).hex(), "7f00")

    def test_cisco_newer(self) -> None:
        """Members that a newer gateway has are no harm: here seven are known, and one behind ours is there."""
        codec = Codec(LocationRequestInfo())
        guid = bytes(range(16))
        members = bytes.fromhex("1100") + guid + bytes.fromhex("0181 08 0104 8073b888cccc 02cafe")
        expected = {
            "ttl": 6,
            "callIdentifier": {"guid": guid},
            "callingOctet3a": 0x81,
            "gatewaySrcInfo": [("dialledDigits", "4085559999")],
        }
        self.assertEqual(codec.decode(bytes.fromhex("8286b4") + members), (expected, b""))

    def test_other_messages(self) -> None:
        """A RAS message that does not concern locations is an error, or kept if it has a length."""
        codec = Codec(RasMessage())
        self.assertRaises(DecodeError, codec.decode, bytes.fromhex("0e40010006000891"))
        self.assertEqual(codec.decode(bytes.fromhex("8103010203"))[0], ("resourcesAvailableIndicate", b"\1\2\3"))
        self.assertEqual(codec.decode(bytes.fromhex("9f03010203"))[0], ("", b"\1\2\3"))
