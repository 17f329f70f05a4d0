"""Tests of L{sipproxy.access.digest} with the examples of the RFCs."""

from hashlib import md5, sha256

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.access.credentials import DigestCredentials
from sipproxy.access.digest import compute_response, hash_a1, is_right

# RFC 7616 3.9.1.
RFC_7616 = DigestCredentials(
    username=b"Mufasa",
    realm=b"http-auth@example.org",
    nonce=b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    uri=b"/dir/index.html",
    response=b"",
    qop=b"auth",
    nc=b"00000001",
    cnonce=b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
)
# RFC 2617 3.5.
RFC_2617 = DigestCredentials(
    username=b"Mufasa",
    realm=b"testrealm@host.com",
    nonce=b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
    uri=b"/dir/index.html",
    response=b"",
    qop=b"auth",
    nc=b"00000001",
    cnonce=b"0a4f113b",
)


def response(algorithm: str, credentials: DigestCredentials, password: bytes, method: bytes = b"GET") -> bytes:
    """Compute as one who knows the password does."""
    ha1 = hash_a1(algorithm, credentials.username, credentials.realm, password)
    return compute_response(algorithm, ha1, credentials, method, b"")


class VectorTests(SynchronousTestCase):
    """Known responses."""

    def test_rfc_7616(self) -> None:
        """RFC 7616 3.9.1, with both algorithms."""
        self.assertEqual(response("MD5", RFC_7616, b"Circle of Life"), b"8ca523f5e9506fed4657c9700eebdbec")
        self.assertEqual(
            response("SHA-256", RFC_7616, b"Circle of Life"),
            b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        )

    def test_rfc_2617(self) -> None:
        """RFC 2617 3.5."""
        self.assertEqual(response("MD5", RFC_2617, b"Circle Of Life"), b"6629fae49393a05397450978507c4ef1")

    def test_rfc_2069(self) -> None:
        """RFC 2069 2.4 as its errata have it: without qop."""
        old = RFC_2617._replace(qop=b"", nc=b"", cnonce=b"")
        self.assertEqual(response("MD5", old, b"CircleOfLife"), b"1949323746fe6a43ef61f9606e7febea")

    def test_empty_body(self) -> None:
        """RFC 3261 22.4 item 7 and RFC 8760 2.6 item 7: without a body the hash of no octets."""
        empty = {
            "MD5": (md5, "d41d8cd98f00b204e9800998ecf8427e"),
            "SHA-256": (sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        }
        credentials = RFC_7616._replace(qop=b"auth-int", uri=b"sip:bob@biloxi.com")
        for algorithm, (of, hashed) in empty.items():
            ha2 = of(f"INVITE:sip:bob@biloxi.com:{hashed}".encode()).hexdigest()
            middle = b":".join((credentials.nonce, credentials.nc, credentials.cnonce, b"auth-int")).decode()
            expected = of(f"a1:{middle}:{ha2}".encode()).hexdigest().encode()
            self.assertEqual(compute_response(algorithm, b"a1", credentials, b"INVITE", b""), expected)

    def test_body(self) -> None:
        """A body counts with auth-int only."""
        for qop, same in ((b"auth", True), (b"auth-int", False)):
            credentials = RFC_7616._replace(qop=qop)
            one, other = (compute_response("MD5", b"a1", credentials, b"GET", body) for body in (b"v=0", b"v=1"))
            self.assertEqual(one == other, same)

    def test_is_right(self) -> None:
        """A right response, a wrong one, one that is too short, and one that is no text."""
        right = response("MD5", RFC_2617, b"x")
        ha1 = hash_a1("MD5", b"Mufasa", b"testrealm@host.com", b"x")
        for given, verdict in ((right, True), (b"0" * 32, False), (right[:-1], False), (b"\xff" * 32, False)):
            self.assertEqual(is_right("MD5", ha1, RFC_2617._replace(response=given), b"GET", b""), verdict)
