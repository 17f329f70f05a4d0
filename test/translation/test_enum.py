"""Tests of the ENUM translator."""

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipproxy.config import ConfigError, Settings
from sipproxy.errors import NameNotFoundError, ResolverTimeoutError
from sipproxy.interfaces import IAnswer, IResolver
from sipproxy.message import Request, parse_message, parse_uri
from sipproxy.net.dns import Answer
from sipproxy.translation import AT_HAND, ITranslator, Subject, Target, TranslationChain
from sipproxy.translation.enum import CACHE, ENUM, MODULE, SEARCH_ROOT, SERVICES, TIMEOUT, RuleCache, configured_enum
from sipproxy.translation.naptr import Rule

NUMBER = "+441632960083"
REVERSED = "3.8.0.0.6.9.2.3.6.1.4.4"
PUBLIC = f"{REVERSED}.e164.arpa"
PRIVATE = f"{REVERSED}.enum.test"


def naptr(
    uri: bytes = b"sip:\\1@gw.test", order: int = 10, preference: int = 10, service: bytes = b"E2U+sip", ttl: int = 60
) -> Any:
    """Make a terminal record."""
    return dns.Record_NAPTR(order, preference, b"u", service, b"!^(.*)$!" + uri + b"!", b"", ttl)


def link(target: bytes) -> Any:
    """Make a non-terminal record."""
    return dns.Record_NAPTR(10, 10, b"", b"", b"", target)


@implementer(IResolver)
class Script:
    """A resolver that does as it is told.

    @ivar answers: what a name has: an answer, an error to raise, or a Deferred
    @ivar asked: the names, in order
    """

    def __init__(self) -> None:
        self.answers: dict[str, IAnswer | Exception | Deferred[IAnswer]] = {}
        self.asked: list[str] = []

    def addresses(self, host: str) -> "list[str] | Deferred[list[str]]":
        """See IResolver; ENUM does not ask this."""
        raise AssertionError(host)

    def query(self, name: str, record_type: int) -> "IAnswer | Deferred[IAnswer]":
        """See IResolver."""
        assert record_type == dns.NAPTR
        self.asked.append(name)
        found = self.answers.get(name) or NameNotFoundError(f"{name} does not exist")
        if isinstance(found, Exception):
            raise found
        return found

    def has(self, name: str, *records: Any, received: float = 0.0, is_stale: bool = False) -> None:
        """Let a name have records."""
        self.answers[name] = Answer(records, received, received + 60, is_stale)

    def waits(self, name: str) -> "Deferred[IAnswer]":
        """Let the answer for a name take its time."""
        waiting: Deferred[IAnswer] = Deferred()
        self.answers[name] = waiting
        return waiting


class EnumTests(SynchronousTestCase):
    """L{sipproxy.translation.enum.EnumTranslator}."""

    def setUp(self) -> None:
        """Begin with nothing known."""
        self.clock = Clock()
        self.resolver = Script()
        self.translator = self.make()

    def make(self, *roots: str, **values: str) -> ITranslator:
        """Make a translator as sipd.conf says it."""
        given: dict[str, Any] = {"EnumSearchRoot": list(roots), **values}
        return configured_enum(Settings.of([MODULE], given), self.resolver, self.clock)

    def subject(self, user: str = NUMBER, params: str = "") -> Subject:
        """Make a subject."""
        uri = f"sip:{user}@example.test{params}"
        request = parse_message(
            f"INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\n"
            f"To: <{uri}>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert isinstance(request, Request)
        return Subject(parse_uri(uri.encode()), request, ("127.0.0.1", 5060), 0.0)

    def targets(self, subject: Subject | None = None) -> list[Target]:
        """Give the targets of a subject; they must be at hand."""
        found = self.translator.translate(subject or self.subject())
        assert isinstance(found, AT_HAND)
        return list(found)

    def uris(self, subject: Subject | None = None) -> list[bytes]:
        """Give the URIs of targets that are at hand."""
        return [target.uri.raw for target in self.targets(subject)]

    def notes(self, subject: Subject) -> list[object]:
        """Give what a trace says."""
        self.assertEqual({(stage, module) for stage, module, _ in subject.trace}, {("translation", "mod_sip_enum")})
        return [text for _, _, text in subject.trace]

    def test_interface(self) -> None:
        """It is a translator."""
        self.assertTrue(verifyObject(ITranslator, self.translator))

    def test_one(self) -> None:
        """A number has the URI that its record makes of it, with the plus."""
        self.resolver.has(PUBLIC, naptr())
        (target,) = self.targets()
        self.assertEqual(target.uri.raw, b"sip:+441632960083@gw.test")
        self.assertEqual((target.q, target.origin), (1.0, "mod_sip_enum"))

    def test_falling_q(self) -> None:
        """Each target has a q below that of the one before, also where the records say the same."""
        self.resolver.has(
            PUBLIC, naptr(b"sip:c@a", 20, 1), naptr(b"sip:a@a"), naptr(b"sip:b@a"), naptr(b"sip:d@a", 20, 5)
        )
        found = [(target.uri.raw, target.q) for target in self.targets()]
        self.assertEqual(found, [(b"sip:a@a", 1.0), (b"sip:b@a", 0.99), (b"sip:c@a", 0.98), (b"sip:d@a", 0.97)])

    def test_forms_of_numbers(self) -> None:
        """A number is asked for with a plus, without its visual separators, whoever left the plus away."""
        self.resolver.has(PUBLIC, naptr())
        for user, params in (("441632960083", ""), ("+44-1632-(960083)", ";user=phone"), ("%2B441632960083", "")):
            self.assertEqual(self.uris(self.subject(user, params)), [b"sip:+441632960083@gw.test"])
        self.assertEqual(self.resolver.asked, [PUBLIC] * 3)

    def test_no_numbers(self) -> None:
        """What is no number, and numbers that E.164 has not, are not asked for."""
        for user, params in (("bob", ""), ("bob", ";user=phone"), ("441632960083", ";user=ip"), ("+44x", "")):
            subject = self.subject(user, params)
            self.assertEqual(self.targets(subject), [])
            self.assertEqual(subject.trace, [])
        for number in ("*21", "12#", "1", "+1", "1234567890123456"):
            subject = self.subject(number.replace("#", "%23"), ";user=phone")
            self.assertEqual(self.targets(subject), [])
            self.assertEqual(self.notes(subject), [f"{number} is no E.164 number"])
        self.assertEqual(self.resolver.asked, [])

    def test_lengths(self) -> None:
        """Two digits are a number, and fifteen."""
        for number in ("12", "123456789012345"):
            self.targets(self.subject(number))
        self.assertEqual(self.resolver.asked, ["2.1.e164.arpa", "5.4.3.2.1.0.9.8.7.6.5.4.3.2.1.e164.arpa"])

    def test_roots(self) -> None:
        """Private roots are asked in their order, and e164.arpa at the end, until one has something."""
        self.translator = self.make("one.test", "e164.arpa", "two.test")
        self.resolver.has(PUBLIC, naptr())
        self.assertEqual(self.uris(), [b"sip:+441632960083@gw.test"])
        self.assertEqual(self.resolver.asked, [f"{REVERSED}.one.test", f"{REVERSED}.two.test", PUBLIC])
        self.resolver.has(f"{REVERSED}.one.test", naptr(b"sip:x@one.test"))
        self.resolver.asked.clear()
        self.assertEqual(self.uris(), [b"sip:x@one.test"])
        self.assertEqual(self.resolver.asked, [f"{REVERSED}.one.test"])

    def test_unusable_root(self) -> None:
        """A root without a usable record, or without an answer, leads to the next one; the trace tells why."""
        self.translator = self.make("a.test", "b.test", "c.test", "enum.test")
        self.resolver.has(f"{REVERSED}.a.test", naptr(b"tel:\\1"), naptr(service=b"E2U+email:mailto"))
        self.resolver.answers[f"{REVERSED}.b.test"] = ResolverTimeoutError("b: the name server answered SERVFAIL")
        self.resolver.has(f"{REVERSED}.c.test", naptr(), is_stale=True)
        self.resolver.has(PRIVATE, naptr(b"sip:x@a"))
        subject = self.subject()
        self.assertEqual(self.uris(subject), [b"sip:x@a"])
        self.assertEqual(
            self.notes(subject),
            [
                f"{REVERSED}.a.test: NAPTR records: 2, of use: 1",
                f"{REVERSED}.a.test: skipped record 10 10: result 'tel:+441632960083': not a sip: URI",
                "b: the name server answered SERVFAIL",
                f"{REVERSED}.c.test: no name server answers, and what was known has expired",
                f"{PRIVATE}: NAPTR records: 1, of use: 1",
            ],
        )

    def test_none(self) -> None:
        """With no record under any root there is no target."""
        subject = self.subject()
        self.assertEqual(self.targets(subject), [])
        self.assertEqual(self.notes(subject), [f"{PUBLIC} does not exist"])

    def test_services(self) -> None:
        """EnumServices says what counts."""
        self.resolver.has(
            PUBLIC, naptr(b"sip:1@a", service=b"E2U+pstn:sip"), naptr(b"sip:2@a", service=b"E2U+voice:sip")
        )
        self.assertEqual(self.uris(), [b"sip:1@a"])
        self.translator = self.make(EnumServices="e2u+Voice:SIP")
        self.assertEqual(self.uris(), [b"sip:2@a"])

    def test_later(self) -> None:
        """Answers that are not at hand are waited for, question by question."""
        waiting = [self.resolver.waits(PRIVATE), self.resolver.waits(PUBLIC), self.resolver.waits("next.test")]
        self.translator = self.make("e164.arpa", "enum.test")
        found = self.translator.translate(self.subject())
        assert isinstance(found, Deferred)
        waiting[0].errback(NameNotFoundError("nothing"))
        self.assertNoResult(found)
        waiting[1].callback(Answer((link(b"next.test"),), 0.0, 60.0))
        self.assertNoResult(found)
        waiting[2].callback(Answer((naptr(b"sip:x@a"),), 0.0, 60.0))
        self.assertEqual([target.uri.raw for target in self.successResultOf(found)], [b"sip:x@a"])
        self.assertEqual(self.resolver.asked, [PRIVATE, PUBLIC, "next.test"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_later_at_once(self) -> None:
        """A Deferred that has fired is as good."""
        self.resolver.answers[PUBLIC] = succeed(Answer((naptr(b"sip:x@a"),), 0.0, 60.0))
        found = self.translator.translate(self.subject())
        assert isinstance(found, Deferred)
        self.assertEqual([target.uri.raw for target in self.successResultOf(found)], [b"sip:x@a"])

    def test_one_deadline(self) -> None:
        """All roots together have EnumTimeoutInMs; then the next translator is asked, and nothing is left behind."""
        cancelled: list[object] = []
        first, second = self.resolver.waits(PRIVATE), Deferred[IAnswer](cancelled.append)
        self.resolver.answers[PUBLIC] = second
        self.translator = self.make("enum.test", "e164.arpa", EnumTimeoutInMs="1000")
        subject = self.subject()
        found = TranslationChain([self.translator]).translate(subject)
        assert isinstance(found, Deferred)
        self.clock.advance(0.9)
        first.errback(ResolverTimeoutError("enum.test is silent"))
        self.clock.advance(0.09)
        self.assertNoResult(found)
        self.clock.advance(0.01)
        self.assertEqual(self.successResultOf(found), ())
        self.assertEqual(self.notes(subject), ["enum.test is silent", "no answer within 1 s", ()])
        self.assertEqual(cancelled, [second])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_given_up(self) -> None:
        """Who gives up waiting stops the question; that is no timeout."""
        self.resolver.waits(PUBLIC)
        found = self.translator.translate(self.subject())
        assert isinstance(found, Deferred)
        found.cancel()
        self.failureResultOf(found, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bug(self) -> None:
        """An error of another kind is nobody's answer."""
        self.resolver.answers[PUBLIC] = ZeroDivisionError()
        self.assertRaises(ZeroDivisionError, self.translator.translate, self.subject())
        waiting = self.resolver.waits(PUBLIC)
        found = self.translator.translate(self.subject())
        assert isinstance(found, Deferred)
        waiting.errback(ZeroDivisionError())
        self.failureResultOf(found, ZeroDivisionError)

    def test_lifetime(self) -> None:
        """EnumCacheInS counts, not the TTL: from when the records came, and for records only."""
        self.translator = self.make(EnumCacheInS="100")
        self.targets()
        self.resolver.has(PUBLIC, naptr(b"sip:x@a"))
        self.clock.advance(5)
        self.assertEqual(self.uris(), [b"sip:x@a"])
        del self.resolver.answers[PUBLIC]
        self.clock.advance(94)
        self.assertEqual(self.uris(), [b"sip:x@a"])
        self.assertEqual(len(self.resolver.asked), 2)
        self.clock.advance(1)
        self.assertEqual(self.uris(), [])

    def test_lifetime_of_old(self) -> None:
        """Records that came long ago, and stale ones, are not kept again."""
        self.translator = self.make(EnumCacheInS="100")
        self.clock.advance(200)
        self.resolver.has(PUBLIC, naptr(), received=50)
        self.targets()
        self.resolver.has(PUBLIC, naptr(), received=150, is_stale=True)
        self.assertEqual(self.uris(), [])

    def test_kept_targets(self) -> None:
        """What is done with the targets of one call is not seen by the next one."""
        self.translator = self.make(EnumCacheInS="100")
        self.resolver.has(PUBLIC, naptr())
        self.targets()[0].rounds = 7
        self.assertEqual(self.targets()[0].rounds, 0)

    def test_trace_is_short(self) -> None:
        """A zone full of rubbish does not fill the trace."""
        self.resolver.has(PUBLIC, *[naptr(b"tel:%d" % number) for number in range(200)])
        subject = self.subject()
        self.assertEqual(self.targets(subject), [])
        self.assertEqual(len(subject.trace), 30)
        self.assertEqual(self.notes(subject)[-1], "and more")


class RuleCacheTests(SynchronousTestCase):
    """L{RuleCache}."""

    def test_bound(self) -> None:
        """The oldest names are forgotten, as many as the new rules need."""
        cache = RuleCache(5)
        rules = [Rule(1, 1, b"u", b"E2U+sip", b"", b"")]
        for name in "abcde":
            cache.put(name, rules, 10.0)
        cache.put("f", rules * 2, 10.0)
        self.assertEqual([name for name in "abcdef" if cache.get(name, 0.0)], ["c", "d", "e", "f"])
        self.assertEqual(len(cache), 5)
        cache.put("f", rules, 10.0)
        self.assertEqual(len(cache), 4)
        cache.put("g", rules * 9, 10.0)
        self.assertEqual(len(cache), 0)

    def test_expiry(self) -> None:
        """What has expired is not known."""
        cache = RuleCache(5)
        cache.put("a", [Rule(1, 1, b"", b"", b"", b"x")], 10.0)
        self.assertIsNotNone(cache.get("a", 9.9))
        self.assertIsNone(cache.get("a", 10.0))


class DirectiveTests(SynchronousTestCase):
    """The directives of mod_sip_enum.c."""

    def test_defaults(self) -> None:
        """The defaults are those of the manual."""
        settings = Settings.of([MODULE])
        self.assertEqual(
            [settings[directive] for directive in (ENUM, SEARCH_ROOT, SERVICES, TIMEOUT, CACHE)],
            [False, ("e164.arpa",), ("E2U+sip", "E2U+pstn:sip"), 2.0, 0.0],
        )

    def test_values(self) -> None:
        """What is written is what counts, in its order."""
        settings = Settings.of(
            [MODULE],
            {"EnumSearchRoot": ["Enum.Example.", "e164.arpa"], "EnumServices": "E2U+sip E2U+voice:sip"},
        )
        self.assertEqual(settings[SEARCH_ROOT], ("enum.example", "e164.arpa"))
        self.assertEqual(settings[SERVICES], ("E2U+sip", "E2U+voice:sip"))

    def test_wrong(self) -> None:
        """Wrong values are told."""
        for name, text, expected in (
            ("EnumSearchRoot", "192.0.2.1", "a domain"),
            ("EnumSearchRoot", "::1", "a domain"),
            ("EnumSearchRoot", "a..b", "a domain"),
            ("EnumSearchRoot", ".".join(["a" * 60] * 4), "a domain of at most 223 characters"),
            ("EnumServices", "sip", "a service such as E2U+sip"),
            ("EnumServices", "E2U+", "a service such as E2U+sip"),
            ("EnumServices", "E2U+sip+tel", "a service such as E2U+sip"),
            ("EnumServices", "sip+E2U", "a service such as E2U+sip"),
            ("EnumTimeoutInMs", "0", "milliseconds"),
            ("EnumCacheInS", "-1", "seconds"),
            ("EnumModule", "yes", "On or Off"),
        ):
            error = self.assertRaises(ConfigError, Settings.of, [MODULE], {name: text})
            self.assertIn(expected, str(error))
