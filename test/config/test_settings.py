"""Final values: defaults, paths, checks, and settings without a file."""

from pathlib import Path
from typing import assert_type

from sipproxy.config import (
    Computed,
    ConfigError,
    Directive,
    Listen,
    Module,
    Position,
    Problem,
    Settings,
    load,
    load_value,
    text,
)
from sipproxy.errors import SipproxyError
from test.config.sample import (
    DNS_SERVERS,
    ERROR_LOG,
    HOLD_DOWN,
    LISTEN,
    LOG_FORMAT,
    MODE,
    MODULES,
    NEXT_HOP,
    NEXT_HOP_PORT,
    PROXY_DOMAIN,
    REWRITE_FILE,
    ROUTE,
    SERVER_NAME,
    SERVER_ROOT,
    SIP_T1,
    SIP_T2,
    SPOOL,
    STATEFUL,
    ConfigTestCase,
)


class ValueTests(ConfigTestCase):
    """Values and where they come from."""

    def test_types(self) -> None:
        """A value has the type of its directive; this is judged by mypy."""
        settings = self.read("<StaticRoute Domain a>\nStatic_Route_NextHop b\n</StaticRoute>")
        assert_type(settings[SIP_T1], float)
        assert_type(settings[STATEFUL], bool)
        assert_type(settings[MODE], str)
        assert_type(settings[LISTEN], tuple[Listen, ...])
        assert_type(settings[PROXY_DOMAIN], tuple[str, ...])
        assert_type(settings[ERROR_LOG], Path | str)
        assert_type(settings[SPOOL], Path | None)
        assert_type(settings[DNS_SERVERS], tuple[tuple[str, int], ...] | None)
        assert_type(settings.blocks(ROUTE)[0].arguments, tuple[str, str])
        assert_type(settings.blocks(ROUTE)[0].settings[NEXT_HOP], str | None)
        self.assertEqual(settings.blocks(ROUTE)[0].arguments, ("Domain", "a"))

    def test_defaults(self) -> None:
        """What is not written has its default."""
        settings = self.read("")
        self.assertEqual(
            (settings[SIP_T1], settings[MODE], settings[LISTEN], settings[SPOOL], settings[HOLD_DOWN]),
            (0.5, "Proxy", (Listen(None, 5060),), None, 30.0),
        )

    def test_computed_default(self) -> None:
        """A default may follow from another setting, or from one that follows itself."""
        realm = Directive(
            "AuthRealm", text(), Computed(lambda settings: settings[PROXY_DOMAIN][0], "ProxyDomain"), "X."
        )
        self.assertEqual(self.read("")[realm], "proxy.example")
        self.assertEqual(self.read("ServerName a.example")[realm], "a.example")
        self.assertEqual(self.read("ServerName a.example\nProxyDomain b c")[realm], "b")

    def test_single_value(self) -> None:
        """One value can be had though others are wrong; a wrong one cannot."""
        path = Path(self.mktemp())
        path.write_text("SIPT1InMs 100\nSIPT2InMs x\nNonsense\n")
        self.assertEqual([load_value(each, path, MODULES, {}) for each in (SIP_T1, SIP_T2, MODE)], [0.1, None, "Proxy"])

    def test_is_set(self) -> None:
        """Whether, and where, a directive is written can be asked."""
        settings = self.read("\n  Listen 1\nListen 2")
        file = str(self.directory / "sipd.conf")
        self.assertEqual([settings.is_set(LISTEN), settings.is_set(SIP_T1)], [True, False])
        self.assertEqual(settings.position(LISTEN), Position(file, 2, 3))
        self.assertIsNone(settings.position(SIP_T1))
        self.assertEqual(settings.positions(LISTEN), (Position(file, 2, 3), Position(file, 3, 1)))

    def test_immutable(self) -> None:
        """Settings have nothing to assign to."""
        settings = self.read("")
        for name in ("warnings", "extra"):
            self.assertRaises(AttributeError, setattr, settings, name, ())


class PathTests(ConfigTestCase):
    """Where relative paths start."""

    def test_without_root(self) -> None:
        """Without ServerRoot, at the directory of the configuration file; defaults too."""
        settings = self.read("AccountingFile a/b")
        self.assertEqual(settings[SERVER_ROOT], self.directory)
        self.assertEqual(settings[SPOOL], self.directory / "a/b")
        self.assertEqual(settings[ERROR_LOG], self.directory / "logs/error_log")

    def test_relative_root(self) -> None:
        """A relative ServerRoot starts at that directory; the order in the file does not matter for paths."""
        self.write("AccountingFile a/b\nErrorLog stderr\nServerRoot ../var\n", "etc/sipd.conf")
        settings = load(self.directory / "etc" / "sipd.conf", MODULES, {}, SERVER_ROOT)
        self.assertEqual(settings[SERVER_ROOT], self.directory / "var")
        self.assertEqual(settings[SPOOL], self.directory / "var/a/b")
        self.assertEqual(settings[ERROR_LOG], "stderr")

    def test_absolute(self) -> None:
        """Absolute paths stay as they are."""
        settings = self.read("ServerRoot /srv/sip\nAccountingFile /a/b")
        self.assertEqual((settings[SERVER_ROOT], settings[SPOOL]), (Path("/srv/sip"), Path("/a/b")))

    def test_in_block(self) -> None:
        """Paths in blocks start there too, defaults included."""
        block = "<StaticRoute Domain a>\nStatic_Route_NextHop b\n{}</StaticRoute>\n"
        settings = self.read("ServerRoot /srv\n" + block.format("") + block.format("Static_Route_File x\n"))
        paths = [section.settings[REWRITE_FILE] for section in settings.blocks(ROUTE)]
        self.assertEqual(paths, [Path("/srv/data/rewrite"), Path("/srv/x")])

    def test_relative_file(self) -> None:
        """Paths are absolute though the file's own was not; positions name the file as it was given."""
        file = self.write("ErrorLog x")
        relative = file.relative_to(Path.cwd())
        settings = load(relative, MODULES, {})
        self.assertEqual(settings[ERROR_LOG], self.directory / "x")
        self.assertEqual(settings.position(ERROR_LOG), Position(str(relative), 1, 1))

    def test_no_file(self) -> None:
        """A file that cannot be read is one error."""
        file = self.directory / "none"
        error = self.assertRaises(ConfigError, load, file, MODULES, {}, SERVER_ROOT)
        self.assertIsInstance(error, SipproxyError)
        self.assertEqual(error.problems[0].position, Position(str(file), 1, 1))
        self.assertRegex(str(error), r"none:1:1: expected a readable file, got .*none: No such file or directory$")
        directory = self.assertRaises(ConfigError, load, self.directory, MODULES, {}, SERVER_ROOT)
        self.assertRegex(str(directory), r":1:1: expected a readable file, got .*: Is a directory$")


class CheckTests(ConfigTestCase):
    """Conditions between values."""

    def test_error(self) -> None:
        """An error of a check stands at the value."""
        self.assertEqual(self.problems("SIPT2InMs 400"), ["sipd.conf:1:11: expected no less than SIPT1InMs, got 400"])

    def test_error_of_default(self) -> None:
        """If the directive is not written, it stands at the beginning, and the default is named."""
        self.assertEqual(
            self.problems("\nSIPT1InMs 5000"),
            ["sipd.conf:1:1: expected no less than SIPT1InMs, got 4000 by default"],
        )

    def test_error_in_block(self) -> None:
        """In a block, at its beginning."""
        self.assertEqual(
            self.problems("\n <StaticRoute Domain a>\n</StaticRoute>"),
            ["sipd.conf:2:2: expected Static_Route_NextHop, got none"],
        )

    def test_warning(self) -> None:
        """A warning forbids nothing; it is kept, and marked in its text."""
        settings = self.read("SIPT1InMs 50")
        self.assertEqual(settings[SIP_T1], 0.05)
        (warning,) = settings.warnings
        self.assertTrue(str(warning).endswith("sipd.conf:1:11: warning: expected 100 or more, got 50"), str(warning))
        self.assertEqual(warning.severity, "warning")

    def test_with_other_errors(self) -> None:
        """Checks run though there are errors, warnings are among the problems."""
        self.assertEqual(
            self.problems("Xyzzy\nSIPT1InMs 50\nSIPT2InMs 10"),
            [
                "sipd.conf:1:1: expected a directive or container, got Xyzzy",
                "sipd.conf:2:11: warning: expected 100 or more, got 50",
                "sipd.conf:3:11: expected no less than SIPT1InMs, got 10",
            ],
        )

    def test_wrong_value(self) -> None:
        """A check says nothing of a value that is wrong already, nor of its default."""
        self.assertEqual(
            self.problems("SIPT1InMs 5000\nSIPT2InMs x"),
            ["sipd.conf:2:11: expected a whole number of milliseconds from 1 to 4294967295, got x"],
        )

    def test_failing_check(self) -> None:
        """An error of the check itself is not taken for one of the operator."""

        def check(settings: Settings) -> list[Problem]:
            raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, Settings.of, (Module("broken", check=check),))


class WithoutFileTests(ConfigTestCase):
    """C{Settings.of}."""

    def test_values(self) -> None:
        """Texts go through the same kinds."""
        settings = Settings.of(
            MODULES,
            {
                "sipt1inms": "100",
                "Listen": ["127.0.0.1:5060", "[::1]:5060"],
                "LogFormat": '"%h %l" mine',
                "<StaticRoute E164 5....>": [{"Static_Route_NextHop": "a", "Static_Route_NextHopPort": "1"}],
                "<StaticRoute Domain b>": [{"Static_Route_NextHop": "b"}, {"Static_Route_NextHop": "c"}],
            },
        )
        self.assertEqual(settings[SIP_T1], 0.1)
        self.assertEqual(settings[LISTEN], (Listen("127.0.0.1", 5060), Listen("::1", 5060)))
        self.assertEqual(settings[LOG_FORMAT], (("%h %l", "mine"),))
        self.assertEqual(
            [(one.arguments, one.settings[NEXT_HOP], one.settings[NEXT_HOP_PORT]) for one in settings.blocks(ROUTE)],
            [(("E164", "5...."), "a", 1), (("Domain", "b"), "b", 0), (("Domain", "b"), "c", 0)],
        )

    def test_defaults(self) -> None:
        """Without values there are the defaults, also of a directive that no given module declares."""
        self.assertEqual(Settings.of(MODULES)[SIP_T2], 4.0)
        self.assertEqual(Settings.of(())[PROXY_DOMAIN], ("proxy.example",))

    def test_problems(self) -> None:
        """What is wrong is raised all together."""
        error = self.assertRaises(
            ConfigError, Settings.of, MODULES, {"Listen": ["1", "x"], "Xyzzy": "", "ServerName": "a b"}
        )
        self.assertEqual(
            str(error).splitlines(),
            [
                "<settings>:2:8: expected [address:]port[/transport] with a literal address and a port from 1 to "
                "65535, got x",
                "<settings>:3:1: expected a directive or container, got Xyzzy",
                "<settings>:4:14: expected end of line, got b",
            ],
        )

    def test_checks(self) -> None:
        """Checks run too."""
        self.assertRaises(ConfigError, Settings.of, MODULES, {"SIPT2InMs": "1"})
        self.assertEqual(len(Settings.of(MODULES, {"SIPT1InMs": "1"}).warnings), 1)

    def test_paths(self) -> None:
        """Relative paths stay so, unless there is a root."""
        self.assertEqual(Settings.of(MODULES)[ERROR_LOG], Path("logs/error_log"))
        self.assertEqual(Settings.of(MODULES, root=Path("/srv"))[ERROR_LOG], Path("/srv/logs/error_log"))
        settings = Settings.of(MODULES, {"ServerRoot": "x", "ServerName": "a"}, Path("/srv"), SERVER_ROOT)
        self.assertEqual((settings[ERROR_LOG], settings[SERVER_NAME]), (Path("/srv/x/logs/error_log"), "a"))
