"""Tests of L{sipproxy.access.credentials}."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.access.credentials import (
    ChallengeWriter,
    DigestCredentials,
    parse_auth_params,
    parse_credentials,
    quote,
    split_scheme,
)
from sipproxy.errors import SipParseError

# RFC 3261 22.2, folded as there.
EXAMPLE = (
    b'Digest username="bob", realm="biloxi.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="sip:bob@biloxi.com", '
    b'qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", '
    b'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)


class ParseTests(SynchronousTestCase):
    """Credentials."""

    def assertRefused(self, value: bytes, reason: bytes) -> None:
        """See that a value is no credentials."""
        error = self.assertRaises(SipParseError, parse_credentials, value)
        self.assertEqual((error.status, error.reason), (400, reason))

    def test_example(self) -> None:
        """The example of RFC 3261 22.2."""
        self.assertEqual(
            parse_credentials(EXAMPLE),
            DigestCredentials(
                username=b"bob",
                realm=b"biloxi.com",
                nonce=b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
                uri=b"sip:bob@biloxi.com",
                response=b"6629fae49393a05397450978507c4ef1",
                qop=b"auth",
                nc=b"00000001",
                cnonce=b"0a4f113b",
            ),
        )

    def test_leniency(self) -> None:
        """White space, case, empty elements, and quotes where there should be none or the other way round."""
        found = parse_credentials(
            b'dIGEST\tUsername = "a,b\\"c" ,, realm="r",nonce="n",uri=sip:x@y;z=1, response="ABCDEF", '
            b'algorithm="md5", qop="AUTH", nc="0000000A", cnonce=c ,'
        )
        self.assertEqual(found.username, b'a,b"c')
        self.assertEqual((found.uri, found.response), (b"sip:x@y;z=1", b"abcdef"))
        self.assertEqual((found.algorithm, found.qop, found.nonce_count), (b"md5", b"auth", 10))

    def test_without_qop(self) -> None:
        """RFC 2069's client; a nonce count without qop means nothing."""
        found = parse_credentials(b'Digest username="a", realm="r", nonce="n", uri="u", response="0", nc=00000001')
        self.assertEqual((found.qop, found.nc, found.cnonce, found.nonce_count), (b"", b"", b"", 0))

    def test_missing(self) -> None:
        """Each of what is required."""
        for name in (b"username", b"realm", b"nonce", b"uri", b"response"):
            self.assertRefused(EXAMPLE.replace(name + b"=", b"x="), b"Missing %b In Credentials" % name)

    def test_improper(self) -> None:
        """What is no value, no parameter, no scheme; and what stands twice."""
        for old, new in ((b"nc=00000001", b"nc=0x1"), (b"nc=00000001", b"x=1"), (b'"0a4f113b"', b'""')):
            self.assertRefused(EXAMPLE.replace(old, new), b"Bad Nonce Count Or Cnonce In Credentials")
        for more in (b", realm=x", b", Realm=x"):
            self.assertRefused(EXAMPLE + more, b"Repeated Auth Parameter")
        self.assertRefused(EXAMPLE + b', x="', b"Bad Auth Parameter")
        self.assertRefused(EXAMPLE + b" x=1", b"Bad Auth Parameter")
        self.assertRefused(b"Basic eHg=", b"Not Digest")
        self.assertRefused(b'"', b"Bad Auth Scheme")

    def test_split_scheme(self) -> None:
        """Any scheme, with something behind it or nothing."""
        self.assertEqual(split_scheme(b"Basic eHg="), (b"basic", b"eHg="))
        self.assertEqual(split_scheme(b"NTLM"), (b"ntlm", b""))

    @given(st.binary(max_size=200))
    def test_any_octets(self, octets: bytes) -> None:
        """Any octets are parameters or an error of the peer."""
        for value in (octets, b"Digest " + octets, EXAMPLE + b", " + octets):
            try:
                parse_credentials(value)
            except SipParseError:
                pass

    @given(st.from_regex(rb'([a-zA]{1,3} ?=("[^"]{0,3}"|[0-9a-c]{0,2}),? {0,2}){0,4}', fullmatch=True))
    def test_both_ways(self, text: bytes) -> None:
        """The usual form is read as others are: white space changes nothing."""
        readings = []
        for written in (text, b"," + text):
            try:
                readings.append(parse_auth_params(written))
            except SipParseError as error:
                readings.append({b"error": error.reason})
        self.assertEqual(readings[0], readings[1])

    @given(st.dictionaries(st.from_regex(rb"[a-z]{1,9}", fullmatch=True), st.binary(max_size=20), max_size=5))
    def test_round_trip(self, params: dict[bytes, bytes]) -> None:
        """What is quoted is read as it was."""
        written = b", ".join(name + b"=" + quote(value) for name, value in params.items())
        self.assertEqual(parse_auth_params(written), params)


class ChallengeTests(SynchronousTestCase):
    """Challenges."""

    def test_form(self) -> None:
        """One for each algorithm in the given order, all with the same nonce."""
        writer = ChallengeWriter(b'a "b" \\', (b"SHA-256", b"MD5"), (b"auth", b"auth-int"), b"o")
        before = b'Digest realm="a \\"b\\" \\\\", nonce="n", opaque="o", '
        self.assertEqual(
            writer.first(b"n"),
            (
                before + b'algorithm=SHA-256, qop="auth,auth-int"',
                before + b'algorithm=MD5, qop="auth,auth-int"',
            ),
        )
        self.assertEqual(writer.stale(b"n")[1], before + b'stale=true, algorithm=MD5, qop="auth,auth-int"')
