"""The directives of the RADIUS client."""

import os
from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Module, Settings, manual
from sipproxy.errors import UnavailableError
from sipproxy.net.radius_server import RadiusServer
from sipproxy.net.radius_settings import (
    ADD_DOMAIN,
    DEAD_TIME,
    DIGEST_FORM,
    DIRECTIVES,
    NAS_IP_ADDRESS,
    RADIUS_DICTIONARY,
    RADIUS_SERVER,
    RETRIES,
    TIMEOUT,
    SecretFileError,
    ServerLine,
    check,
    configured_client,
    configured_servers,
    read_secret,
)
from sipproxy.simulation.clock import VirtualClock
from sipproxy.simulation.names import Names
from sipproxy.simulation.network import MemoryNetwork
from sipproxy.wire.radius import ACCESS_REQUEST, DICTIONARY

MODULE = Module("mod_sip_radius.c", DIRECTIVES, check=check)


class SettingsTestCase(SynchronousTestCase):
    """Tests with a folder for secrets."""

    def setUp(self) -> None:
        """Make a folder with one secret."""
        self.root = Path(self.mktemp()).resolve()
        self.root.mkdir()
        self.secret("secret", b"testing123\n")

    def secret(self, name: str, content: bytes, mode: int = 0o600) -> Path:
        """Write a secret."""
        path = self.root / name
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def settings(self, *servers: str, **values: str) -> Settings:
        """Read settings."""
        return Settings.of((MODULE,), {"RadiusServer": servers, **values}, root=self.root)

    def problems(self, *servers: str, **values: str) -> list[str]:
        """Tell what is wrong, without the place."""
        error = self.assertRaises(ConfigError, self.settings, *servers, **values)
        return [str(problem).partition(": ")[2] for problem in error.problems]


class DirectiveTests(SettingsTestCase):
    """Their values."""

    def test_defaults(self) -> None:
        """What holds where nothing is written; the manual says the same."""
        settings = self.settings()
        self.assertEqual((settings[RADIUS_SERVER], settings[NAS_IP_ADDRESS]), ((), None))
        self.assertEqual((settings[DIGEST_FORM], settings[ADD_DOMAIN]), ("Both", False))
        self.assertEqual((settings[TIMEOUT], settings[RETRIES], settings[DEAD_TIME]), (1.0, 3, 30.0))
        self.assertEqual(settings[RADIUS_DICTIONARY], DICTIONARY)
        text = manual((MODULE,))
        self.assertIn("Default: the address of the first Listen", text)
        self.assertIn(r"Default: the package\(aqs own", text)
        self.assertNotIn(str(DICTIONARY.parent), text)

    def test_server(self) -> None:
        """A server has a kind, a place, a secret's file, and perhaps a priority."""
        self.secret("other", b"x")
        settings = self.settings(
            "auth 192.0.2.1 secret", "ACCT aaa.example.com:11813 secret priority=20", "auth [2001:db8::1] other"
        )
        secret = self.root / "secret"
        expected = (
            ServerLine("auth", "192.0.2.1", 1812, secret, 1),
            ServerLine("acct", "aaa.example.com", 11813, secret, 20),
            ServerLine("auth", "2001:db8::1", 1812, self.root / "other", 1),
        )
        self.assertEqual(settings[RADIUS_SERVER], expected)
        servers = configured_servers(settings)
        self.assertEqual(servers[1], RadiusServer("acct", "aaa.example.com", 11813, b"testing123", 20))
        self.assertEqual(servers[2].secret, b"x")

    def test_client(self) -> None:
        """The client has the servers and the times that are written."""
        settings = self.settings("auth 192.0.2.1 secret", RadiusTimeoutInMs="100", RadiusRetries="0")
        clock = VirtualClock()
        host = MemoryNetwork(clock, Random(1)).host("192.0.2.100")
        client = configured_client(settings, clock, host, Names(clock), Random(1))
        client.start()
        asked = client.send(ACCESS_REQUEST, [("User-Name", "bob")])
        clock.run(0.2)
        self.failureResultOf(asked, UnavailableError)
        self.assertEqual(client.servers[0].name, "radius auth 192.0.2.1:1812")

    def test_wrong_servers(self) -> None:
        """What is wrong with a server is said where it is wrong."""
        syntax = "auth|acct host[:port] secret-file [priority=number]"
        for line, problem in (
            ("auth 192.0.2.1", f"expected {syntax}, got end of line"),
            ("author 192.0.2.1 secret", "expected auth or acct, got author"),
            ("auth 192.0.2.1:0 secret", "expected host[:port] with a port from 1 to 65535, got 192.0.2.1:0"),
            ("auth 192.0.2.1 secret 2", "expected priority=number, got 2"),
            ("auth 192.0.2.1 secret priority=-1", "expected a whole number from 0 to 1000, got priority=-1"),
            ("auth 192.0.2.1 secret priority=1 x", "expected end of line, got x"),
        ):
            self.assertEqual(self.problems(line), [problem])

    def test_nas_address(self) -> None:
        """It is a literal address of either family."""
        self.assertEqual(self.settings(NASIPAddress="2001:DB8::1")[NAS_IP_ADDRESS], "2001:db8::1")
        for word in ("localhost", "fe80::1%eth0", "192.0.2"):
            self.assertEqual(self.problems(NASIPAddress=word), [f"expected a literal IP address, got {word}"])


class CheckTests(SettingsTestCase):
    """What is wrong between values and with files."""

    def test_repeated_server(self) -> None:
        """No server stands twice, but one may do both."""
        self.settings("auth 192.0.2.1:1812 secret", "acct 192.0.2.1:1812 secret")
        problems = self.problems("auth 192.0.2.1 secret", "auth 192.0.2.1:1812 secret priority=2")
        self.assertEqual(problems, ["expected each server once, got auth 192.0.2.1:1812 again"])

    def test_absent_secret(self) -> None:
        """A secret that is not there is an error, at its own line."""
        error = self.assertRaises(
            ConfigError, self.settings, "auth 192.0.2.1 secret", "auth 192.0.2.2 nowhere", "auth 192.0.2.3 ."
        )
        self.assertEqual([problem.position.line for problem in error.problems], [2, 3])
        self.assertIn("nowhere: No such file or directory", str(error))
        self.assertIn(f"{self.root} to be a file", str(error))

    def test_lost_secret(self) -> None:
        """One that is gone after the check is an error too."""
        settings = self.settings("auth 192.0.2.1 secret")
        (self.root / "secret").unlink()
        self.assertRaises(ConfigError, configured_servers, settings)

    def test_open_secret(self) -> None:
        """One that others can read is a warning."""
        self.secret("open", b"x", 0o644)
        (warning,) = self.settings("auth 192.0.2.1 secret", "auth 192.0.2.2 open").warnings
        self.assertEqual((warning.position.line, warning.severity), (2, "warning"))
        self.assertEqual(warning.expected, "a secret file that others cannot read")

    def test_dictionary(self) -> None:
        """A dictionary must be one."""
        (problem,) = self.problems(RadiusDictionary="secret")
        self.assertIn("does not define User-Name", problem)
        self.assertIn("No such file", self.problems(RadiusDictionary="nowhere")[0])


class SecretTests(SettingsTestCase):
    """Secret files."""

    def test_line_end(self) -> None:
        """One final line end is not part of the secret, of either kind; all else is."""
        for content, secret in (
            (b"s", b"s"),
            (b"s\n", b"s"),
            (b"s\r\n", b"s"),
            (b"s\n\n", b"s\n"),
            (b" s\r", b" s\r"),
            (b"\xff\x00", b"\xff\x00"),
        ):
            self.assertEqual(read_secret(self.secret("one", content)), secret)

    def test_none(self) -> None:
        """An empty secret is none (RFC 2865 3), nor is a large file or a pipe, which is not waited for."""
        for content in (b"", b"\n", b"\r\n", bytes(1025)):
            self.assertRaises(SecretFileError, read_secret, self.secret("one", content))
        os.mkfifo(self.root / "pipe")
        self.assertRaises(SecretFileError, read_secret, self.root / "pipe")
