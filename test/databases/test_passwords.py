"""HA1, and what is kept of a password."""

from hashlib import md5, sha256

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.passwords import CLEAR, HASHED, ha1, password_fields, user_part
from sipproxy.databases.subscribers import Subscriber

REALM = "example.com"


class HashTests(SynchronousTestCase):
    """The hash itself."""

    def test_rfc_7616(self) -> None:
        """The user of RFC 7616 3.9.1 has the HA1 that its responses are made from."""
        user = ("Mufasa", "http-auth@example.org", "Circle of Life")
        self.assertEqual(ha1("MD5", *user), "3d78807defe7de2157e2b0b6573a855f")
        uri_hash = sha256(b"GET:/dir/index.html").hexdigest()
        nonce = (
            "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v:00000001:f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ:auth"
        )
        response = sha256(f"{ha1('SHA-256', *user)}:{nonce}:{uri_hash}".encode()).hexdigest()
        self.assertEqual(response, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")

    def test_utf_8(self) -> None:
        """Text is hashed as UTF-8 (RFC 7616 3.3)."""
        self.assertEqual(
            ha1("MD5", "J\u00e4s\u00f8n", "r", "p\u4e2d"), md5("J\u00e4s\u00f8n:r:p\u4e2d".encode()).hexdigest()
        )

    def test_other_algorithms(self) -> None:
        """There is no hash of algorithms that are not spoken."""
        self.assertIsNone(ha1("SHA-512-256", "u", "r", "p"))

    def test_user_part(self) -> None:
        """The user part ends at the last @: a domain has none."""
        found = [user_part(key) for key in ("bob@h", "b@b@h", "5551", "@h")]
        self.assertEqual(found, ["bob", "b@b", None, ""])


class SubscriberTests(SynchronousTestCase):
    """What a subscriber can say of passwords."""

    def answers(self, key: str, kept: str) -> list[str | None]:
        """Give the hashes for the key and for its user part, by each algorithm."""
        subscriber = Subscriber(key, **password_fields(key, "secret", REALM, kept))  # type: ignore[arg-type]
        return [
            subscriber.ha1(algorithm, name, REALM)
            for algorithm in ("MD5", "SHA-256")
            for name in (key, key.partition("@")[0])
        ]

    def test_clear_and_hashed_agree(self) -> None:
        """A hash that is kept is the same as one that is computed, for both names."""
        for key in ("bob@example.com", "5551"):
            expected = [
                ha1(a, name, REALM, "secret") for a in ("MD5", "SHA-256") for name in (key, key.partition("@")[0])
            ]
            self.assertEqual(self.answers(key, CLEAR), expected)
            self.assertEqual(self.answers(key, HASHED), expected)

    def test_other_names_and_realms(self) -> None:
        """A kept hash is for its realm and names only, a clear password for any realm and any name."""
        for kept, realm_matters in ((CLEAR, False), (HASHED, True)):
            bob = Subscriber("bob@h", **password_fields("bob@h", "secret", REALM, kept))  # type: ignore[arg-type]
            for name in ("alice", "bob@H"):
                self.assertEqual(
                    bob.ha1("MD5", name, REALM), None if realm_matters else ha1("MD5", name, REALM, "secret")
                )
            self.assertIsNone(bob.ha1("SHA-1", "bob", REALM))
            self.assertEqual(bob.ha1("MD5", "bob", "other") is None, realm_matters)

    def test_no_password(self) -> None:
        """Without a password there is no hash, not even of an empty one."""
        bob = Subscriber("bob@h", **password_fields("bob@h", None, REALM, HASHED))  # type: ignore[arg-type]
        self.assertEqual(bob, Subscriber("bob@h"))
        for name in ("bob", "bob@h"):
            self.assertIsNone(bob.ha1("MD5", name, REALM))
            self.assertIsNone(bob.ha1("MD5", name, ""))

    def test_nothing_is_left(self) -> None:
        """The fields of a new password leave nothing of the old one, whichever way each is kept."""
        names = {"password", "realm", "ha1_md5", "ha1_sha256", "ha1b_md5", "ha1b_sha256"}
        for kept in (CLEAR, HASHED):
            self.assertEqual(set(password_fields("bob", "secret", REALM, kept)), names)
        self.assertIsNone(password_fields("bob", "secret", REALM, HASHED)["password"])
        self.assertEqual(password_fields("bob", "secret", REALM, CLEAR)["ha1_md5"], "")

    def test_capitals(self) -> None:
        """A hash that was written by hand in capitals is given in small letters."""
        bob = Subscriber("bob", realm=REALM, ha1_md5="AB" * 16)
        self.assertEqual(bob.ha1("MD5", "bob", REALM), "ab" * 16)

    def test_repr(self) -> None:
        """What is logged of a subscriber has no secrets."""
        bob = Subscriber("bob", password="secret", ha1_md5="ab" * 16)
        self.assertNotIn("secret", repr(bob))
        self.assertNotIn("abab", repr(bob))
