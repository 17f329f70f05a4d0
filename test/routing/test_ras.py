"""Tests of the router for gatekeepers: what is asked, and what its answers become."""

from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Settings
from sipproxy.errors import UnavailableError
from sipproxy.message import Request, parse_message
from sipproxy.routing.health import Gateway
from sipproxy.routing.ras import MOST_CACHED, RasRouter
from sipproxy.routing.ras_settings import (
    ACCEPT,
    ALLOW_FROM,
    BIND,
    CLUSTER,
    METHOD,
    MODULE,
    TIME_TO_LIVE,
    TIMEOUT,
    WINDOW,
    Policy,
    clusters,
)
from sipproxy.translation import Subject
from sipproxy.translation.expansion import routing_number_of
from sipproxy.wire.h225.messages import DIALLED_DIGITS, H323_ID, Alias, Alternate, LocationConfirm, LocationRequest
from sipproxy.wire.q931 import Presentation, RedirectingNumber, Screening, TypeOfNumber, decode_redirecting_number
from test.routing.fixtures import at_hand, pending, places, trace, uri

CLUSTER_1 = {"<RASGateKeeperCluster 1>": [{"RASGatekeeper": "10.1.1.1 1719"}]}
RAS = ("192.0.2.99", 1719)
CONFIRM = LocationConfirm(1, ("192.0.2.1", 1720), RAS)


class Found(NamedTuple):
    """What a question has led to."""

    confirm: LocationConfirm | None
    gatekeeper: str = "gk1:1719"
    exchanges: tuple[str, ...] = ("LRQ to gk1:1719 of cluster 1: LCF in 10.0 ms",)


class Client:
    """Gives one answer to all questions."""

    def __init__(self, answer: "LocationConfirm | Exception | None") -> None:
        self.answer = answer
        self.asked: list[LocationRequest] = []

    def ask(self, request: LocationRequest) -> "Deferred[Found]":
        """See Gatekeepers."""
        self.asked.append(request)
        return fail(self.answer) if isinstance(self.answer, Exception) else succeed(Found(self.answer))


def subject(*headers: str) -> Subject:
    """Make a subject whose request has some headers."""
    lines = "".join(f"{header}\r\n" for header in headers)
    message = parse_message(
        f"INVITE sip:b@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n"
        f"From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n"
        f"Max-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n".encode()
    )
    assert isinstance(message, Request)
    return Subject(uri("sip:b@example.org"), message, ("192.0.2.1", 5060), 0.0)


class RouterTestCase(SynchronousTestCase):
    """A router with directives, and what its client answers."""

    def use(self, answer: "LocationConfirm | Exception | None" = CONFIRM, **directives: Any) -> None:
        """Make the router."""
        self.now = 0.0
        self.client = Client(answer)
        policy = Policy.of(Settings.of((MODULE,), directives))
        self.router = RasRouter(self.client, policy, routing_number_of, lambda: self.now)

    def route(self, text: str = "sip:14085551234@example.org", *headers: str) -> Any:
        """Route a URI."""
        self.subject = subject(*headers)
        return self.successResultOf(pending(self.router.route(uri(text), self.subject)))

    def users(self, text: str) -> list[bytes]:
        """Give the user parts that a URI gets."""
        return [hop.user for hop in self.route(text)]


class RequestTests(RouterTestCase):
    """What is asked."""

    def test_request(self) -> None:
        """The number without a plus is asked for, with the hops it may take, and nothing of Pavo."""
        self.use(RASTimeToLive="9")
        self.route("sip:+1-408-555-1234@example.org;user=phone", "Cisco-Guid: 1-2-3-4", "Diversion: <sip:1@a>")
        (request,) = self.client.asked
        self.assertEqual(request, LocationRequest(1, "14085551234", ("0.0.0.0", 0), False, 9, 9))

    def test_not_asked(self) -> None:
        """What is no number, has no digit or too many, is not asked for."""
        self.use()
        for text in ("sip:bob@example.org", "sip:*#@example.org;user=phone", f"sip:{'1' * 129}@example.org"):
            self.assertEqual(at_hand(self.router.route(uri(text), subject())), ())
        self.assertEqual(self.client.asked, [])

    def test_prefix(self) -> None:
        """The technology prefix of the most specific pattern goes before the number."""
        self.use(RASTechPrefix=["1408....... 1#", "1T 22#", "+1408....... 333#"])
        for number, alias in (
            ("14085551234", "1#14085551234"),
            ("+14085551234", "333#14085551234"),
            ("12125551234", "22#12125551234"),
            ("44", "44"),
        ):
            self.assertEqual(self.users(f"sip:{number}@example.org"), [b""])
            self.assertEqual(self.client.asked[-1].number, alias)

    def test_translation(self) -> None:
        """RASAllowTranslation lets the gatekeeper map the alias."""
        self.use(RASAllowTranslation="On")
        self.route()
        self.assertTrue(self.client.asked[0].can_map_alias)


class PavoTests(RouterTestCase):
    """The extension of the LRQ."""

    def request(self, *headers: str) -> LocationRequest:
        """Give the question about a call with some headers."""
        self.use(RASPavoExtension="On")
        self.route("sip:1@example.org", *headers)
        return self.client.asked[0]

    def redirecting(self, *headers: str) -> RedirectingNumber | None:
        """Give who redirected a call with some headers."""
        element = self.request(*headers).redirect_ie
        return None if element is None else decode_redirecting_number(element)

    def test_identifier(self) -> None:
        """Cisco-Guid is the call's identifier, in both places; what is none gives way to the Call-ID."""
        request = self.request("Cisco-Guid: 16909060-84281096-151653132-4294967295")
        self.assertEqual(request.call_identifier, bytes(range(1, 13)) + b"\xff" * 4)
        self.assertEqual(request.cisco_call_identifier, request.call_identifier)
        derived = self.request().call_identifier
        assert derived is not None
        self.assertEqual(derived.hex(), "4a8a08f09d37b73795649038408b5f33")
        for wrong in ("1-2-3", "1-2-3-4294967296", "a-b-c-d", "1-2-3-4-5", ""):
            self.assertEqual(self.request(f"Cisco-Guid: {wrong}").call_identifier, derived)

    def test_redirecting(self) -> None:
        """The first of the header, whatever it is called, says who redirected the call, and why."""
        value = '<sip:+1-408-555-0000@a>;reason="user-busy";privacy=full;screen=yes;counter=1'
        expected = RedirectingNumber(
            "14085550000",
            TypeOfNumber.INTERNATIONAL,
            presentation=Presentation.RESTRICTED,
            screening=Screening.VERIFIED,
            reason=1,
        )
        for name in ("CC-Diversion", "Diversion", "CC-Redirect"):
            self.assertEqual(self.redirecting(f"{name}: {value}, <sip:9@a>;reason=unknown"), expected)
            self.assertEqual(self.redirecting(f"{name}: {value}", f"{name}: <sip:9@a>"), expected)
            self.assertEqual(self.client.asked[0].calling_octet_3a, 0x80 | 1 << 5 | 1)
        self.assertEqual(self.redirecting("Diversion: <tel:5551>;reason=away"), RedirectingNumber("5551"))

    def test_ours(self) -> None:
        """A call that we forward ourselves is told of before what its headers say."""
        self.use(RASPavoExtension="On")
        of = subject("Diversion: <sip:1@a>")
        of.diversions = (b"CC-Diversion: <sip:2@b>;reason=no-answer;counter=1", b"CC-Diversion: <sip:3@b>")
        self.successResultOf(pending(self.router.route(uri("sip:1@example.org"), of)))
        element = self.client.asked[0].redirect_ie
        assert element is not None
        self.assertEqual(decode_redirecting_number(element), RedirectingNumber("2", reason=2))

    def test_unreadable(self) -> None:
        """What cannot be read, or is no number, is left out; the question is asked."""
        for value in ("", "<", "<sip:bob@a>;reason=unknown", "<sip:1@a>;;=", '"', f"<sip:{'1' * 300}@a>"):
            self.assertIsNone(self.redirecting(f"Diversion: {value}"), value)

    def test_remote_party(self) -> None:
        """Without a diversion Remote-Party-ID says whether the caller's number may be shown."""
        self.assertEqual(self.request("Remote-Party-ID: <sip:1@a>;privacy=full").calling_octet_3a, 0xA0)
        self.assertEqual(self.request("Remote-Party-ID: <sip:1@a>;screen=yes").calling_octet_3a, 0x81)
        self.assertIsNone(self.request().calling_octet_3a)


class AnswerTests(RouterTestCase):
    """What answers become."""

    def test_hop(self) -> None:
        """The address of the LCF is a gateway, at the SIP port, for the same Request-URI; the trace tells."""
        self.use()
        (hop,) = self.route()
        self.assertEqual(hop, Gateway("192.0.2.1", 5060, "udp", "", b""))
        self.assertIsInstance(hop, Gateway)
        self.assertEqual(trace(self.subject), ["14085551234: LRQ to gk1:1719 of cluster 1: LCF in 10.0 ms"])

    def test_nobody(self) -> None:
        """No LCF, and no client: the next router."""
        self.use(None)
        self.assertEqual(self.route(), ())
        self.use(UnavailableError(b"The RAS client is not running"))
        self.assertEqual(self.route(), ())
        self.assertEqual(trace(self.subject), ["14085551234: The RAS client is not running"])

    def test_broken(self) -> None:
        """A bug is not taken for no answer."""
        self.use(ZeroDivisionError())
        answer = pending(self.router.route(uri("sip:1@example.org"), subject()))
        self.failureResultOf(answer, ZeroDivisionError)

    def test_alternates(self) -> None:
        """Alternates follow by their priority, those without one last; useless and repeated ones are left out."""
        alternates = (
            Alternate(None, (("192.0.2.5", 1720),)),
            Alternate(5, (("192.0.2.4", 1720),)),
            Alternate(0, (("192.0.2.2", 1720), ("2001:db8::3", 1720), ("0.0.0.0", 1720), ("224.0.0.1", 1))),
            Alternate(1, (("192.0.2.1", 1720),)),
        )
        self.use(LocationConfirm(1, ("192.0.2.1", 1720), RAS, alternates=alternates))
        self.assertEqual(
            places(self.route()),
            ["192.0.2.1:5060", "192.0.2.2:5060", "2001:db8::3:5060", "192.0.2.4:5060", "192.0.2.5:5060"],
        )
        self.assertIn("alternates of 192.0.2.1: 4", trace(self.subject))
        many = tuple(Alternate(at, ((f"192.0.2.{at}", 1720),)) for at in range(100))
        self.use(LocationConfirm(1, None, None, alternates=many))
        self.assertEqual(len(self.route()), 20)

    def test_ports(self) -> None:
        """RASSIPPort is the port, or that of the answer with RASUseSignalPort."""
        confirm = LocationConfirm(1, ("192.0.2.1", 1720), RAS, alternates=(Alternate(1, (("192.0.2.1", 1730),)),))
        self.use(confirm, RASSIPPort="5070")
        self.assertEqual(places(self.route()), ["192.0.2.1:5070"])
        self.use(confirm, RASUseSignalPort="On")
        self.assertEqual(places(self.route()), ["192.0.2.1:1720", "192.0.2.1:1730"])

    def test_translated(self) -> None:
        """Another number stands in the Request-URI if that is allowed, with a plus where there was one."""
        for aliases, plain, plus in (
            ((Alias(DIALLED_DIGITS, "18005550000"),), b"18005550000", b"+18005550000"),
            ((Alias(H323_ID, "gw 1"), Alias(DIALLED_DIGITS, "42")), b"42", b"+42"),
            ((Alias(H323_ID, "gw 1@x"),), b"gw%201%40x", b"gw%201%40x"),
            ((Alias(DIALLED_DIGITS, "14085551234"),), b"", b""),
            ((Alias("url-ID", "sip:x@y"),), b"", b""),
            ((), b"", b""),
        ):
            confirm = LocationConfirm(1, ("192.0.2.1", 1720), RAS, aliases)
            self.use(confirm, RASAllowTranslation="On")
            self.assertEqual(self.users("sip:14085551234@example.org"), [plain])
            self.assertEqual(self.users("sip:+14085551234@example.org"), [plus])
            self.use(confirm)
            self.assertEqual(self.users("sip:14085551234@example.org"), [b""])

    def test_prefix_in_uri(self) -> None:
        """The technology prefix stands in the Request-URI only where configured, escaped unless # already stands so."""
        confirm = LocationConfirm(1, ("192.0.2.1", 1720), RAS, (Alias(DIALLED_DIGITS, "1#77"),))
        for directives, text, user in (
            ({"RASTechPrefixInRequestURI": "On"}, "sip:55@example.org", b"1%2355"),
            ({"RASTechPrefixInRequestURI": "On"}, "sip:+55@example.org", b"1%2355"),
            ({"RASTechPrefixInRequestURI": "On"}, "sip:5#@example.org;user=phone", b"1#5#"),
            ({"RASTechPrefixInRequestURI": "On", "RASAllowTranslation": "On"}, "sip:55@example.org", b"1%2377"),
            ({"RASAllowTranslation": "On"}, "sip:55@example.org", b"77"),
            ({}, "sip:55@example.org", b""),
        ):
            self.use(confirm, RASTechPrefix=["5T 1#", "5# 1#"], **directives)
            self.assertEqual(self.users(text), [user], (directives, text))


class CacheTests(RouterTestCase):
    """Answers that serve further calls."""

    def test_kept(self) -> None:
        """An LCF is kept for its time, with its alternates; the trace says so."""
        confirm = LocationConfirm(1, ("192.0.2.1", 1720), RAS, alternates=(Alternate(1, (("192.0.2.2", 1720),)),))
        self.use(confirm, RASCacheInS="60")
        self.route()
        self.now = 59.0
        of = subject()
        hops = at_hand(self.router.route(uri("sip:+14085551234@example.org"), of))
        self.assertEqual(places(hops), ["192.0.2.1:5060", "192.0.2.2:5060"])
        self.assertEqual(trace(of), ["14085551234: kept since 59 s, from gk1:1719", "alternates of 192.0.2.1: 1"])
        self.now = 60.0
        self.route()
        self.assertEqual(len(self.client.asked), 2)

    def test_not_kept(self) -> None:
        """Without RASCacheInS nothing is kept, and no answer never is."""
        self.use()
        self.route(), self.route()
        self.assertEqual(len(self.client.asked), 2)
        self.use(None, RASCacheInS="60")
        self.route(), self.route()
        self.assertEqual(len(self.client.asked), 2)

    def test_bounded(self) -> None:
        """The oldest of too many makes room."""
        self.use(RASCacheInS="60")
        for number in range(MOST_CACHED + 1):
            self.route(f"sip:{number}@example.org")
        self.route("sip:0@example.org")
        self.assertEqual(len(self.client.asked), MOST_CACHED + 2)
        self.assertEqual(len(at_hand(self.router.route(uri("sip:2@example.org"), subject()))), 1)


class SettingsTests(SynchronousTestCase):
    """The directives."""

    def refused(self, **directives: Any) -> str:
        """Give what is wrong with directives."""
        values = {name.replace("CLUSTER", "<RASGateKeeperCluster 1>"): value for name, value in directives.items()}
        return str(self.assertRaises(ConfigError, Settings.of, (MODULE,), values))

    def test_defaults(self) -> None:
        """The defaults are those of the original."""
        settings = Settings.of((MODULE,), {})
        self.assertEqual(
            [settings[each] for each in (METHOD, ACCEPT, TIMEOUT, WINDOW)], ["Sequential", "First", 0.3, 3]
        )
        self.assertEqual((settings[TIME_TO_LIVE], settings[BIND]), (6, ("0.0.0.0", 0)))
        self.assertEqual([str(each) for each in settings[ALLOW_FROM]], ["0.0.0.0/0", "::/0"])

    def test_clusters(self) -> None:
        """Clusters are read with their priority, gatekeepers as they stand."""
        block = {"RASGatekeeper": ["GK1.example.org 1719", "192.0.2.1 1720", "[2001:db8::1] 1719"]}
        settings = Settings.of((MODULE,), {"<RASGateKeeperCluster 2>": [block], "RASModule": "On"})
        self.assertEqual(
            clusters(settings), [(2, (("gk1.example.org", 1719), ("192.0.2.1", 1720), ("2001:db8::1", 1719)))]
        )
        self.assertEqual(settings.blocks(CLUSTER)[0].arguments, 2)
        self.assertEqual(settings.warnings, ())

    def test_wrong(self) -> None:
        """What is wrong is told where it stands."""
        for directives, expected in (
            ({"RASTimeToLive": "0"}, "expected a whole number from 1 to 255, got 0"),
            ({"RASTechPrefix": "1T 1234#"}, "expected a prefix of one to three digits and #, got 1234#"),
            ({"RASTechPrefix": "1T"}, "expected a prefix of one to three digits and #, got end of line"),
            ({"RASTechPrefix": "x 1#"}, "expected a pattern of digits"),
            ({"RASTechPrefix": "1T 1# 2#"}, "expected end of line, got 2#"),
            ({"RASBindAddress": "gk.example.org:1719"}, "expected ip:port with a literal address"),
            ({"CLUSTER": [{}]}, "expected at least one RASGatekeeper, got none"),
            ({"CLUSTER": [{"RASGatekeeper": "192.0.2.1"}]}, "expected a port: a whole number from 1 to 65535"),
            ({"CLUSTER": [{"RASGatekeeper": "192.0.2.1 1719 x"}]}, "expected end of line, got x"),
            ({"CLUSTER": [{"RASGatekeeper": "192.0.2.256 1719"}]}, "expected a host name or address"),
            ({"CLUSTER": [{"RASGatekeeper": ["g 1", "G 1"]}]}, "expected each gatekeeper of a cluster once, got g 1"),
        ):
            self.assertIn(expected, self.refused(**directives), directives)

    def test_warnings(self) -> None:
        """What deserves a second look is said."""
        settings = Settings.of((MODULE,), {"RASModule": "On", "RASLRQWindow": "100", "RASAllowFrom": "none"})
        self.assertEqual(
            [problem.expected for problem in settings.warnings],
            [
                "a RASGateKeeperCluster for RASModule On",
                "no less than RASTimeoutInterval",
                "an address, as else no answer counts",
            ],
        )
