"""Tests of number expansion."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.app import settings_of
from sipproxy.config import ConfigError
from sipproxy.message import parse_uri
from sipproxy.translation.expansion import INTERPRETATION, NUM_EXPAND, Expansion


def expansion(*rules: str, interpretation: str = "IP_164") -> Expansion:
    """Make an expansion as sipd.conf says it."""
    settings = settings_of({"NumExpand": list(rules), "NumericUserNameInterpretation": interpretation})
    return Expansion(settings[NUM_EXPAND], settings[INTERPRETATION])


class ExpansionTests(SynchronousTestCase):
    """L{Expansion}."""

    def expanded(self, uri: bytes, *rules: str) -> bytes:
        """Expand a URI."""
        return expansion(*rules).expand(parse_uri(uri)).raw

    def test_extension(self) -> None:
        """An extension becomes the whole number; host and parameters stay."""
        rules = ("5.... 1408555....", "9T 1..........", "52... 999")
        self.assertEqual(self.expanded(b"sip:51234@example.org;x=1", *rules), b"sip:14085551234@example.org;x=1")
        self.assertEqual(self.expanded(b"sip:52345@example.org", *rules), b"sip:999@example.org")

    def test_too_short(self) -> None:
        """An open pattern whose expansion a number cannot fill leaves it to the next one, or as it is."""
        rules = ("9T 1..........", "9.. 7..")
        self.assertEqual(self.expanded(b"sip:94085551234@a", *rules), b"sip:14085551234@a")
        self.assertEqual(self.expanded(b"sip:912@a", *rules), b"sip:712@a")
        self.assertEqual(self.expanded(b"sip:9123@a", *rules), b"sip:9123@a")

    def test_no_rule(self) -> None:
        """A number that no rule matches stays as it was dialled, without visual separators."""
        self.assertEqual(self.expanded(b"sip:1234@a", "5.... 1...."), b"sip:1234@a")
        self.assertEqual(self.expanded(b"sip:+1-(408).555@a;user=phone"), b"sip:+1408555@a;user=phone")

    def test_what_is_no_number(self) -> None:
        """Names, user=ip, and nothing at all are left alone."""
        for uri in (b"sip:bob@a", b"sip:51234@a;user=ip", b"sip:a", b"sip:5-1234@a", b"sip:bob@a;user=phone"):
            self.assertEqual(self.expanded(uri, "5.... 1408555....", "... 1"), uri)

    def test_hash(self) -> None:
        """A # stays as the caller wrote it."""
        self.assertEqual(self.expanded(b"sip:*5#1@a;user=phone", "*5#. 7#."), b"sip:7#1@a;user=phone")
        self.assertEqual(self.expanded(b"sip:*5%231@a;user=phone", "*5#. 7#."), b"sip:7%231@a;user=phone")

    def test_names(self) -> None:
        """NumericUserNameInterpretation says which names are looked up, and in which order."""
        dialled = parse_uri(b"sip:51234@a")
        long = b"sip:14085551234@a"
        orders = {"IP_164": [dialled.raw, long], "164_IP": [long, dialled.raw], "IP": [dialled.raw], "164": [long]}
        for interpretation, order in orders.items():
            plan = expansion("5.... 1408555....", interpretation=interpretation)
            self.assertEqual([uri.raw for uri in plan.names(dialled, plan.expand(dialled))], order)

    def test_wrong_rules(self) -> None:
        """Wrong words are told one by one."""
        for rule, expected in (
            ("5....", "a pattern and an expansion"),
            ("5x 1", "a pattern of digits"),
            ("5. one", "an expansion of digits"),
            ("5. 1...", "no more dots than the pattern has digits"),
        ):
            error = self.assertRaises(ConfigError, expansion, rule)
            self.assertIn(expected, str(error))
