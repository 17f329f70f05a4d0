"""Tests of translation by number services."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Directive, Module, Settings, text
from sipproxy.dialplan import NumberTable, parse_pattern
from sipproxy.errors import UnavailableError
from sipproxy.message import Request, parse_message, parse_uri
from sipproxy.translation.chain import Subject, Targets
from sipproxy.translation.gktmp import MOST_TARGETS, GktmpTranslator
from sipproxy.translation.gktmp_settings import (
    DIRECTIVES,
    KEEPALIVE,
    RETRY,
    SERVER,
    TIMEOUT,
    GktmpServer,
    check,
    gatekeeper_id,
    tag_table,
)
from sipproxy.wire.gktmp import Message
from sipproxy.wire.gktmp_tags import Location, Question, TagTable, read_location

SERVER_NAME = Directive("ServerName", text(), "sps1", "The name.")
GATEKEEPER_ID = gatekeeper_id(SERVER_NAME)
MODULE = Module("mod_sip_gktmp.c", (SERVER_NAME, *DIRECTIVES, GATEKEEPER_ID), check=check)


class Services:
    """Number services of a table."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        self._table = NumberTable(
            (parse_pattern(pattern), service) for pattern, services in rules.items() for service in services.split()
        )

    def service(self, number: str) -> Sequence[str]:
        """See NumberServices."""
        return self._table.find(number)


class Answered(NamedTuple):
    """An answer."""

    location: Location
    server: str = "NAM-1"
    seconds: float = 0.0123


class Servers:
    """Servers with prepared answers, by service; without one nobody answers."""

    def __init__(self, answers: Mapping[str, tuple[str, bytes]]) -> None:
        self.asked: list[Question] = []
        self._answers = answers

    def ask(self, question: Question) -> "Deferred[Answered]":
        """See NumberServers."""
        self.asked.append(question)
        if question.service not in self._answers:
            return fail(UnavailableError(b"NAM-1 is away"))
        name, body = self._answers[question.service]
        return succeed(Answered(read_location(Message("RESPONSE", name, (), body), TagTable())))


def request(uri: bytes, caller: bytes) -> Request:
    """Make a call."""
    found = parse_message(
        b"INVITE %b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: %b;tag=1\r\nTo: <sip:x@a>\r\n"
        b"Call-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n" % (uri, caller)
    )
    assert isinstance(found, Request)
    return found


class TranslatorTests(SynchronousTestCase):
    """L{GktmpTranslator}."""

    def setUp(self) -> None:
        """Have the usual services."""
        self.rules = {"1800T": "800", "1900T": "900", "1408.......": "LNP", "1212T": "LNP LCR", "+49T": "LCR"}

    def translate(
        self, uri: bytes, answers: Mapping[str, tuple[str, bytes]], caller: bytes = b"<sip:4085559999@a>"
    ) -> list[bytes]:
        """Translate, and give the URIs of the targets, in order; what was asked and traced is kept."""
        self.servers = Servers(answers)
        translator = GktmpTranslator(Services(self.rules), self.servers)
        subject = Subject(parse_uri(uri), request(uri, caller), ("192.0.2.9", 5060), 0.0)
        answer = translator.translate(subject)
        self.at_hand = not isinstance(answer, Deferred)
        targets: Targets = self.successResultOf(answer) if isinstance(answer, Deferred) else answer
        self.trace = [found for *_, found in subject.trace]
        self.q = [target.q for target in targets]
        self.assertEqual({target.origin for target in targets} - {"mod_sip_gktmp"}, set())
        return [target.uri.raw for target in targets]

    def test_no_service(self) -> None:
        """A number without a service, and what is no number, are answered at once and nobody is asked."""
        for uri in (b"sip:14155551234@a", b"sip:bob@a", b"sip:18005551212@a;user=ip", b"sip:a", b"sip:bob;x@a"):
            self.assertEqual(self.translate(uri, {}), [])
            self.assertEqual((self.at_hand, self.servers.asked, self.trace), (True, [], []))

    def test_toll_free(self) -> None:
        """A new number stands in the user part, at our own host; the caller's number is told."""
        found = self.translate(b"sip:18005551212@a;x=1", {"800": ("LCF", b"d=E:14085551234")})
        self.assertEqual(found, [b"sip:14085551234@a;x=1"])
        self.assertEqual(self.servers.asked, [Question("800", "18005551212", "4085559999")])
        self.assertEqual(self.trace, ["800 of 18005551212: LCF E:14085551234 from NAM-1 in 12.3 ms"])

    def test_plus(self) -> None:
        """The number is asked without its plus, and the answer has it again."""
        answers = {"800": ("LCF", b"d=E:14085551234")}
        found = self.translate(b"sip:+1-800-555-1212@a;user=phone", answers, b"<sip:+14085559999@a>")
        self.assertEqual(found, [b"sip:+14085551234@a;user=phone"])
        self.assertEqual(self.servers.asked, [Question("800", "18005551212", "14085559999")])

    def test_pattern_with_plus(self) -> None:
        """A pattern with a plus is for numbers dialled with one."""
        answers = {"LCR": ("LCF", b"c=I:192.0.2.1")}
        self.assertEqual(self.translate(b"sip:493012345@a", answers), [])
        self.assertEqual(self.translate(b"sip:+493012345@a", answers), [b"sip:+493012345@192.0.2.1"])

    def test_no_caller(self) -> None:
        """A caller without a number is not told."""
        for caller in (b"<sip:alice@a>", b"<sip:anonymous@anonymous.invalid>", b"<sip:a", b"<https://a>"):
            self.translate(b"sip:18005551212@a", {}, caller)
            self.assertEqual(self.servers.asked, [Question("800", "18005551212")])

    def test_least_cost(self) -> None:
        """Several answers become targets in order, with falling q."""
        found = self.translate(
            b"sip:18005551212@a;user=phone",
            {"800": ("LCF", b"c=I:192.0.2.1:5070 I:gw.example.org I:[2001:db8::1]:5060\r\nA=I:192.0.2.9")},
        )
        self.assertEqual(
            found,
            [
                b"sip:18005551212@192.0.2.1:5070;user=phone",
                b"sip:18005551212@gw.example.org;user=phone",
                b"sip:18005551212@[2001:db8::1]:5060;user=phone",
                b"sip:18005551212@192.0.2.9;user=phone",
            ],
        )
        self.assertEqual(self.q, [1.0, 0.99, 0.98, 0.97])

    def test_pairs(self) -> None:
        """Numbers and addresses go in pairs; the shorter list goes on with its last value; a place counts once."""
        found = self.translate(b"sip:18005551212@a", {"800": ("LCF", b"d=E:1 E:2 E:3 E:3\r\nc=I:b I:c")})
        self.assertEqual(found, [b"sip:1@b", b"sip:2@c", b"sip:3@c"])

    def test_many(self) -> None:
        """The number of targets is bounded."""
        body = b"d=" + b" ".join(b"E:%d" % number for number in range(1, 400))
        self.assertEqual(len(self.translate(b"sip:18005551212@a", {"800": ("LCF", body)})), MOST_TARGETS)

    def test_names(self) -> None:
        """A name becomes an escaped user part, a mail address a URI."""
        found = self.translate(
            b"sip:18005551212@a;user=phone", {"800": ("LCF", "d=H:bob;x@\u00fc M:bob@example.org".encode())}
        )
        self.assertEqual(found, [b"sip:bob%3Bx%40%C3%BC@a", b"sip:bob@example.org"])

    def test_no_use(self) -> None:
        """An answer that cannot be a URI is as none, and is told."""
        for body in (b"d=M:\xc3\xbc@c", b"d=M:bob@..", b"d=M:<@>", b"d=M:%zz@c"):
            self.assertEqual(self.translate(b"sip:18005551212@a", {"800": ("LCF", body)}), [])
            self.assertIn("800: the answer is of no use", self.trace[-1])

    def test_rejected(self) -> None:
        """LRJ, and no answer, give no targets; both are told."""
        self.assertEqual(self.translate(b"sip:18005551212@a", {"800": ("LRJ", b"R=noRouteToDestination")}), [])
        self.assertEqual(self.trace, ["800 of 18005551212: LRJ noRouteToDestination from NAM-1 in 12.3 ms"])
        self.assertEqual(self.translate(b"sip:18005551212@a", {}), [])
        self.assertEqual(self.trace, ["800 of 18005551212: no answer: NAM-1 is away"])

    def test_nothing_new(self) -> None:
        """An LCF that says nothing is the number at our own host; an LRQ that changes nothing is no answer."""
        self.assertEqual(self.translate(b"sip:18005551212@a", {"800": ("LCF", b"")}), [b"sip:18005551212@a"])
        self.assertEqual(self.translate(b"sip:18005551212@a", {"800": ("LRQ", b"d=E:18005551212")}), [])

    def test_changed(self) -> None:
        """After an LRQ the next service is asked about what has changed."""
        self.rules = {"1800T": "800 LCR LCR"}
        answers = {"800": ("LRQ", b"d=E:14085551234 E:1"), "LCR": ("LCF", b"c=I:b")}
        self.assertEqual(self.translate(b"sip:18005551212@a", answers), [b"sip:14085551234@b"])
        self.assertEqual([(asked.service, asked.called) for asked in self.servers.asked][1:], [("LCR", "14085551234")])
        answers = {"800": ("LRQ", b"d=E:14085551234\nc=I:c:5061")}
        self.assertEqual(self.translate(b"sip:18005551212@a", answers), [b"sip:14085551234@c:5061"])

    def test_portability(self) -> None:
        """A number that has moved has its routing number and npdi in the user part, one that has not only npdi."""
        for uri, body, expected in (
            (b"sip:14085551234@a", b"d=E:14085440000", b"sip:14085551234;npdi;rn=14085440000@a;user=phone"),
            (
                b"sip:+14085551234@a;user=phone",
                b"d=E:14085440000",
                b"sip:+14085551234;npdi;rn=+14085440000@a;user=phone",
            ),
            (b"sip:14085551234@a", b"d=E:14085551234", b"sip:14085551234;npdi@a;user=phone"),
            (b"sip:14085551234@a", b"", b"sip:14085551234;npdi@a;user=phone"),
            (b"sip:14085551234@a", b"d=E:1\nc=I:b:5070", b"sip:14085551234;npdi;rn=1@b:5070;user=phone"),
        ):
            for name in ("LCF", "LRQ"):
                self.assertEqual(self.translate(uri, {"LNP": (name, body)}), [expected])

    def test_bad_routing_number(self) -> None:
        """A routing number that is none is as no answer."""
        self.assertEqual(self.translate(b"sip:14085551234@a", {"LNP": ("LCF", b"d=E:1*2")}), [])

    def test_asked_never_twice(self) -> None:
        """What has been looked up is not looked up again, wherever that stands; other services are asked."""
        answers = {"LNP": ("LCF", b"d=E:1"), "LCR": ("LCF", b"c=I:b")}
        for uri in (
            b"sip:14085551234;npdi@a;user=phone",
            b"sip:14085551234;RN=14085440000@a",
            b"sip:14085551234@a;npdi",
            b"sip:14085551234;npdi;rn=1@a;user=phone",
        ):
            self.assertEqual(self.translate(uri, answers), [])
            self.assertEqual((self.servers.asked, self.trace), ([], ["LNP of 14085551234: known already"]))
        found = self.translate(b"sip:12125551234;npdi;rn=1917@a;user=phone", answers)
        self.assertEqual(found, [b"sip:12125551234;npdi;rn=1917@b;user=phone"])

    def test_portability_then_cost(self) -> None:
        """After LNP the next service is asked about the number dialled, and its places keep the routing number."""
        answers = {"LNP": ("LCF", b"d=E:19175550000"), "LCR": ("LCF", b"d=E:12125551234\r\nc=I:b I:c")}
        self.assertEqual(
            self.translate(b"sip:12125551234@a", answers),
            [
                b"sip:12125551234;npdi;rn=19175550000@b;user=phone",
                b"sip:12125551234;npdi;rn=19175550000@c;user=phone",
            ],
        )
        self.assertEqual({asked.called for asked in self.servers.asked}, {"12125551234"})
        del answers["LCR"]
        self.assertEqual(
            self.translate(b"sip:12125551234@a", answers), [b"sip:12125551234;npdi;rn=19175550000@a;user=phone"]
        )

    def test_hash(self) -> None:
        """A # is escaped unless the caller wrote one."""
        self.rules = {"*5T": "800", "*5#T": "800"}
        answers = {"800": ("LCF", b"d=E:1#2")}
        self.assertEqual(self.translate(b"sip:*52@a;user=phone", answers), [b"sip:1%232@a;user=phone"])
        self.assertEqual(self.translate(b"sip:*5#2@a;user=phone", answers), [b"sip:1#2@a;user=phone"])


class SettingsTests(SynchronousTestCase):
    """The directives."""

    def test_defaults(self) -> None:
        """What holds where nothing is written."""
        settings = Settings.of((MODULE,), {})
        self.assertEqual((settings[SERVER], settings[GATEKEEPER_ID]), ((), "sps1"))
        self.assertEqual((settings[TIMEOUT], settings[RETRY], settings[KEEPALIVE]), (0.5, 30.0, 30.0))
        self.assertEqual(tag_table(settings), TagTable())

    def test_servers(self) -> None:
        """A server has a priority and an id, in any order; its host is its id by default."""
        settings = Settings.of(
            (MODULE,), {"GKTMPServer": ["10.0.0.1:1751 id=NAM-1 priority=2", "nam.example.org:20000", "[::1]:1"]}
        )
        self.assertEqual(
            settings[SERVER],
            (
                GktmpServer("10.0.0.1", 1751, 2, "NAM-1"),
                GktmpServer("nam.example.org", 20000, 1, "nam.example.org"),
                GktmpServer("::1", 1, 1, "::1"),
            ),
        )

    def test_wrong(self) -> None:
        """What is wrong is told with its place."""
        for value, error in (
            ("10.0.0.1", "1:13: expected host:port"),
            ("10.0.0.1:1 prio=1", "1:24: expected priority=number or id=name, each once, got prio=1"),
            ("10.0.0.1:1 priority=1 priority=2", "1:35: expected priority=number or id=name, each once"),
            ("10.0.0.1:1 priority=x", "1:24: expected a whole number from 0 to 65535, got priority=x"),
            ("10.0.0.1:1 id=", "1:24: expected a name behind id=, got id="),
        ):
            with self.assertRaises(ConfigError) as caught:
                Settings.of((MODULE,), {"GKTMPServer": [value]})
            self.assertIn(error, str(caught.exception))

    def test_no_server(self) -> None:
        """The module without a server deserves a warning."""
        (warning,) = Settings.of((MODULE,), {"GKTMPModule": "On"}).warnings
        self.assertIn("a GKTMPServer for GKTMPModule On", str(warning))

    def test_tag_table(self) -> None:
        """A table of tags is read from its file; one that is missing or wrong is an error of the configuration."""
        folder = Path(self.mktemp())
        folder.mkdir()
        place = folder / "tags"
        values = {"GKTMPTagTable": str(place.resolve())}
        for written, error in (
            (None, "No such file"),
            (b"separator x", "line 1: expected the separator"),
            (b"\xff", "not text"),
            (b"#" * 70_000, "more than 65536"),
        ):
            if written is not None:
                place.write_bytes(written)
            with self.assertRaises(ConfigError) as caught:
                Settings.of((MODULE,), values)
            self.assertIn(error, str(caught.exception))
        place.write_text("separator :\n")
        self.assertEqual(tag_table(Settings.of((MODULE,), values)).separator, ":")
