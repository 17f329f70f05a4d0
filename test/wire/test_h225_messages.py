"""Messages of a location request as an application has them, and damaged datagrams."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from socket import AF_INET, AF_INET6, inet_ntop

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bench.ras_codec import damaged, fuzz, messages
from sipproxy.wire import per
from sipproxy.wire.h225.addresses import PartyNumber, TransportAddress
from sipproxy.wire.h225.messages import (
    DIALLED_DIGITS,
    H323_ID,
    MAX_DATAGRAM,
    MAX_VALUES,
    REASONS,
    UNKNOWN_REASON,
    Alias,
    Alternate,
    DecodeError,
    EncodeError,
    LocationConfirm,
    LocationReject,
    LocationRequest,
    Message,
    NonStandard,
    RequestInProgress,
    decode,
    encode,
)
from sipproxy.wire.h225.ras import RasMessage
from test.wire import vectors

GUID = bytes.fromhex("00112233445566778899aabbccddeeff")
REPLY = ("192.0.2.10", 1719)
CISCO = (181, 0, 18)
COUNT = 200

NUMBERS = st.text("0123456789#*,", min_size=1, max_size=30)
# Every code of 16 bits that is a character of its own.
NAMES = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1, max_size=30)
ASCII = st.text(st.characters(max_codepoint=127), min_size=1, max_size=30)
SEQS = st.integers(1, 65535)
OCTETS = st.binary(max_size=40)
HOSTS = st.binary(min_size=4, max_size=4).map(partial(inet_ntop, AF_INET)) | st.binary(min_size=16, max_size=16).map(
    partial(inet_ntop, AF_INET6)
)
ADDRESSES = st.tuples(HOSTS, st.integers(0, 65535))
ALIASES = st.lists(
    st.builds(Alias, st.just(DIALLED_DIGITS), NUMBERS)
    | st.builds(Alias, st.just(H323_ID), NAMES)
    | st.builds(Alias, st.sampled_from(["url-ID", "email-ID"]), ASCII)
    | st.builds(
        Alias,
        st.sampled_from(["transportID", "partyNumber", "mobileUIM", "isupNumber"]),
        st.just(""),
        st.binary(min_size=1, max_size=20),
    ),
    max_size=4,
).map(tuple)
IDENTIFIERS = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535)) | st.lists(
    st.integers(0, 1 << 40), max_size=6
).map(lambda arcs: ".".join(map(str, (1, 3, *arcs))))
NONSTANDARD = st.none() | st.builds(NonStandard, IDENTIFIERS.filter(lambda made: made != CISCO), OCTETS)
PREFIXES = st.none() | st.lists(NUMBERS, unique=True, max_size=3).map(tuple)
GUIDS = st.none() | st.binary(min_size=16, max_size=16)
KEPT = st.just(()) | st.binary(min_size=1, max_size=40).map(
    lambda octets: (("featureSet", octets), ("genericData", b"\1"))
)

PLAIN_REQUESTS = st.builds(
    LocationRequest,
    SEQS,
    NUMBERS,
    ADDRESSES,
    st.booleans(),
    hop_count=st.none() | st.integers(1, 255),
    gatekeeper_id=st.just("") | NAMES,
    source=ALIASES,
    call_identifier=GUIDS,
    destination=ALIASES,
    nonstandard=NONSTANDARD,
    kept=KEPT,
)
CISCO_REQUESTS = st.builds(
    LocationRequest,
    SEQS,
    NUMBERS,
    ADDRESSES,
    ttl=st.integers(1, 255),
    cisco_call_identifier=GUIDS,
    redirect_ie=st.none() | st.binary(max_size=40),
    calling_octet_3a=st.none() | st.integers(0, 255),
    gateway_source=ALIASES,
    display=st.just("") | ASCII,
)
ALTERNATES = st.builds(
    Alternate,
    st.none() | st.integers(0, 127),
    st.lists(ADDRESSES, max_size=3).map(tuple),
    ALIASES,
    st.lists(ADDRESSES, max_size=3).map(tuple),
    PREFIXES,
)
CONFIRMS = st.builds(
    LocationConfirm,
    SEQS,
    ADDRESSES,
    ADDRESSES,
    ALIASES,
    st.lists(ALTERNATES, max_size=4).map(tuple),
    PREFIXES,
    NONSTANDARD,
    KEPT,
)
REJECTS = st.builds(LocationReject, SEQS, st.sampled_from(REASONS), NONSTANDARD, KEPT)
PROGRESS = st.builds(RequestInProgress, SEQS, st.integers(1, 65535), NONSTANDARD)


class VectorTests(SynchronousTestCase):
    """Datagrams that Wireshark reads as they are meant."""

    def see(self, message: Message, datagram: bytes) -> None:
        """Check both directions."""
        self.assertEqual(encode(message).hex(), datagram.hex())
        self.assertEqual(decode(datagram), message)

    def test_request(self) -> None:
        """An LRQ with nothing that it need not have."""
        source = (Alias(H323_ID, "sps1.example.com"),)
        self.see(LocationRequest(1, "14085551234", REPLY, True, source=source), vectors.LRQ_PLAIN)

    def test_cisco(self) -> None:
        """An LRQ with all of Cisco's data, and the standard's additions beside it."""
        request = LocationRequest(
            2046,
            "1#14085551234",
            REPLY,
            True,
            hop_count=6,
            ttl=6,
            source=(Alias(H323_ID, "sps1.example.com"),),
            call_identifier=GUID,
            cisco_call_identifier=GUID,
            redirect_ie=b"\x74\x0d\x01\x00\x8f4085550000",
            calling_octet_3a=0x81,
            gateway_source=(Alias(DIALLED_DIGITS, "4085559999"), Alias(H323_ID, "sps1")),
        )
        self.see(request, vectors.LRQ_CISCO)

    def test_confirm(self) -> None:
        """An LCF of a gateway with two alternates."""
        alternates = (
            Alternate(1, (("198.51.100.2", 1720),)),
            Alternate(2, (("198.51.100.3", 1720),), (Alias(H323_ID, "gw-b2"),)),
        )
        confirm = LocationConfirm(
            2046,
            ("198.51.100.1", 1720),
            ("198.51.100.1", 1719),
            (Alias(DIALLED_DIGITS, "4085551234"),),
            alternates,
            prefixes=(),
        )
        self.see(confirm, vectors.LCF_ALTERNATES)

    def test_others(self) -> None:
        """LRJ with a reason of the first version and a later one; RIP."""
        self.see(LocationReject(2046, "requestDenied"), vectors.LRJ)
        self.see(LocationReject(2046, "hopCountExceeded"), vectors.LRJ_EXTENSION)
        self.see(RequestInProgress(2046, 6000), vectors.RIP)


class RoundTests(SynchronousTestCase):
    """Each message comes back as it was sent."""

    @settings(max_examples=COUNT)
    @given(PLAIN_REQUESTS | CISCO_REQUESTS)
    def test_requests(self, message: LocationRequest) -> None:
        """LRQs."""
        self.assertEqual(decode(encode(message)), message)

    @settings(max_examples=COUNT)
    @given(CONFIRMS)
    def test_confirms(self, message: LocationConfirm) -> None:
        """LCFs."""
        self.assertEqual(decode(encode(message)), message)

    @settings(max_examples=COUNT)
    @given(REJECTS | PROGRESS)
    def test_others(self, message: LocationReject | RequestInProgress) -> None:
        """LRJs and RIPs."""
        self.assertEqual(decode(encode(message)), message)

    def test_costly(self) -> None:
        """The largest messages of the measurements are within the limits."""
        for name, message in messages().items():
            self.assertEqual(decode(encode(message)), message, name)


class ReadingTests(SynchronousTestCase):
    """What others send and we do not."""

    def read(self, name: str, **components: object) -> Message:
        """Give what is read of a message."""
        return decode(per.Codec(RasMessage()).encode((name, {"requestSeqNum": 7, **components})))

    def test_no_number(self) -> None:
        """A question for a name, and one from a sender that knows no canMapAlias."""
        address = ("ipAddress", {"ip": bytes((10, 0, 0, 1)), "port": 1719})
        names = [per.Chosen("h323-ID", "alice"), per.Chosen("dialledDigits", "1"), per.Chosen("dialledDigits", "1")]
        read = self.read("locationRequest", destinationInfo=names[:1], replyAddress=address)
        self.assertEqual(read, LocationRequest(7, "", ("10.0.0.1", 1719), destination=(Alias(H323_ID, "alice"),)))
        read = self.read("locationRequest", destinationInfo=names, replyAddress=address)
        others = (Alias(H323_ID, "alice"), Alias(DIALLED_DIGITS, "1"))
        self.assertEqual(read, LocationRequest(7, "1", ("10.0.0.1", 1719), destination=others))

    def test_other_addresses(self) -> None:
        """An address that is not IP is none for us; a question that must be answered there is refused."""
        other = ("ipxAddress", {"node": b"123456", "netnum": b"1234", "port": b"12"})
        read = self.read("locationConfirm", callSignalAddress=other, rasAddress=("netBios", bytes(16)))
        self.assertEqual(read, LocationConfirm(7, None, None))
        with self.assertRaises(DecodeError):
            self.read("locationRequest", destinationInfo=[], replyAddress=other)

    def test_prefixes(self) -> None:
        """The prefixes of all protocols of a gateway are gathered, each once."""
        prefixes = [{"prefix": ("dialledDigits", digits)} for digits in ("1#", "2#")]
        protocols = [
            ("voice", {"supportedPrefixes": prefixes}),
            ("h320", {"supportedPrefixes": [*prefixes, {"prefix": ("h323-ID", "name")}]}),
            ("sip", {"supportedPrefixes": [{"prefix": ("dialledDigits", "3#")}]}),
            ("t38FaxAnnexbOnly", b"\1\2"),
            ("nonStandardData", {"nonStandardIdentifier": ("object", (1, 3)), "data": b""}),
        ]
        kind = {"gateway": {"protocol": protocols}, "mc": False, "undefinedNode": False}
        address = ("ipAddress", {"ip": bytes((10, 0, 0, 1)), "port": 1719})
        read = self.read("locationConfirm", callSignalAddress=address, rasAddress=address, destinationType=kind)
        self.assertEqual(read, LocationConfirm(7, ("10.0.0.1", 1719), ("10.0.0.1", 1719), prefixes=("1#", "2#", "3#")))

    def test_tokens(self) -> None:
        """Tokens before the delay of a RIP are read past."""
        hashed = {"algorithmOID": (1, 2, 3), "paramS": {"iv8": bytes(8)}, "hash": per.Bits(5, 96)}
        clear = {"tokenOID": (0, 0, 8, 235), "timeStamp": 1_700_000_000, "random": -5, "generalID": "gk"}
        crypto = [
            ("cryptoEPPwdHash", {"alias": ("h323-ID", "gk"), "timeStamp": 1, "token": hashed}),
            ("nestedcryptoToken", ("cryptoHashedToken", {"tokenOID": (1, 3), "hashedVals": clear, "token": hashed})),
        ]
        icv = {"algorithmOID": (1, 3), "icv": per.Bits(1, 12)}
        read = self.read("requestInProgress", tokens=[clear], cryptoTokens=crypto, integrityCheckValue=icv, delay=300)
        self.assertEqual(read, RequestInProgress(7, 300))

    def test_unknown_reason(self) -> None:
        """A reason that is newer than we are is told as unknown, and a detail of one left out."""
        self.assertEqual(decode(bytes.fromhex("500006b00101")), LocationReject(7, UNKNOWN_REASON))
        self.assertEqual(
            self.read("locationReject", rejectReason=("routeCalltoSCN", [])), LocationReject(7, "routeCalltoSCN")
        )

    def test_redirect_octet(self) -> None:
        """The redirecting element may be an octet alone, as some read Cisco's type."""
        request = LocationRequest(7, "1", REPLY, ttl=6, redirect_ie=b"\x0f")
        self.assertIn(bytes.fromhex("8284 40 010f"), encode(request))
        self.assertEqual(decode(encode(request)), request)

    def test_other_cisco_data(self) -> None:
        """Data of Cisco's that is no LRQnonStandardInfo is kept as it came."""
        for data in (b"", b"\xff\xff\xff", bytes.fromhex("828440020005")):
            value = NonStandard(CISCO, data)
            request = LocationRequest(7, "1", REPLY, nonstandard=value)
            self.assertEqual(decode(encode(request)), request)

    def test_not_about_locations(self) -> None:
        """Other RAS messages are refused by name."""
        for datagram, name in (
            ("0e40010006000891", "registrationRequest"),
            ("8103010203", "resourcesAvailableIndicate"),
        ):
            with self.assertRaises(DecodeError) as refused:
                decode(bytes.fromhex(datagram))
            self.assertIn(name, str(refused.exception))

    def test_trailing_octets(self) -> None:
        """Octets behind a message are not looked at."""
        self.assertEqual(decode(vectors.RIP + b"\xff\xff"), RequestInProgress(2046, 6000))


class AliasTests(SynchronousTestCase):
    """What a person reads of an alias."""

    def test_readable(self) -> None:
        """Text, digits, host and port, or nothing."""
        party: Callable[[object], bytes] = per.Codec(PartyNumber()).encode
        transport: Callable[[object], bytes] = per.Codec(TransportAddress()).encode
        public = {"publicTypeOfNumber": ("internationalNumber", None), "publicNumberDigits": "14085551234"}
        for alias, expected in (
            (Alias(H323_ID, "gw"), "gw"),
            (Alias("partyNumber", "", party(("e164Number", public))), "14085551234"),
            (Alias("partyNumber", "", party(("telexPartyNumber", "123"))), "123"),
            (Alias("transportID", "", transport(("ipAddress", {"ip": b"\x0a\0\0\1", "port": 5}))), "10.0.0.1:5"),
            (Alias("transportID", "", transport(("ip6Address", {"ip": bytes(15) + b"\1", "port": 5}))), "[::1]:5"),
            (Alias("transportID", "", transport(("nsap", b"123"))), ""),
            (Alias("partyNumber", "", b""), ""),
            (Alias("isupNumber", "", b"\xff\x01"), ""),
        ):
            self.assertEqual(alias.readable(), expected)


class RefusalTests(SynchronousTestCase):
    """What H.225.0 has no form for."""

    def test_requests(self) -> None:
        """An LRQ with something too long, too large, or of the wrong alphabet."""
        request = LocationRequest(7, "1", REPLY)
        for wrong in (
            replace(request, seq=0),
            replace(request, seq=65536),
            replace(request, number="+1408"),
            replace(request, number="1" * 129),
            replace(request, reply_address=("gk.example.com", 1719)),
            replace(request, reply_address=("1.2.3.4\0", 1719)),
            replace(request, reply_address=("::1", 70000)),
            replace(request, hop_count=0),
            replace(request, ttl=256),
            replace(request, call_identifier=b"short"),
            replace(request, cisco_call_identifier=GUID),
            replace(request, ttl=6, nonstandard=NonStandard("1.3", b"")),
            replace(request, gatekeeper_id="g" * 129),
            replace(request, source=(Alias("nickname", "al"),)),
            replace(request, source=(Alias("url-ID", "\u00fc"),)),
            replace(request, nonstandard=NonStandard("one.two", b"")),
            replace(request, kept=(("tocken", b""),)),
        ):
            self.assertRaises(EncodeError, encode, wrong)

    def test_answers(self) -> None:
        """An answer with no address, an unknown reason, or no delay."""
        for wrong in (
            LocationConfirm(7, None, REPLY),
            LocationConfirm(7, REPLY, REPLY, alternates=(Alternate(128, (REPLY,)),)),
            LocationReject(7, UNKNOWN_REASON),
            LocationReject(7, "securityError"),
            RequestInProgress(7, 0),
        ):
            self.assertRaises(EncodeError, encode, wrong)


class DamageTests(SynchronousTestCase):
    """Datagrams of strangers."""

    def test_damaged(self) -> None:
        """A damaged datagram is a message or a DecodeError."""
        outcome = fuzz(5000, 1)
        self.assertEqual(outcome.faults, {})
        self.assertGreater(outcome.messages, 500)
        self.assertGreater(outcome.datagrams - outcome.messages, 500)

    def test_seed(self) -> None:
        """One seed gives one sequence."""
        random, again = Random(7), Random(7)
        first = [damaged(vectors.ALL, random) for _ in range(100)]
        self.assertEqual(first, [damaged(vectors.ALL, again) for _ in range(100)])

    @settings(max_examples=COUNT)
    @given(st.binary(max_size=100))
    def test_any_octets(self, datagram: bytes) -> None:
        """Octets by chance likewise."""
        try:
            decode(datagram)
        except DecodeError:
            pass

    def test_every_length(self) -> None:
        """A datagram that ends too early is refused, wherever it ends."""
        for datagram in vectors.ALL:
            for length in range(len(datagram) - 1):
                try:
                    read = decode(datagram[:length])
                except DecodeError:
                    continue
                self.fail(f"{datagram[:length].hex()}: {read}")

    def test_claims(self) -> None:
        """A message that holds more values than it may, or claims to, is refused."""
        aliases = tuple(Alias(DIALLED_DIGITS, "1") for _ in range(MAX_VALUES))
        self.assertRaises(DecodeError, decode, encode(LocationRequest(7, "1", REPLY, source=aliases)))
        self.assertRaises(DecodeError, decode, bytes.fromhex("4a000000c4"))
        self.assertRaises(DecodeError, decode, b"")

    def test_long(self) -> None:
        """A datagram that is longer than any message is refused, whatever is in it."""
        token = NonStandard("1.3", bytes(MAX_DATAGRAM - 100))
        request = LocationRequest(7, "1", REPLY, nonstandard=token)
        self.assertEqual(decode(encode(request)), request)
        self.assertRaises(DecodeError, decode, encode(request) + bytes(100))
