"""HEP3 packets, against the example of the specification and as values there and back."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.wire.hep import LONGEST, SIP, UDP, Captured, Encoder, HepError, decode

# "Example HEP3 packet" of the specification, rev. 37.
EXAMPLE = bytes.fromhex(
    "48455033 0071"
    "0000 0001 0007 02"
    "0000 0002 0007 11"
    "0000 0003 000a d4ca0001"
    "0000 0004 000a 527400d3"
    "0000 0007 0008 2eea"
    "0000 0008 0008 13c4"
    "0000 0009 000a 4e4982cb"
    "0000 000a 000a 0001d4c0"
    "0000 000b 0007 01"
    "0000 000c 000a 000000e4"
    "0000 000f 0014 494e56495445207369703a626f62"
)
CALLER, CALLED = ("212.202.0.1", 12010), ("82.116.0.211", 5060)
MICROS = 1_313_440_459_120_000

ports = st.integers(0, 65_535)
payloads = st.binary(max_size=200)
places = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)


def changed(at: int, octets: bytes) -> bytes:
    """Give the example with other octets at one place."""
    return EXAMPLE[:at] + octets + EXAMPLE[at + len(octets) :]


class EncoderTests(SynchronousTestCase):
    """Packets that we write."""

    def test_example(self) -> None:
        """The example of the specification, octet by octet."""
        self.assertEqual(Encoder(228).encode(CALLER, CALLED, MICROS, b"INVITE sip:bob"), EXAMPLE)

    def test_ipv6(self) -> None:
        """IPv6 has chunks and a family of its own; a zone is left out."""
        packet = Encoder(1).encode(("fe80::1%eth0", 5060), ("2001:db8::2", 5070), 0, b"x")
        self.assertEqual(packet[6:13], bytes.fromhex("0000 0001 0007 0a"))
        found = decode(packet)
        self.assertEqual((found.source, found.destination), (("fe80::1", 5060), ("2001:db8::2", 5070)))

    def test_key(self) -> None:
        """The key has its chunk before the payload."""
        packet = Encoder(228, b"secret").encode(CALLER, CALLED, MICROS, b"INVITE sip:bob")
        chunk = bytes.fromhex("0000 000e 000c") + b"secret"
        self.assertEqual(packet, b"HEP3\x00\x7d" + EXAMPLE[6:93] + chunk + EXAMPLE[93:])

    def test_cut(self) -> None:
        """A payload that does not fit is cut, and the packet is whole."""
        payload = bytes(range(256)) * 256
        for longest in (LONGEST, 1000):
            packet = Encoder(1, b"k", longest).encode(CALLER, CALLED, MICROS, payload)
            self.assertEqual(len(packet), longest)
            found = decode(packet)
            self.assertTrue(payload.startswith(found.payload))
            self.assertGreater(len(found.payload), longest - 120)

    def test_no_addresses(self) -> None:
        """Names are no addresses, and a packet has addresses of one family."""
        for source, destination in (("host.test", "192.0.2.1"), ("192.0.2.1", ""), ("192.0.2.1", "::1")):
            with self.assertRaises(ValueError):
                Encoder(1).encode((source, 1), (destination, 1), 0, b"")


class DecodeTests(SynchronousTestCase):
    """Packets that we read."""

    def test_example(self) -> None:
        """The example of the specification."""
        self.assertEqual(
            decode(EXAMPLE), Captured(CALLER, CALLED, MICROS, b"INVITE sip:bob", 228, b"", protocol=UDP, captured=SIP)
        )

    def test_unknown_chunks(self) -> None:
        """Chunks that are not known are skipped, and those of a vendor are not taken for generic ones."""
        more = bytes.fromhex("0000 0011 0008 6162") + bytes.fromhex("0002 000f 0008 7a7a")
        packet = b"HEP3" + (len(EXAMPLE) + len(more)).to_bytes(2, "big") + EXAMPLE[6:] + more
        self.assertEqual(decode(packet), decode(EXAMPLE))

    def test_bad(self) -> None:
        """Each damage is told as what it is."""
        without_payload = b"HEP3" + (93).to_bytes(2, "big") + EXAMPLE[6:93]
        without_addresses = b"HEP3" + (93).to_bytes(2, "big") + EXAMPLE[6:20] + EXAMPLE[40:]
        for packet, text in (
            (b"", "0 octets are no packet"),
            (changed(0, b"HEP2"), "it begins with b'HEP2'"),
            (EXAMPLE[:-1], "112 octets for a packet of 113"),
            (EXAMPLE + b"x", "114 octets for a packet of 113"),
            (changed(10, b"\x00\x05"), "the length of chunk 0x0001"),
            (changed(97, b"\x00\x15"), "the length of chunk 0x000f"),
            (b"HEP3\x00\x0aabcd", "the last chunk has no head"),
            (without_payload, "chunk 0x000f is missing"),
            (without_addresses, "there are no addresses"),
        ):
            with self.assertRaises(HepError) as caught:
                decode(packet)
            self.assertEqual(str(caught.exception), text)

    def test_number_width(self) -> None:
        """A number has the width that its type says."""
        packet = b"HEP3" + (112).to_bytes(2, "big") + EXAMPLE[6:10] + b"\x00\x06" + EXAMPLE[13:]
        # The family is not needed to read the addresses; the protocol below is.
        self.assertEqual(decode(packet), decode(EXAMPLE))
        packet = b"HEP3" + (112).to_bytes(2, "big") + EXAMPLE[6:17] + b"\x00\x06" + EXAMPLE[20:]
        with self.assertRaises(HepError):
            decode(packet)


class PropertyTests(SynchronousTestCase):
    """For all values."""

    @given(places, ports, ports, st.integers(0, 2**32 * 1_000_000 - 1), st.integers(0, 2**32 - 1), payloads, payloads)
    def test_there_and_back(
        self, host: str, source: int, destination: int, micros: int, agent: int, key: bytes, payload: bytes
    ) -> None:
        """What is written is read."""
        other = "192.0.2.1" if ip_address(host).version == 4 else "2001:db8::1"
        packet = Encoder(agent, key).encode((host, source), (other, destination), micros, payload)
        expected = Captured((host, source), (other, destination), micros, payload, agent, key, UDP, SIP)
        self.assertEqual(decode(packet), expected)

    @given(st.binary(max_size=60), st.integers(0, len(EXAMPLE)))
    def test_any_octets(self, octets: bytes, at: int) -> None:
        """Any octets are a packet or a HepError."""
        damaged = EXAMPLE[:at] + octets
        for packet in (
            octets,
            changed(at, octets)[: len(EXAMPLE)],
            b"HEP3" + len(damaged).to_bytes(2, "big") + damaged[6:],
        ):
            try:
                decode(packet)
            except HepError:
                pass
