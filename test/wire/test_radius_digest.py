"""Digest credentials as RADIUS attributes."""

import hashlib

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.wire.radius_digest import LONGEST_PARAMETER, digest_attributes

FIELDS = {
    "username": "12345678",
    "realm": r"the \"example\" value",
    "nonce": "3bada1a0",
    "uri": "sip:97226491335@example.com",
    "response": "756933f735fcd93f90a4bbdd5467f263",
    "algorithm": "MD5",
    "qop": "auth",
    "cnonce": "56593a80",
    "nc": "00000001",
    "opaque": "o",
    "unheard-of": "x",
}


def attributes(
    form: str, fields: dict[str, str] = FIELDS, uri: bytes = b"sip:r@example.com", body: bytes = b""
) -> list[tuple[str, bytes]]:
    """Give the attributes for an INVITE."""
    return list(digest_attributes(form, fields, b"INVITE", uri, body))


class DigestTests(SynchronousTestCase):
    """The two forms."""

    def test_rfc5090(self) -> None:
        """Each parameter has its attribute; what is escaped stays escaped (RFC 5090 section 3)."""
        self.assertEqual(
            dict(attributes("RFC5090")),
            {
                "Digest-Username": b"12345678",
                "Digest-Realm": rb"the \"example\" value",
                "Digest-Nonce": b"3bada1a0",
                "Digest-URI": b"sip:97226491335@example.com",
                "Digest-Response": b"756933f735fcd93f90a4bbdd5467f263",
                "Digest-Algorithm": b"MD5",
                "Digest-Qop": b"auth",
                "Digest-CNonce": b"56593a80",
                "Digest-Nonce-Count": b"00000001",
                "Digest-Opaque": b"o",
                "Digest-Method": b"INVITE",
            },
        )

    def test_sterman(self) -> None:
        """Each parameter is an attribute of its own within attribute 207."""
        found = attributes("Sterman")
        self.assertEqual(found[0], ("Sterman-Digest-Response", b"756933f735fcd93f90a4bbdd5467f263"))
        self.assertEqual({name for name, _ in found[1:]}, {"Sterman-Digest-Attributes"})
        values = [value for _, value in found[1:]]
        self.assertEqual([value[0] for value in values], [1, 2, 3, 4, 5, 6, 8, 9, 10])
        self.assertEqual(values[2], b"\x03\x08INVITE")
        self.assertEqual(values[-1], b"\x0a\x0a12345678")

    def test_both(self) -> None:
        """Both forms are the one and the other."""
        self.assertEqual(attributes("Both"), attributes("RFC5090") + attributes("Sterman"))

    def test_without(self) -> None:
        """What is left out in the credentials has no attribute; the URI is then that of the request."""
        fields = {"username": "u", "realm": "r", "nonce": "n", "response": "d", "qop": ""}
        expected = {"Digest-Username", "Digest-Realm", "Digest-Nonce", "Digest-Response", "Digest-Method", "Digest-URI"}
        found = dict(attributes("RFC5090", fields))
        self.assertEqual(set(found), expected)
        self.assertEqual(found["Digest-URI"], b"sip:r@example.com")

    def test_body(self) -> None:
        """With auth-int the hash of the body goes along, by the algorithm of the credentials."""
        for algorithm, name in (("MD5", "md5"), ("md5-sess", "md5"), ("SHA-256", "sha256"), ("SHA-256-sess", "sha256")):
            found = dict(attributes("RFC5090", FIELDS | {"qop": "auth-int", "algorithm": algorithm}, body=b"v=0"))
            self.assertEqual(found["Digest-Entity-Body-Hash"], hashlib.new(name, b"v=0").hexdigest().encode())
        for fields in (FIELDS, FIELDS | {"qop": "auth-int", "algorithm": "NONE"}):
            self.assertNotIn("Digest-Entity-Body-Hash", dict(attributes("RFC5090", fields, body=b"v=0")))
        sterman = attributes("Sterman", FIELDS | {"qop": "auth-int"})
        self.assertIn(("Sterman-Digest-Attributes", b"\x07\x22d41d8cd98f00b204e9800998ecf8427e"), sterman)

    def test_octets(self) -> None:
        """Octets that are not UTF-8 go out as they came."""
        name = b"b\xffb\xc3\xb6".decode("utf-8", "surrogateescape")
        self.assertEqual(dict(attributes("RFC5090", FIELDS | {"username": name}))["Digest-Username"], b"b\xffb\xc3\xb6")

    def test_too_long(self) -> None:
        """A parameter that does not fit is an error."""
        attributes("Both", FIELDS | {"cnonce": "c" * LONGEST_PARAMETER})
        error = self.assertRaises(ValueError, attributes, "Both", FIELDS | {"cnonce": "c" * (LONGEST_PARAMETER + 1)})
        self.assertEqual(str(error), "cnonce is too long")
