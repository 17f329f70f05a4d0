"""Redirecting numbers of Q.931."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.wire.q931 import (
    REASONS,
    ElementError,
    Presentation,
    RedirectingNumber,
    Screening,
    TypeOfNumber,
    calling_octet_3a,
    decode_redirecting_number,
    encode_redirecting_number,
    redirecting_number,
)

NUMBERS = st.builds(
    RedirectingNumber,
    st.text("0123456789*#", min_size=1, max_size=252),
    st.integers(0, 7),
    st.integers(0, 15),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 15),
)


class ElementTests(SynchronousTestCase):
    """The element and its octets."""

    def test_octets(self) -> None:
        """An unconditional redirection by a number of unknown type."""
        number = RedirectingNumber("4085550000", reason=15)
        element = b"\x74\x0d\x01\x00\x8f4085550000"
        self.assertEqual(encode_redirecting_number(number), element)
        self.assertEqual(decode_redirecting_number(element), number)

    def test_absent_octets(self) -> None:
        """Octets 3a and 3b may be absent; what they tell is then nothing."""
        self.assertEqual(decode_redirecting_number(b"\x74\x03\x9112"), RedirectingNumber("12", 1))
        self.assertEqual(
            decode_redirecting_number(b"\x74\x04\x11\xa112"),
            RedirectingNumber("12", 1, presentation=Presentation.RESTRICTED, screening=Screening.VERIFIED),
        )

    @given(NUMBERS)
    def test_round(self, number: RedirectingNumber) -> None:
        """Every number comes back."""
        self.assertEqual(decode_redirecting_number(encode_redirecting_number(number)), number)

    @given(st.binary(max_size=12) | st.binary(max_size=12).map(lambda octets: b"\x74" + bytes((len(octets),)) + octets))
    def test_any_octets(self, element: bytes) -> None:
        """Octets by chance are a number or an ElementError."""
        try:
            number = decode_redirecting_number(element)
        except ElementError:
            return
        self.assertEqual(decode_redirecting_number(encode_redirecting_number(number)), number)

    def test_refused(self) -> None:
        """Another element, a wrong length, no digits, too many of the octets before them."""
        for element in (
            b"",
            b"\x74\x00",
            b"\x70\x03\x8112",
            b"\x74\x04\x8112",
            b"\x74\x02\x8112",
            b"\x74\x01\x81",
            b"\x74\x01\x01",
            b"\x74\x04\x01\x01\x011",
            b"\x74\x02\x81a",
            b"\x74\x02\x81\xb2",
        ):
            self.assertRaises(ElementError, decode_redirecting_number, element)
        for digits in ("", "+1", "a", "1" * 253):
            self.assertRaises(ElementError, encode_redirecting_number, RedirectingNumber(digits))


class DiversionTests(SynchronousTestCase):
    """What a Diversion header gives."""

    def test_numbers(self) -> None:
        """A number with + is an international one; visual separators are not in it."""
        self.assertEqual(
            redirecting_number("+1(408)555-1234"), RedirectingNumber("14085551234", TypeOfNumber.INTERNATIONAL)
        )
        self.assertEqual(redirecting_number("4711"), RedirectingNumber("4711"))
        for user in ("alice", "", "+", "4711;x=y"):
            self.assertRaises(ElementError, redirecting_number, user)

    def test_reasons(self) -> None:
        """Words with a number of their own have it; all others are unknown."""
        for word, expected in (*REASONS.items(), ("User-Busy", 1), ("follow-me", 0), ("away", 0), ("time-of-day", 0)):
            self.assertEqual(redirecting_number("4711", word).reason, expected)

    def test_privacy(self) -> None:
        """Privacy restricts the presentation; screening is vouched for by who screened."""
        for privacy, screen, expected in (
            ("off", "no", 0x80),
            ("full", "no", 0xA0),
            ("uri", "YES", 0xA1),
            ("name", "yes", 0x81),
        ):
            self.assertEqual(calling_octet_3a(privacy, screen), expected)
            element = encode_redirecting_number(redirecting_number("4711", "no-answer", privacy, screen))
            self.assertEqual(element[2:5], bytes((0x01, expected & 0x7F, 0x82)))
