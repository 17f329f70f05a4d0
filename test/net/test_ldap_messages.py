"""LDAP messages: what we send, and whatever servers send."""

from hypothesis import given
from hypothesis import strategies as st
from ldaptor.protocols import pureber, pureldap  # type: ignore[import-untyped]
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.net.ldap_messages import (
    LONGEST_MESSAGE,
    Abandon,
    Bind,
    Entry,
    MalformedError,
    Result,
    Search,
    StartTls,
    Unbind,
    message_length,
    read_message,
)
from test.net.ldap_server import PAGED_RESULTS, done, found, octets

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
NUMBER = st.integers(1, 2**31 - 1)


def tlv(tag: int, *parts: bytes) -> bytes:
    """Write a value in BER; up to 65535 octets."""
    value = b"".join(parts)
    length = bytes((len(value),)) if len(value) < 128 else b"\x82" + len(value).to_bytes(2, "big")
    return bytes((tag,)) + length + value


class WritingTests(SynchronousTestCase):
    """Octets as RFC 4511 has them."""

    def test_bind(self) -> None:
        """The name and the password stand as they are, and the password is not printed."""
        bind = Bind("cn=x", "p\N{SNOWMAN}".encode())
        expected = tlv(0x30, tlv(2, b"\7"), tlv(0x60, tlv(2, b"\3"), tlv(4, b"cn=x"), tlv(0x80, b"p\xe2\x98\x83")))
        self.assertEqual(bind.to_octets(7), expected)
        self.assertEqual(repr(bind), "Bind('cn=x')")

    def test_others(self) -> None:
        """What has no answer, and StartTLS."""
        self.assertEqual(Abandon(3).to_octets(7), tlv(0x30, tlv(2, b"\7"), tlv(0x50, b"\3")))
        self.assertEqual(Unbind().to_octets(7), tlv(0x30, tlv(2, b"\7"), tlv(0x42)))
        wish = tlv(0x77, tlv(0x80, b"1.3.6.1.4.1.1466.20037"))
        self.assertEqual(StartTls().to_octets(7), tlv(0x30, tlv(2, b"\7"), wish))

    @given(st.lists(TEXT, min_size=2, max_size=4))
    def test_filter(self, keys: list[str]) -> None:
        """Whatever a value is, it stands in the filter as it is and changes nothing else in it."""
        search = Search("ou=x", True, {"a": ("c",), "b": keys, "d": ()}, ("a", "b"), 100, 2)
        either = tlv(0xA1, *(tlv(0xA3, tlv(4, b"b"), tlv(4, key.encode())) for key in keys))
        conditions = tlv(0xA0, tlv(0xA3, tlv(4, b"a"), tlv(4, b"c")), either, tlv(0x87, b"d"))
        limits = tlv(2, b"\x64") + tlv(2, b"\2") + tlv(1, b"\0")
        wanted = tlv(0x30, tlv(4, b"a"), tlv(4, b"b"))
        request = tlv(0x63, tlv(4, b"ou=x"), tlv(10, b"\2"), tlv(10, b"\0"), limits, conditions, wanted)
        # Lengths of 128 to 255 may be written in two ways, so what is read is compared.
        written, expected = (_read(each) for each in (search.to_octets(7), tlv(0x30, tlv(2, b"\7"), request)))
        self.assertEqual(written, expected)

    def test_page(self) -> None:
        """A page is asked for by the control of RFC 2696, which is not critical, and has no limit beside it."""
        search = Search("", False, {"a": ()}, ("1.1",), 100, 2, b"cookie")
        value = tlv(0x30, tlv(2, b"\x64"), tlv(4, b"cookie"))
        control = tlv(0xA0, tlv(0x30, tlv(4, PAGED_RESULTS), tlv(4, value)))
        self.assertTrue(search.to_octets(7).endswith(control))
        self.assertIn(tlv(10, b"\0") + tlv(10, b"\0") + tlv(2, b"\0") + tlv(2, b"\2"), search.to_octets(7))


def _read(written: bytes) -> bytes:
    """Write anew what was written, so that lengths have one form."""
    tag, value = written[0], written[2:]
    if written[1] & 0x80:
        value = written[2 + (written[1] & 0x7F) :]
    if not tag & 0x20:
        return tlv(tag, value)
    parts = []
    while value:
        length = message_length(b"\x30" + value[1:]) or 0
        parts.append(_read(value[:length]))
        value = value[length:]
    return tlv(tag, *parts)


class ReadingTests(SynchronousTestCase):
    """What servers send."""

    def test_entry(self) -> None:
        """An entry has its values by the names of attributes, whose case does not count."""
        values = [("SIPIdentityUserName", ["bob", "\N{SNOWMAN}"]), ("SIPIdentityPassword", [b"\xff\0"]), ("none", [])]
        message = octets(9, pureldap.LDAPSearchResultEntry("cn=bob", values))
        expected = {
            "sipidentityusername": (b"bob", "\N{SNOWMAN}".encode()),
            "sipidentitypassword": (b"\xff\0",),
            "none": (),
        }
        self.assertEqual(read_message(message), (9, Entry("cn=bob", expected)))

    def test_results(self) -> None:
        """A result has a name and what the server says, in one line; a page says where it ended."""
        for message, expected in (
            (done(2), Result(0, "success", b"")),
            (done(2, 49, "80090308: \r\nLdapErr"), Result(49, "invalidCredentials (80090308:   LdapErr)", b"")),
            (done(2, 4242), Result(4242, "result 4242", b"")),
            (done(2, cookie=b"\0\1"), Result(0, "success", b"\0\1")),
            (octets(2, pureldap.LDAPBindResponse(0)), Result(0, "success", b"")),
        ):
            self.assertEqual(read_message(message), (2, expected))

    def test_reference(self) -> None:
        """References to elsewhere are passed over; one as the whole answer is a result."""
        reference = tlv(0x30, tlv(2, b"\2"), tlv(0x73, tlv(4, b"ldap://192.0.2.1/")))
        self.assertEqual(read_message(reference), (2, None))
        whole = tlv(0x65, tlv(10, b"\x0a"), tlv(4), tlv(4), tlv(0xA3, tlv(4, b"ldap://192.0.2.1/")))
        self.assertEqual(read_message(tlv(0x30, tlv(2, b"\2"), whole)), (2, Result(10, "referral", b"")))

    def test_unknown_elements(self) -> None:
        """What a later release of the protocol may have put at an end is passed over."""
        unknown = tlv(0x8E, b"new")
        end = tlv(0x65, tlv(10, b"\0"), tlv(4), tlv(4), unknown)
        self.assertEqual(read_message(tlv(0x30, tlv(2, b"\2"), end, unknown)), (2, Result(0, "success", b"")))

    def test_length(self) -> None:
        """A length is known as soon as its octets are there."""
        message = done(2, message="x" * 300)
        for size in range(4):
            self.assertIsNone(message_length(message[:size]))
        for size in range(4, len(message)):
            self.assertEqual(message_length(message[:size]), len(message))
        self.assertEqual(message_length(b"\x30\x05"), 7)
        for wrong in (b"G", b"\x30\x80", b"\x30\x85", b"\x30\xff", b"\x30\x83" + LONGEST_MESSAGE.to_bytes(3, "big")):
            self.assertRaises(MalformedError, message_length, wrong)

    @given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda value: tlv(0x30, value))))
    def test_any_octets(self, given: bytes) -> None:
        """Any octets are a message or a L{MalformedError}."""
        for read in (message_length, read_message):
            try:
                read(given)
            except MalformedError:
                pass

    @given(NUMBER, st.integers(0, 80), st.data())
    def test_damage(self, number: int, code: int, data: st.DataObject) -> None:
        """So is a message of which some octets are others."""
        message = bytearray(data.draw(st.sampled_from((found(number, "bob"), done(number, code, "text", b"x")))))
        for place in data.draw(st.lists(st.integers(0, len(message) - 1), max_size=3)):
            message[place] = data.draw(st.integers(0, 255))
        self.test_any_octets.hypothesis.inner_test(self, bytes(message))  # type: ignore[attr-defined]

    def test_deep(self) -> None:
        """Neither depth nor number of what is in a message does harm."""
        deep = b""
        while len(deep) < 6000:
            deep = tlv(0x30, deep)
        for value in (deep, tlv(4) * (LONGEST_MESSAGE // 2 - 8)):
            self.assertRaises(MalformedError, read_message, tlv(0x30, tlv(2, b"\2"), value))

    def test_wrong_types(self) -> None:
        """Numbers where text belongs are no message."""
        attributes = tlv(0x30, tlv(0x30, tlv(4, b"a"), tlv(0x31, tlv(2, b"\1"))))
        control = pureber.BERSequence([pureber.BERInteger(0), pureber.BERInteger(0)]).toWire()
        for message in (
            tlv(0x30, tlv(2, b"\2"), tlv(0x64, tlv(4, b"cn=x"), attributes)),
            tlv(0x30, tlv(2, b"\2"), tlv(0x65, tlv(4, b"0"), tlv(4), tlv(4))),
            octets(2, pureldap.LDAPSearchResultDone(0), [(PAGED_RESULTS, None, control)]),
            octets(2, pureldap.LDAPUnbindRequest()),
            tlv(0x30, tlv(2, b"\2"), tlv(0x65, tlv(10, b"\0"), tlv(4), tlv(4)), tlv(0xA0, tlv(4, b"x"))),
        ):
            self.assertRaises(MalformedError, read_message, message)
