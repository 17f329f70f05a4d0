"""What sipd.conf says of the farm."""

from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Directive, Module, Settings, host
from sipproxy.farm import settings as farm
from sipproxy.farm.making import configured_keyspace

SERVER_NAME = Directive("ServerName", host(), "here.example.com", "The name of this server.")
MEMBER = farm.farm_member(SERVER_NAME)
MODULES = (Module("core.c", (SERVER_NAME,)), farm.mod_sip_farm(MEMBER))


class SettingsTests(SynchronousTestCase):
    """Values, and what is wrong with them."""

    def settings(self, **values: Any) -> Settings:
        """Read settings."""
        return Settings.of(MODULES, values, Path(self.mktemp()))

    def problems(self, **values: Any) -> list[str]:
        """Give what is wrong."""
        error = self.assertRaises(ConfigError, self.settings, **values)
        return [str(problem) for problem in error.problems]

    def test_defaults(self) -> None:
        """Without a word there is no farm; its databases are three."""
        settings = self.settings()
        self.assertEqual((settings[farm.FARM], settings[MEMBER]), (False, "here.example.com"))
        self.assertEqual(settings[farm.SHARED], ("registry", "routing", "numbers"))
        self.assertEqual((settings[farm.WRITE_TIMEOUT], settings[farm.LOCK_TTL]), (1.0, 10.0))
        self.assertEqual((settings[farm.ACKNOWLEDGE], settings[farm.FARM_NAME]), ("Majority", "sipproxy"))
        self.assertEqual((settings[farm.EXPECT_MEMBERS], settings[farm.DRAIN_TIMEOUT]), ((), 300.0))

    def test_endpoints(self) -> None:
        """An endpoint is a URL without a path; its port is etcd's where none stands."""
        settings = self.settings(FarmEndpoint=["http://E1.example.com", "https://[::1]:99/"], Farm="On")
        self.assertEqual(settings[farm.ENDPOINT], ("http://e1.example.com:2379", "https://[::1]:99"))
        for wrong in ("e1:2379", "ftp://e1", "http://e1:0", "http://e1:70000", "http://e1/path", "http://"):
            (problem,) = self.problems(FarmEndpoint=wrong)
            self.assertIn("expected http://host[:port] or https://host[:port]", problem)

    def test_what_belongs_together(self) -> None:
        """A farm has an endpoint, a certificate its key, a user a password file that can be read."""
        self.assertIn("there is no FarmEndpoint", self.problems(Farm="On")[0])
        self.assertIn("a FarmKey beside it", self.problems(FarmCertificate="x.pem")[0])
        self.assertIn("a FarmCertificate beside it", self.problems(FarmKey="x.key")[0])
        self.assertIn("a FarmPasswordFile beside it", self.problems(FarmUser="proxy")[0])
        (problem,) = self.problems(FarmUser="proxy", FarmPasswordFile="nowhere")
        self.assertIn("a password file that can be read", problem)
        self.assertIn("a name of letters", self.problems(FarmName="a/b")[0])
        self.assertIn("registry, routing or numbers", self.problems(FarmDatabases="registry calls")[0])

    def test_password(self) -> None:
        """The password is what stands in the file, without its line end; in the clear it may be read on the way."""
        file = Path(self.mktemp()).resolve()
        file.write_bytes("s\N{SNOWMAN}\r\n".encode())
        values = {"FarmUser": "proxy", "FarmPasswordFile": str(file), "FarmEndpoint": "http://e1"}
        settings = self.settings(**values)
        self.assertEqual(farm.configured_password(settings), "s\N{SNOWMAN}")
        self.assertIn("https in each FarmEndpoint", str(settings.warnings[0]))
        for content in (b"\n", b"\xff\n", b"x" * 2000):
            file.write_bytes(content)
            self.assertIn("a password of 1 to 1024 octets", " ".join(self.problems(**values)))

    def test_certificates(self) -> None:
        """A certificate that cannot be read is a wrong configuration."""
        file = Path(self.mktemp()).resolve()
        file.write_bytes(b"no certificate")
        settings = self.settings(FarmEndpoint="https://e1", FarmCertificate=str(file), FarmKey=str(file))
        error = self.assertRaises(ConfigError, configured_keyspace, settings, Clock())
        self.assertIn("certificates that can be read", str(error))
