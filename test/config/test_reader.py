"""Directives in their places, and variables in their values."""

from sipproxy.config import Directive, Listen, Module, Settings, on_off
from sipproxy.config.names import Suggestions
from test.config.sample import (
    LISTEN,
    LOG_FORMAT,
    MODE,
    NUM_EXPAND,
    ROUTE,
    SERVER_ALIAS,
    SERVER_NAME,
    SIP_T1,
    STATEFUL,
    ConfigTestCase,
)


class DirectiveTests(ConfigTestCase):
    """Single directives."""

    def test_values(self) -> None:
        """Values of all kinds, names in any case."""
        settings = self.read("sipt1inms 100\nSIPSERVERMODE redirect\nStatefulServer off\nServerName GW.example\n")
        self.assertEqual(
            (settings[SIP_T1], settings[MODE], settings[STATEFUL], settings[SERVER_NAME]),
            (0.1, "Redirect", False, "gw.example"),
        )

    def test_repeated(self) -> None:
        """A repeated directive keeps its occurrences, or their words, in order."""
        settings = self.read(
            "Listen 5060\nListen [::1]:5070\nServerAlias a b\nServerAlias c\nNumExpand 5.... 1408555...."
        )
        self.assertEqual(settings[LISTEN], (Listen(None, 5060), Listen("::1", 5070)))
        self.assertEqual(settings[SERVER_ALIAS], ("a", "b", "c"))
        self.assertEqual(settings[NUM_EXPAND], (("5....", "1408555...."),))

    def test_quoting(self) -> None:
        """A quoted value reaches the kind as one word."""
        settings = self.read(r'LogFormat "%h \"%r\" %>s \\x" mine')
        self.assertEqual(settings[LOG_FORMAT], ((r'%h "%r" %>s \x', "mine"),))

    def test_wrong_value(self) -> None:
        """A wrong value is named with what was expected, at its column, with the nearest right word."""
        self.assertEqual(
            self.problems("SIPT1InMs 0\n  SIPServerMode Redirct\nNumExpand 5"),
            [
                "sipd.conf:1:11: expected a whole number of milliseconds from 1 to 4294967295, got 0",
                "sipd.conf:2:17: expected Proxy or Redirect, got Redirct, did you mean Redirect?",
                "sipd.conf:3:11: expected exactly two words, got 5",
            ],
        )

    def test_no_suggestion_of_itself(self) -> None:
        """A word that is right as far as it goes is not suggested to who wrote it."""
        self.assertEqual(Suggestions().nearest("sqlite:", ("mysql", "sqlite:", "ldap")), "")
        self.assertEqual(Suggestions().nearest("Sqlite:", ("mysql", "sqlite:", "ldap")), "sqlite:")

    def test_number_of_words(self) -> None:
        """A missing word is reported where it would have been, one too many where it is."""
        self.assertEqual(
            self.problems("SIPServerMode   \nStatefulServer On Off # x\nServerAlias a b:c"),
            [
                "sipd.conf:1:14: expected Proxy or Redirect, got end of line",
                "sipd.conf:2:19: expected end of line, got Off",
                "sipd.conf:3:15: expected a host name or address, got b:c",
            ],
        )

    def test_wrong_value_in_continuation(self) -> None:
        """The position is that of the word, not of the beginning of its directive."""
        self.assertEqual(
            self.problems("ServerAlias a \\\n   b \\\n c:d\nListen 0"),
            [
                "sipd.conf:3:2: expected a host name or address, got c:d",
                "sipd.conf:4:8: expected [address:]port[/transport] with a literal address and a port from 1 to 65535, "
                "got 0",
            ],
        )

    def test_unprintable_and_long(self) -> None:
        """What the operator wrote is repeated on one line, escaped and shortened."""
        self.assertEqual(
            self.problems('SIPServerMode "a\x1b[2J b"\nSIPServerMode ' + "x" * 1000),
            [
                'sipd.conf:1:15: expected Proxy or Redirect, got "a\\x1b[2J b"',
                "sipd.conf:2:1: expected SIPServerMode only once, got a duplicate of line 1",
                "sipd.conf:2:15: expected Proxy or Redirect, got " + "x" * 57 + "...",
            ],
        )

    def test_unknown(self) -> None:
        """An unknown directive gets the nearest name, whatever its case, if one is near."""
        self.assertEqual(
            self.problems("SIPT1nMs 5\nLISTENS 5060\nXyzzy"),
            [
                "sipd.conf:1:1: expected a directive or container, got SIPT1nMs, did you mean SIPT1InMs?",
                "sipd.conf:2:1: expected a directive or container, got LISTENS, did you mean Listen?",
                "sipd.conf:3:1: expected a directive or container, got Xyzzy",
            ],
        )

    def test_many_unknown(self) -> None:
        """All are reported, though the nearest name is looked up for the first ones only."""
        problems = self.problems("".join(f"SIPT1In{number}\n" for number in range(1000)))
        self.assertEqual(len(problems), 1000)
        self.assertIn("did you mean SIPT1InMs?", problems[0])
        self.assertNotIn("did you mean", problems[-1])

    def test_duplicate(self) -> None:
        """A second occurrence is an error with the line of the first; its own value is judged too."""
        self.assertEqual(
            self.problems("SIPT1InMs 100\n\nsipt1inms x\n"),
            [
                "sipd.conf:3:1: expected SIPT1InMs only once, got a duplicate of line 1",
                "sipd.conf:3:11: expected a whole number of milliseconds from 1 to 4294967295, got x",
            ],
        )

    def test_broken_line(self) -> None:
        """Of a line that cannot be split, its name is still judged, and not its value."""
        self.assertEqual(
            self.problems('SIPT1InMs "5\nSIPT1Ims "5\nListen 5060'),
            [
                'sipd.conf:1:11: expected a closing ", got end of line',
                "sipd.conf:2:1: expected a directive or container, got SIPT1Ims, did you mean SIPT1InMs?",
                'sipd.conf:2:10: expected a closing ", got end of line',
            ],
        )

    def test_declared_twice(self) -> None:
        """Two declarations of one name are a mistake of the program."""
        other = Module("other", (Directive("sipT1inMS", on_off(), True, "The same name."),))
        self.assertRaises(ValueError, Settings.of, (other, other))


class EnvironmentTests(ConfigTestCase):
    """Variables."""

    def test_replaced(self) -> None:
        """Variables are replaced in values and in tags."""
        settings = self.read(
            "Listen ${IP}:${PORT}\n<StaticRoute Domain ${HOST}>\nStatic_Route_NextHop ${HOST}\n</StaticRoute>",
            {"IP": "127.0.0.1", "PORT": "5070", "HOST": "a.example"},
        )
        self.assertEqual(settings[LISTEN], (Listen("127.0.0.1", 5070),))
        self.assertEqual(settings.blocks(ROUTE)[0].arguments, ("Domain", "a.example"))

    def test_blanks(self) -> None:
        """Blanks in a value separate words, but not in quotes; quotes and # in it are themselves."""
        environ = {"X": ' a  b "#c ', "E": ""}
        self.assertEqual(
            self.read('LogFormat ${X}x\nLogFormat "${X}"\nLogFormat y${E} ${E} "${E}"', environ)[LOG_FORMAT],
            (("a", "b", '"#c', "x"), (' a  b "#c ',), ("y", "")),
        )

    def test_not_replaced_again(self) -> None:
        """A value is not looked at again; other uses of $ and braces are text."""
        settings = self.read('LogFormat ${X} $X %{X}i "${X"', {"X": "${Y}"})
        self.assertEqual(settings[LOG_FORMAT], (("${Y}", "$X", "%{X}i", "${X"),))

    def test_unset(self) -> None:
        """A variable that is not set is an error, with the nearest that is; the directive counts as written."""
        self.assertEqual(
            self.problems("ServerAlias a ${HOTS} ${}\nServerName ${HOTS}", {"HOST": "x"}),
            [
                "sipd.conf:1:15: expected an environment variable that is set, got ${HOTS}, did you mean HOST?",
                "sipd.conf:1:23: expected an environment variable that is set, got ${}",
                "sipd.conf:2:12: expected an environment variable that is set, got ${HOTS}, did you mean HOST?",
            ],
        )

    def test_no_text(self) -> None:
        """A value that is not UTF-8 is refused."""
        self.assertEqual(
            self.problems("ServerName ${X}", {"X": "a\udcff"}),
            ["sipd.conf:1:12: expected UTF-8 text without NUL in ${X}, got a\\udcff"],
        )
