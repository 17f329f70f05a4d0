"""Tests of L{sipproxy.access.settings}."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.access import settings as access
from sipproxy.access.failures import Rate
from sipproxy.access.settings import Policy
from sipproxy.config import ConfigError, Directive, Module, Settings, hosts, joined

DOMAIN = Directive("ProxyDomain", joined(hosts()), ("example.com", "example.org"), "Our domains.")
REALM = access.auth_realm(DOMAIN)
MODULES = (
    Module("mod_sip.c", (DOMAIN,)),
    Module("mod_sip_authen.c", (*access.DIRECTIVES, REALM), check=access.check),
)


def settings_of(values: Mapping[str, str | Sequence[str]]) -> Settings:
    """Read directives."""
    return Settings.of(MODULES, values)


class SettingsTests(SynchronousTestCase):
    """The directives."""

    def assertExpected(self, name: str, value: str, expected: str) -> None:
        """See that a value is refused, and what is told."""
        error = self.assertRaises(ConfigError, settings_of, {name: value})
        self.assertIn(expected, str(error))

    def test_defaults(self) -> None:
        """What holds where nothing is said."""
        settings = settings_of({})
        self.assertIs(settings[access.AUTHENTICATION], False)
        self.assertEqual(settings[access.SCHEME], "HTTP_Digest")
        self.assertEqual(settings[REALM], "example.com")
        self.assertEqual(settings[access.ALGORITHMS], ("MD5", "SHA-256"))
        self.assertEqual(settings[access.QOP], ("auth", "auth-int"))
        self.assertEqual(settings[access.FAILURE_LIMIT], Rate(30, 60.0))
        self.assertEqual(settings[access.NONCE_LIFETIME], 300.0)
        self.assertEqual((settings[access.USER_SOURCE], settings[access.EXPAND_NAME]), ("Auth", False))
        self.assertEqual(Policy.of(settings), Policy(frozenset((b"REGISTER", b"INVITE")), (), True))

    def test_values(self) -> None:
        """What can be said."""
        settings = settings_of(
            {
                "AuthMethods": "invite Message",
                "AuthTrustedPeer": ["192.0.2.1", "2001:db8::/32"],
                "AuthCheckUser": "Off",
                "AuthFailureLimit": "5/10",
                "AuthRealm": '"Example Networks"',
            }
        )
        policy = Policy.of(settings)
        self.assertEqual(policy.methods, {b"INVITE", b"MESSAGE"})
        self.assertEqual(policy.trusted, (ip_network("192.0.2.1"), ip_network("2001:db8::/32")))
        self.assertIs(policy.check_user, False)
        self.assertEqual(settings[access.FAILURE_LIMIT], Rate(5, 10.0))
        self.assertEqual(settings[REALM], "Example Networks")
        self.assertIsNone(settings_of({"AuthFailureLimit": "off"})[access.FAILURE_LIMIT])

    def test_wrong(self) -> None:
        """What cannot."""
        self.assertExpected("AuthMethods", "INVITE ACK", "REGISTER, INVITE, OPTIONS")
        self.assertExpected("AuthMethods", "INVITE FOO", "UPDATE")
        self.assertExpected("AuthScheme", "Basic", "HTTP_Digest, CHAP or RADIUS_Digest")
        self.assertExpected("AuthAlgorithms", "SHA-512-256", "MD5 or SHA-256")
        self.assertExpected("AuthAlgorithms", "MD5 md5", "each algorithm once")
        self.assertExpected("AuthQop", "auth auth", "each of auth and auth-int once")
        self.assertExpected("AuthTrustedPeer", "gateway.example.com", "address[/bits]")
        self.assertExpected("AuthRealm", '""', "text without control characters")
        self.assertExpected("AuthNonceLifetimeInS", "0", "a whole number of seconds")
        for value in ("30", "0/60", "30/0", "/", "a/b", "1/2/3"):
            self.assertExpected("AuthFailureLimit", value, "failures/seconds, such as 30/60, or Off")

    def test_twice(self) -> None:
        """A method that stands twice deserves a look."""
        (warning,) = settings_of({"AuthMethods": "INVITE invite"}).warnings
        self.assertIn("each method once", str(warning))
