"""The directives of the LDAP directory."""

from pathlib import Path

from twisted.internet.ssl import KeyPair
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Module, Settings
from sipproxy.errors import StoreError
from sipproxy.net.ldap_messages import Bind
from sipproxy.net.ldap_settings import (
    DIRECTIVES,
    SERVER,
    LdapUrl,
    check,
    configured_directory,
    configured_server,
)
from test.net.ldap_server import Names

MODULE = Module("mod_sip_authen.c", DIRECTIVES, check=check)
NEEDED = {"LDAPServer": "ldap://127.0.0.1", "LDAPBaseDN": "ou=h350,dc=example"}


class SettingsTestCase(SynchronousTestCase):
    """Tests with a folder for files."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).resolve()
        self.root.mkdir()

    def write(self, name: str, content: bytes, mode: int = 0o600) -> str:
        """Write a file."""
        path = self.root / name
        path.write_bytes(content)
        path.chmod(mode)
        return name

    def certificate(self) -> bytes:
        """Make a certificate that nobody has signed but its owner."""
        key = KeyPair.generate(size=2048)
        made = key.selfSignedCert(1, CN=b"authority")
        pem: bytes = made.dumpPEM()
        return pem

    def settings(self, **values: str) -> Settings:
        """Read settings."""
        return Settings.of((MODULE,), {**NEEDED, **values}, root=self.root)

    def problems(self, **values: str) -> list[str]:
        """Tell what is wrong, or doubtful, without the place."""
        try:
            found = self.settings(**values).warnings
        except ConfigError as error:
            found = error.problems
        return [str(problem).partition(": ")[2] for problem in found]


class DirectiveTests(SettingsTestCase):
    """Values, defaults, problems."""

    def test_defaults(self) -> None:
        """What is not written is what the manual says."""
        settings = self.settings()
        found = {directive.name: settings[directive] for directive in DIRECTIVES}
        expected = {
            "LDAPServer": LdapUrl("127.0.0.1", 389, False),
            "LDAPBaseDN": "ou=h350,dc=example",
            "LDAPBindDN": None,
            "LDAPPasswordFile": None,
            "LDAPStartTLS": False,
            "LDAPCA": None,
            "LDAPTimeoutInMs": 2.0,
            "LDAPPoolSize": 4,
            "LDAPUserAttribute": "SIPIdentityUserName",
        }
        self.assertEqual(found, expected)

    def test_url(self) -> None:
        """A URL has a scheme, a host and perhaps a port; what else RFC 4516 puts there has other directives."""
        for text, expected in (
            ("ldap://dir.Example.com/", ("dir.example.com", 389, False)),
            ("LDAPS://dir.example.com", ("dir.example.com", 636, True)),
            ("ldaps://[2001:DB8::1]:3636", ("2001:db8::1", 3636, True)),
        ):
            self.assertEqual(SERVER.kind.parse((text,)), expected)
        for text in ("dir.example.com", "ldapi://%2frun", "ldap://", "ldap://x:0", "ldap://x/dc=example", "http://x"):
            (problem,) = self.problems(LDAPServer=text)
            self.assertIn("expected ldap://host[:port] or ldaps://host[:port]", problem)

    def test_wrong_values(self) -> None:
        """Names of attributes, times and numbers have their bounds."""
        for name, value in (
            ("LDAPUserAttribute", "a=b"),
            ("LDAPUserAttribute", "2.5.4.3"),
            ("LDAPTimeoutInMs", "0"),
            ("LDAPPoolSize", "0"),
            ("LDAPPoolSize", "101"),
        ):
            self.assertEqual(len(self.problems(**{name: value})), 1, value)

    def test_needed(self) -> None:
        """The server and the entry that searches begin at must be there."""
        error = self.assertRaises(ConfigError, Settings.of, (MODULE,), {}, root=self.root)
        texts = sorted(str(problem) for problem in error.problems)
        self.assertEqual(len(texts), 2)
        for name, text in zip(("LDAPBaseDN", "LDAPServer"), texts, strict=True):
            self.assertIn(name, text)
            self.assertIn("as SubscriberDatabase is ldap", text)

    def test_password(self) -> None:
        """A name needs a password, and a password a name; others should not be able to read it."""
        name = {"LDAPBindDN": "cn=sipproxy"}
        (problem,) = self.problems(**name)
        self.assertIn("LDAPPasswordFile path, as there is LDAPBindDN", problem)
        for file, expected in (
            (self.write("none", b"\n"), "a secret of 1 to"),
            ("missing", "a secret file that can be read"),
            (self.write("open", b"secret", 0o644), "a file that others cannot read"),
        ):
            (problem,) = self.problems(LDAPPasswordFile=file, **name)
            self.assertIn(expected, problem)
        (problem,) = self.problems(LDAPPasswordFile=self.write("good", b"secret"))
        self.assertIn("LDAPBindDN entry, as there is LDAPPasswordFile", problem)
        self.assertEqual(self.problems(LDAPPasswordFile="good", **name), [])

    def test_tls(self) -> None:
        """TLS begins once, and its authority is one."""
        secure = {"LDAPServer": "ldaps://dir.example.com"}
        (problem,) = self.problems(LDAPStartTLS="On", **secure)
        self.assertIn("with ldaps:// TLS has begun already", problem)
        good = self.write("good", b"x\n" + self.certificate() + b"y\n" + self.certificate())
        broken = self.write("broken", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
        for file, expected in (
            ("missing", "a file that can be read"),
            (self.write("empty", b""), "a file with certificates (PEM)"),
            (broken, "a file with certificates (PEM) that can be read"),
        ):
            (problem,) = self.problems(LDAPCA=file, **secure)
            self.assertIn(expected, problem)
        self.assertEqual(self.problems(LDAPCA=good, **secure), [])
        (problem,) = self.problems(LDAPCA=good)
        self.assertIn("certificates are for TLS only", problem)

    def test_clear(self) -> None:
        """Passwords that cross a network in clear are worth a warning."""
        far = {"LDAPServer": "ldap://dir.example.com"}
        (problem,) = self.problems(**far)
        self.assertIn("passwords of subscribers come in clear", problem)
        self.assertEqual(self.problems(LDAPStartTLS="On", **far), [])
        for near in ("localhost", "127.1.2.3", "[::1]"):
            self.assertEqual(self.problems(LDAPServer=f"ldap://{near}"), [])


class DirectoryTests(SettingsTestCase):
    """The directory that is described."""

    def test_server(self) -> None:
        """Name, password and place reach it; TLS is prepared where it is wanted."""
        password = self.write("password", b"p w\r\n")
        server = configured_server(self.settings(LDAPBindDN="cn=x", LDAPPasswordFile=password))
        self.assertEqual(server.bind, Bind("cn=x", b"p w"))
        self.assertEqual(
            (server[:3], server.tls, str(server)),
            (("127.0.0.1", 389, NEEDED["LDAPBaseDN"]), None, "ldap://127.0.0.1:389"),
        )
        ca = self.write("ca", self.certificate())
        for values, expected in (
            ({"LDAPServer": "ldaps://[::1]"}, (False, "ldaps://[::1]:636")),
            ({"LDAPStartTLS": "On"}, (True, "ldap://127.0.0.1:389")),
        ):
            server = configured_server(self.settings(LDAPCA=ca, **values))
            self.assertIsNotNone(server.tls)
            self.assertEqual((server.starts_tls, str(server)), expected)

    def test_files_gone(self) -> None:
        """A file that is no longer what it was when it was checked is a problem of the configuration."""
        files = {"LDAPPasswordFile": self.write("password", b"x"), "LDAPCA": self.write("ca", self.certificate())}
        settings = self.settings(LDAPBindDN="cn=x", LDAPStartTLS="On", **files)
        for name in ("ca", "password"):
            (self.root / name).unlink()
            error = self.assertRaises(ConfigError, configured_server, settings)
            self.assertIn(f"got {name}", str(error))

    def test_directory(self) -> None:
        """Nothing is connected before the first question, which then has its deadline."""
        reactor = MemoryReactorClock()
        settings = self.settings(LDAPTimeoutInMs="700")
        directory = configured_directory(settings, reactor, Names())  # type: ignore[arg-type]
        self.assertEqual(reactor.tcpClients, [])
        asked = directory.open()
        self.assertEqual(reactor.tcpClients[0][:2], ("192.0.2.1", 389))
        reactor.advance(0.7)
        self.failureResultOf(asked, StoreError)
