"""The directives of the subscriber database."""

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Module, Settings
from sipproxy.config.directives import Directive
from sipproxy.databases import subscribers_settings as directives
from sipproxy.databases.mysql import MysqlAddress
from sipproxy.databases.subscribers import Subscriber
from sipproxy.databases.subscribers_memory import MemoryStore

MODULE = Module("mod_sip_authen.c", directives.DIRECTIVES, check=directives.check_subscribers)
ROOT = Path("/srv")
MYSQL = {
    "SubscriberDatabase": "MySQL",
    "DB_MySQL_HostName": "db.example.com",
    "DB_MySQL_DB": "sip",
    "DB_MySQL_UserName": "proxy",
}


def settings_of(**values: str) -> Settings:
    """Give settings."""
    return Settings.of([MODULE], values, ROOT)


class DirectiveTests(SynchronousTestCase):
    """Values, defaults, problems."""

    def test_defaults(self) -> None:
        """What is not written is what the manual says."""
        settings = settings_of()
        found = {directive.name: settings[directive] for directive in directives.DIRECTIVES}
        expected = {
            "SubscriberPasswords": "HA1",
            "SubscriberDatabase": ROOT / "data/subscribers.db",
            "SubscriberCacheInS": 60.0,
            "DB_MySQL_HostName": None,
            "DB_MySQL_Port": 3306,
            "DB_MySQL_DB": None,
            "DB_MySQL_UserName": None,
            "DB_MySQL_PasswordFile": None,
            "DB_MySQL_Table": "subscribers",
            "DB_MySQL_PoolSize": 4,
            "DB_MySQL_TimeoutInMs": 2.0,
        }
        self.assertEqual(found, expected)
        shown = directives.SUBSCRIBER_DATABASE.kind.show(directives.SUBSCRIBER_DATABASE.default)
        self.assertEqual(shown, "sqlite:data/subscribers.db")

    def test_database(self) -> None:
        """It is a file from ServerRoot, mysql or ldap."""
        texts = {"sqlite:x.db": ROOT / "x.db", "SQLite:/a b/x.db": Path("/a b/x.db"), "LDAP": "ldap"}
        for text, expected in texts.items():
            settings = settings_of(SubscriberDatabase=f'"{text}"')
            self.assertEqual(settings[directives.SUBSCRIBER_DATABASE], expected)

    def problem(self, **values: str) -> str:
        """Give what is wrong with settings."""
        with self.assertRaises(ConfigError) as caught:
            settings_of(**values)
        return str(caught.exception)

    def test_wrong_values(self) -> None:
        """Each is an error with what was expected."""
        cases = (
            ("SubscriberDatabase", "data/x.db", "expected mysql, sqlite:PATH or ldap"),
            ("SubscriberDatabase", "sqlite:", "expected mysql, sqlite:PATH or ldap"),
            ("SubscriberDatabase", "mysql ldap", "expected end of line"),
            ("SubscriberPasswords", "MD5", "expected Clear or HA1"),
            ("DB_MySQL_Table", '"a b"', "expected a letter or _, then letters"),
            ("DB_MySQL_Table", "a;b", "expected a letter or _, then letters"),
            ("DB_MySQL_Port", "0", "from 1 to 65535"),
            ("DB_MySQL_PoolSize", "0", "from 1 to 100"),
            ("DB_MySQL_TimeoutInMs", "0", "a whole number of milliseconds"),
        )
        for name, text, expected in cases:
            self.assertIn(expected, self.problem(**{name: text}))

    def test_mysql_needs(self) -> None:
        """With mysql the server, the database and the user must be told, each is named."""
        problem = self.problem(SubscriberDatabase="mysql")
        for what in ("the MySQL server", "the database", "the user"):
            self.assertIn(f"expected {what}, as SubscriberDatabase is mysql, got none", problem)
        self.assertEqual(settings_of(**MYSQL).warnings, ())


class PasswordFileTests(SynchronousTestCase):
    """The file with the password."""

    def setUp(self) -> None:
        self.file = Path(self.mktemp()).absolute()

    def settings(self, content: bytes, mode: int = 0o600) -> Settings:
        """Give settings with a password file."""
        self.file.write_bytes(content)
        self.file.chmod(mode)
        return settings_of(**MYSQL, DB_MySQL_PasswordFile=str(self.file))

    def test_line_end(self) -> None:
        """One final line end is no part of the password; everything else is."""
        cases = {
            b"s": b"s",
            b"s\n": b"s",
            b"s\r\n": b"s",
            b"s\n\n": b"s\n",
            b" s \xff\r": b" s \xff\r",
            b"": b"",
            b"\n": b"",
        }
        for content, password in cases.items():
            address = MysqlAddress("db.example.com", 3306, "sip", "proxy", password)
            self.assertEqual(directives.address_of(self.settings(content)), address)

    def test_readable_by_others(self) -> None:
        """A file that others can read is a warning."""
        self.assertEqual(self.settings(b"s", 0o640).warnings, ())
        (warning,) = self.settings(b"s", 0o644).warnings
        self.assertIn("warning: expected a file that others cannot read (chmod o-r)", str(warning))

    def test_unusable(self) -> None:
        """A file that is not there, is a folder or is far too long is an error."""
        for path, expected in ((self.file / "x", "No such file"), (Path("/"), "Is a directory"), (None, "4096 octets")):
            with self.assertRaises(ConfigError) as caught:
                if path is None:
                    self.settings(bytes(5000))
                else:
                    settings_of(**MYSQL, DB_MySQL_PasswordFile=str(path))
            self.assertIn(expected, str(caught.exception))


class MakeTests(SynchronousTestCase):
    """The database that settings describe."""

    def test_ldap(self) -> None:
        """The store of a directory comes from who knows directories; without one it is a mistake of ours."""
        settings = settings_of(SubscriberDatabase="ldap")
        store = MemoryStore([Subscriber("bob")])
        made = directives.make_subscribers(settings, Clock(), lambda: store)
        self.assertEqual(self.successResultOf(made.get("bob")), Subscriber("bob"))
        self.assertRaises(TypeError, directives.make_subscribers, settings, Clock())

    def test_declared_once(self) -> None:
        """Each directive is in the list that the module declares."""
        declared = {value for value in vars(directives).values() if isinstance(value, Directive)}
        self.assertEqual(declared, set(directives.DIRECTIVES))
