"""RADIUS packets: the examples of RFC 5090, what is sent, and what must be dropped."""

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyrad.packet import AcctPacket, AuthPacket  # type: ignore[import-untyped]
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.wire.radius import (
    ACCESS_ACCEPT,
    ACCESS_CHALLENGE,
    ACCESS_REQUEST,
    ACCOUNTING_REQUEST,
    ACCOUNTING_RESPONSE,
    DICTIONARY,
    LONGEST_VALUE,
    Attribute,
    DictionaryError,
    Packer,
    RadiusError,
    Reply,
    Request,
    load_dictionary,
    make_request,
    nas_attributes,
    read_reply,
)

DICT = load_dictionary()
PACKER = Packer(DICT)
SECRET = b"secret"
AUTHENTICATOR = bytes(range(16))


def tlv(number: int, value: bytes) -> bytes:
    """Write an attribute."""
    return bytes((number, len(value) + 2)) + value


def request(code: int = ACCESS_REQUEST, attributes: Sequence[Attribute] = (("User-Name", "bob"),)) -> Request:
    """Make a request with identifier 7."""
    return make_request(code, 7, SECRET, PACKER.pack(attributes), AUTHENTICATOR)


def signed(code: int, asked: bytes, content: bytes = b"", identifier: int = 7) -> bytes:
    """Write a reply with a right Response Authenticator (RFC 2865 3).

    @param asked: the Request Authenticator
    @param content: its attributes
    """
    head = bytes((code, identifier)) + (20 + len(content)).to_bytes(2, "big")
    return head + hashlib.md5(head + asked + content + SECRET).digest() + content


class Rfc5090Tests(SynchronousTestCase):
    """The examples of RFC 5090 section 6: identifiers 124 and 125."""

    def packet(self, code: int, identifier: int, authenticator: str, content: bytes, message: str) -> bytes:
        """Write a packet as the RFC shows it, the Message-Authenticator last."""
        content += tlv(80, bytes.fromhex(message))
        head = bytes((code, identifier)) + (20 + len(content)).to_bytes(2, "big")
        return head + bytes.fromhex(authenticator) + content

    def asked(self, identifier: int, authenticator: str) -> Request:
        """Make a request with the RFC's identifier and authenticator."""
        content = PACKER.pack([("User-Name", "12345678")])
        return make_request(ACCESS_REQUEST, identifier, SECRET, content, bytes.fromhex(authenticator))

    def test_challenge(self) -> None:
        """The challenge is read, with both of its authenticators."""
        content = tlv(105, b"3bada1a0") + tlv(104, b"example.com") + tlv(110, b"auth") + tlv(111, b"MD5")
        datagram = self.packet(11, 124, "EBE20199C26EFEAD69BF8AB0E786CA4D", content, "5DA18ED3BBC9513DCBDE0A37F51B7DE3")
        self.assertEqual(len(datagram), 72)
        reply = read_reply(DICT, self.asked(124, "F5E55840E324AA49D216D9DBD069807C"), datagram)
        self.assertEqual(reply.code, ACCESS_CHALLENGE)
        self.assertEqual(reply.attributes["Digest-Nonce"], ["3bada1a0"])
        self.assertEqual(reply.attributes["Digest-Qop"], ["auth"])

    def test_accept(self) -> None:
        """The acceptance is read; with one bit changed anywhere it is not."""
        content = tlv(106, b"f847de948d12285f8f4199e366f1af21")
        datagram = self.packet(2, 125, "FFDD74D6470D21CB6FC4D6056BE245D2", content, "7B76E2F10A7067AF601938BF13B0A62E")
        asked = self.asked(125, "F5E55840E324AA49D216D9DBD069807D")
        reply = read_reply(DICT, asked, datagram)
        self.assertEqual(reply.attributes["Digest-Response-Auth"], ["f847de948d12285f8f4199e366f1af21"])
        for at in range(len(datagram)):
            damaged = datagram[:at] + bytes((datagram[at] ^ 1,)) + datagram[at + 1 :]
            self.assertRaises(RadiusError, read_reply, DICT, asked, damaged)

    def test_message_authenticator(self) -> None:
        """What is computed over the RFC's request, in our order of attributes, is what HMAC-MD5 gives."""
        made = self.asked(125, "F5E55840E324AA49D216D9DBD069807D").data
        self.assertEqual(made[20:22], b"\x50\x12")
        zeroed = made[:22] + bytes(16) + made[38:]
        self.assertEqual(made[22:38], hmac.digest(SECRET, zeroed, "md5"))


class RequestTests(SynchronousTestCase):
    """What is sent."""

    def test_access_request(self) -> None:
        """It begins with its Message-Authenticator; a server that checks it reads what was said."""
        attributes = [("User-Name", "böb"), *nas_attributes("192.0.2.1"), ("CHAP-Challenge", b"0x41424344")]
        made = request(attributes=attributes)
        read = AuthPacket(secret=SECRET, dict=DICT, id=0, packet=made.data)
        self.assertTrue(read.verify_message_authenticator())
        self.assertEqual((read.code, read.id, read.authenticator), (1, 7, AUTHENTICATOR))
        self.assertEqual(read["User-Name"], ["böb"])
        self.assertEqual((read["NAS-IP-Address"], read["NAS-Port"]), (["192.0.2.1"], [5]))
        self.assertEqual(read["Service-Type"], ["Login"])
        # Octets stay octets, whatever they look like.
        self.assertEqual(read["CHAP-Challenge"], [b"0x41424344"])

    def test_accounting_request(self) -> None:
        """Its authenticator is that of RFC 2866 section 3, and it has no Message-Authenticator."""
        attributes = [
            ("Acct-Status-Type", "Interim-Update"),
            ("Acct-Delay-Time", 3),
            ("NAS-IPv6-Address", "2001:db8::1"),
            ("h323-setup-time", "h323-setup-time=x"),
            ("Cisco-AVPair", "a=1"),
            ("Cisco-AVPair", "b=2"),
        ]
        made = request(ACCOUNTING_REQUEST, attributes)
        self.assertEqual(made.authenticator, made.data[4:20])
        read = AcctPacket(secret=SECRET, dict=DICT, id=0, packet=made.data)
        self.assertTrue(read.VerifyAcctRequest())
        self.assertNotIn("Message-Authenticator", read)
        self.assertEqual(made.data[20:32], bytes.fromhex("280600000003290600000003"))
        self.assertEqual(read["Cisco-AVPair"], ["a=1", "b=2"])
        # RFC 2865 5.26: vendor 9, then type and length of its own.
        self.assertIn(bytes.fromhex("1a1900000009") + tlv(25, b"h323-setup-time=x"), made.data)

    def test_family(self) -> None:
        """An IPv6 address has an attribute of its own (RFC 3162 2.1)."""
        self.assertEqual(nas_attributes("2001:db8::1")[0], ("NAS-IPv6-Address", "2001:db8::1"))

    def test_empty(self) -> None:
        """A value without octets is left out (RFC 2865 5)."""
        self.assertEqual(request(attributes=[("User-Name", "")]).data, request(attributes=()).data)

    def test_too_long(self) -> None:
        """Values and packets have their bounds, and unknown names none at all."""
        request(attributes=[("User-Name", "x" * LONGEST_VALUE)])
        self.assertRaises(ValueError, request, ACCESS_REQUEST, [("User-Name", "x" * (LONGEST_VALUE + 1))])
        self.assertRaises(ValueError, request, ACCOUNTING_REQUEST, [("call-id", b"x" * 248)])
        self.assertRaises(ValueError, request, ACCESS_REQUEST, [("Class", bytes(250))] * 17)
        self.assertRaises(KeyError, request, ACCESS_REQUEST, [("Nobody", 1)])


class ReplyTests(SynchronousTestCase):
    """What comes back."""

    def fault(self, datagram: bytes, asked: Request) -> str:
        """Tell why a datagram is dropped."""
        error: RadiusError = self.assertRaises(RadiusError, read_reply, DICT, asked, datagram)
        return error.fault

    def test_values(self) -> None:
        """Values have the types of the dictionary; what it does not know is left out; padding is ignored."""
        content = tlv(27, (90).to_bytes(4, "big")) + tlv(18, b"one") + tlv(18, b"\xff") + tlv(250, b"?")
        content += tlv(26, bytes((0, 0, 0, 9)) + tlv(1, b"a=b")) + tlv(26, bytes((0, 0, 0, 99)) + tlv(1, b"?"))
        asked = request()
        reply = read_reply(DICT, asked, signed(ACCESS_ACCEPT, asked.authenticator, content) + b"padding")
        known: dict[str, list[Any]] = {
            "Session-Timeout": [90],
            "Reply-Message": ["one", b"\xff"],
            "Cisco-AVPair": ["a=b"],
        }
        self.assertEqual(reply, Reply(ACCESS_ACCEPT, known))

    def test_accounting(self) -> None:
        """An acknowledgement needs nothing inside; one of another request's authenticator is forged."""
        asked = request(ACCOUNTING_REQUEST)
        good = signed(ACCOUNTING_RESPONSE, asked.authenticator)
        self.assertEqual(read_reply(DICT, asked, good), Reply(ACCOUNTING_RESPONSE, {}))
        self.assertEqual(self.fault(signed(ACCOUNTING_RESPONSE, AUTHENTICATOR), asked), "authenticator")

    def test_codes(self) -> None:
        """A signed packet that is no answer to this kind of request is dropped."""
        for code, kind in ((ACCOUNTING_RESPONSE, ACCESS_REQUEST), (ACCESS_ACCEPT, ACCOUNTING_REQUEST), (40, 1), (1, 1)):
            asked = request(kind)
            self.assertEqual(self.fault(signed(code, asked.authenticator), asked), "code")

    def test_proxy_state(self) -> None:
        """A Proxy-State that was never sent is the mark of a forged answer (CVE-2024-3596)."""
        asked = request()
        self.assertEqual(self.fault(signed(ACCESS_ACCEPT, AUTHENTICATOR, tlv(33, b"x")), asked), "authenticator")

    def test_message_authenticator(self) -> None:
        """A wrong Message-Authenticator counts more than a right Response Authenticator; two are one too many."""
        asked = request()
        one = tlv(80, bytes(16))
        self.assertEqual(self.fault(signed(ACCESS_ACCEPT, AUTHENTICATOR, one), asked), "authenticator")
        self.assertEqual(self.fault(signed(ACCESS_ACCEPT, AUTHENTICATOR, one + one), asked), "malformed")

    def test_lengths(self) -> None:
        """Lengths that do not fit, in the packet or of a value, are damage even where the packet is signed."""
        asked = request()
        good = signed(ACCESS_ACCEPT, AUTHENTICATOR, tlv(18, b"words"))
        for end in range(len(good)):
            self.assertEqual(self.fault(good[:end], asked), "malformed")
        for content in (b"\x12", b"\x12\x00", b"\x12\x01x", b"\x12\x09short", tlv(27, b"123"), tlv(95, bytes(17))):
            self.assertEqual(self.fault(signed(ACCESS_ACCEPT, AUTHENTICATOR, content), asked), "malformed")
        self.assertEqual(self.fault(bytes((2, 7, 255, 255)) + bytes(65531), asked), "malformed")

    @given(st.binary(max_size=200))
    def test_any_datagram(self, datagram: bytes) -> None:
        """Any octets are a reply or a RadiusError; without the secret they are the latter."""
        self.assertRaises(RadiusError, read_reply, DICT, request(), datagram)

    @given(st.binary(max_size=100), st.sampled_from((ACCESS_REQUEST, ACCOUNTING_REQUEST)), st.integers(0, 255))
    def test_any_content(self, content: bytes, kind: int, code: int) -> None:
        """Also what a server has signed is a reply or a RadiusError."""
        asked = request(kind)
        try:
            reply = read_reply(DICT, asked, signed(code, asked.authenticator, content))
        except RadiusError:
            return
        self.assertEqual(reply.code, code)

    @given(st.lists(st.tuples(st.integers(1, 25), st.binary(max_size=20))))
    def test_any_attributes(self, attributes: list[tuple[int, bytes]]) -> None:
        """Well-formed attributes with any content are a reply or a RadiusError."""
        asked = request()
        content = b"".join(tlv(number, value) for number, value in attributes)
        try:
            reply = read_reply(DICT, asked, signed(ACCESS_ACCEPT, AUTHENTICATOR, content))
        except RadiusError:
            return
        messages = [value for number, value in attributes if number == 18]
        self.assertEqual(len(reply.attributes.get("Reply-Message", ())), len(messages))


class DictionaryTests(SynchronousTestCase):
    """RadiusDictionary."""

    def write(self, text: str) -> Path:
        """Write a dictionary."""
        path = Path(self.mktemp())
        path.write_text(text)
        return path

    def refusal(self, path: Path) -> str:
        """Tell why a dictionary is refused."""
        return str(self.assertRaises(DictionaryError, load_dictionary, path))

    def test_larger(self) -> None:
        """One that includes the package's own and adds to it is used."""
        path = self.write(f"$INCLUDE {DICTIONARY}\nATTRIBUTE Filter-Id 11 string\n")
        self.assertEqual(Packer(load_dictionary(path)).pack([("Filter-Id", "x")]), tlv(11, b"x"))

    def test_refused(self) -> None:
        """One that lacks or changes something, that is none, or that is not there is refused in one line."""
        small = self.write("ATTRIBUTE User-Name 1 string\n")
        self.assertEqual(self.refusal(small), f"{small} does not define CHAP-Password as attribute 3 octets")
        other = self.write(f"$INCLUDE {DICTIONARY}\nATTRIBUTE Digest-Response 206 string\n")
        self.assertEqual(self.refusal(other), f"{other} does not define Digest-Response as attribute 103 string")
        absent = Path(self.mktemp()).absolute()
        self.assertEqual(self.refusal(absent), f"{absent} cannot be read: No such file or directory")
        for text in ("ATTRIBUTE x", "ATTRIBUTE x 1 text", "VALUE", "$INCLUDE no/where", "BEGIN-VENDOR nobody"):
            self.assertNotIn("\n", self.refusal(self.write(text)))
        binary = Path(self.mktemp())
        binary.write_bytes(b"\xff\xfe")
        self.assertIn("is no RADIUS dictionary", self.refusal(binary))
