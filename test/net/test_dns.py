"""Cached questions on a clock, against servers that answer when told."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.names.error import DNSQueryRefusedError
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import NameNotFoundError, ResolverTimeoutError
from sipproxy.net.dns import FAILURE_LIFETIME, MAX_OPEN_QUESTIONS, Absence, Answer, DnsCache, Questions
from test.net.fixtures import ScriptedServers, a, cname, soa


class CacheTests(SynchronousTestCase):
    """The bounded memory."""

    def test_oldest_goes(self) -> None:
        """The oldest entry goes when one more comes; a renewed entry is a new one."""
        cache = DnsCache(2)
        for text in ("first", "second", "first again"):
            cache.put((text.split()[0], dns.A), Absence(text, 1.0))
        cache.put(("third", dns.A), Absence("third", 1.0))
        self.assertIsNone(cache.get(("second", dns.A)))
        self.assertEqual(Absence("first again", 1.0), cache.get(("first", dns.A)))
        self.assertEqual(2, len(cache))


class QuestionsTestCase(SynchronousTestCase):
    """What the cases below share."""

    serve_stale = 0.0

    def setUp(self) -> None:
        """Make questions to scripted servers."""
        self.clock = Clock()
        self.servers = ScriptedServers()
        self.questions = Questions(
            self.clock, self.servers, timeout=2.0, cache_size=100, negative_ttl=30.0, serve_stale=self.serve_stale
        )

    def ask(self, name: str = "gw.test", record_type: int = dns.A) -> "Deferred[Answer]":
        """Ask what must go to the servers."""
        asked = self.questions.query(name, record_type)
        assert isinstance(asked, Deferred)
        return asked

    def known(self, name: str = "gw.test") -> Answer:
        """Ask what must be known."""
        answer = self.questions.query(name, dns.A)
        assert isinstance(answer, Answer)
        return answer

    def learn(self, ttl: int = 60) -> None:
        """Ask and have an answer."""
        asked = self.ask()
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.1", ttl)])
        self.successResultOf(asked)


class AnswerTests(QuestionsTestCase):
    """Questions that are answered."""

    def test_answer(self) -> None:
        """An answer has its records, when it came and when it expires."""
        asked = self.ask()
        self.clock.advance(1)
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.1", 60)])
        answer = self.successResultOf(asked)
        self.assertEqual(["192.0.2.1"], [record.dottedQuad() for record in answer.records])
        self.assertEqual((1, 61, False), (answer.received, answer.expires, answer.is_stale))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_cached(self) -> None:
        """It is known until it expires, for the same name in any case and for its type only."""
        self.learn()
        self.clock.advance(59.9)
        self.assertEqual(self.known(), self.known("GW.test."))
        self.ask("gw.test", dns.AAAA)
        self.clock.advance(0.1)
        self.ask()
        self.assertEqual([("gw.test", dns.A), ("gw.test", dns.AAAA), ("gw.test", dns.A)], self.servers.asked)

    def test_ttl_of_zero(self) -> None:
        """An answer with a TTL of 0 is given and not remembered."""
        self.learn(ttl=0)
        self.learn(ttl=0)
        self.assertEqual(2, len(self.servers.asked))

    def test_any_type(self) -> None:
        """Other types are asked in the same way."""
        asked = self.ask("_sip._udp.gw.test", dns.SRV)
        record = dns.Record_SRV(10, 60, 5060, "gw.test", 60)
        self.servers.answer(
            "_sip._udp.gw.test", dns.SRV, [dns.RRHeader("_sip._udp.gw.test", dns.SRV, dns.IN, 60, record)]
        )
        self.assertEqual((record,), self.successResultOf(asked).records)

    def test_alias_elsewhere(self) -> None:
        """The target of an alias is asked where the reply does not have it, within the same deadline."""
        asked = self.ask()
        self.servers.answer("gw.test", dns.A, [cname("gw.test", "other.test", 5)])
        self.clock.advance(1)
        self.servers.answer("other.test", dns.A, [a("other.test", "192.0.2.9", 60)])
        self.assertEqual(6, self.successResultOf(asked).expires)

    def test_alias_loop_over_replies(self) -> None:
        """Aliases that lead on for ever end."""
        asked = self.ask()
        self.servers.answer("gw.test", dns.A, [cname("gw.test", "other.test")])
        self.servers.answer("other.test", dns.A, [cname("other.test", "gw.test")])
        error = self.failureResultOf(asked, NameNotFoundError)
        self.assertEqual("gw.test: the aliases have no end", str(error.value))


class AbsenceTests(QuestionsTestCase):
    """Names and records that do not exist."""

    def test_no_such_name(self) -> None:
        """NXDOMAIN is an error that says so, and is remembered."""
        asked = self.ask()
        self.servers.deny("gw.test", dns.A)
        self.assertEqual("gw.test does not exist", str(self.failureResultOf(asked, NameNotFoundError).value))
        self.clock.advance(29.9)
        self.assertRaises(NameNotFoundError, self.known)
        self.clock.advance(0.1)
        self.ask()

    def test_no_such_record(self) -> None:
        """So is an answer without a record, as long as its SOA record says where that is shorter."""
        asked = self.ask()
        self.servers.answer("gw.test", dns.A, [], [soa("test", 10)])
        self.assertEqual("gw.test has no A record", str(self.failureResultOf(asked, NameNotFoundError).value))
        self.clock.advance(9.9)
        self.assertRaises(NameNotFoundError, self.known)
        self.clock.advance(0.1)
        self.ask()

    def test_long_absence(self) -> None:
        """An SOA record that says more than configured is not followed."""
        asked = self.ask()
        self.servers.deny("gw.test", dns.A, [soa("test", 3600)])
        self.failureResultOf(asked, NameNotFoundError)
        self.clock.advance(30)
        self.ask()

    def test_alias_to_nothing(self) -> None:
        """An alias whose target has no record, as the SOA record says, is not asked further."""
        asked = self.ask()
        self.servers.answer("gw.test", dns.A, [cname("gw.test", "other.test")], [soa("test", 10)])
        self.failureResultOf(asked, NameNotFoundError)

    def test_no_name(self) -> None:
        """What is no name is not asked."""
        self.assertRaises(NameNotFoundError, self.questions.query, "not a name", dns.A)
        self.assertEqual([], self.servers.asked)


class FailureTests(QuestionsTestCase):
    """Servers that do not answer, or fail."""

    def test_deadline(self) -> None:
        """No answer is an error at the deadline, and the lookup is cancelled; no call is left."""
        asked = self.ask()
        self.clock.advance(1.9)
        self.assertNoResult(asked)
        self.clock.advance(0.2)
        error = self.failureResultOf(asked, ResolverTimeoutError)
        self.assertEqual("gw.test: no answer within 2 s", str(error.value))
        self.assertEqual([("gw.test", dns.A)], self.servers.cancelled)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_failures(self) -> None:
        """Whatever goes wrong between us and the server is told in words."""
        for error, text in (
            (None, "gw.test: the name server answered SERVFAIL"),
            (DNSQueryRefusedError(dns.Message()), "gw.test: the name server answered REFUSED"),
            (DeferredTimeoutError(), "gw.test: no name server answered"),
            (ConnectionRefusedError(), "gw.test: no name server can be asked: Connection was refused by other side."),
        ):
            asked = self.ask()
            self.servers.fail("gw.test", dns.A, error)
            self.assertEqual(text, str(self.failureResultOf(asked, ResolverTimeoutError).value))
            self.clock.advance(FAILURE_LIFETIME)

    def test_failure_is_remembered(self) -> None:
        """For some seconds after a failure the servers are left alone."""
        asked = self.ask()
        self.servers.fail("gw.test", dns.A)
        self.failureResultOf(asked, ResolverTimeoutError)
        self.assertRaises(ResolverTimeoutError, self.known)
        self.clock.advance(FAILURE_LIFETIME)
        self.learn()
        self.known()

    def test_expired_is_not_served(self) -> None:
        """An expired answer is not served unless that was asked for."""
        self.learn()
        self.clock.advance(60)
        asked = self.ask()
        self.servers.fail("gw.test", dns.A)
        self.failureResultOf(asked, ResolverTimeoutError)

    def test_bug(self) -> None:
        """An error that is nobody's but ours goes to the asker, and is not remembered."""
        asked = self.ask()
        self.servers.fail("gw.test", dns.A, KeyError("bug"))
        self.failureResultOf(asked, KeyError)
        self.learn()

    def test_bug_nobody_waits_for(self) -> None:
        """Such an error is logged where the asker has gone."""
        asked = self.ask()
        asked.cancel()
        self.servers.fail("gw.test", dns.A, KeyError("bug"))
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))

    def test_too_many(self) -> None:
        """Beyond a bound no further question is put, and it can be again when the others are done."""
        asked = [self.ask(f"n{number}.test") for number in range(MAX_OPEN_QUESTIONS)]
        self.assertRaises(ResolverTimeoutError, self.known)
        self.clock.advance(2)
        for each in asked:
            self.failureResultOf(each, ResolverTimeoutError)
        self.learn()


class JoinTests(QuestionsTestCase):
    """Equal questions at one time."""

    def test_joined(self) -> None:
        """They are put once, and each asker has the answer."""
        first, second = self.ask(), self.ask("GW.test")
        self.assertEqual(1, len(self.servers.asked))
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.1")])
        self.assertEqual(self.successResultOf(first), self.successResultOf(second))

    def test_failures_are_separate(self) -> None:
        """Each asker has an error of its own."""
        first, second = self.ask(), self.ask()
        self.servers.deny("gw.test", dns.A)
        one = self.failureResultOf(first, NameNotFoundError).value
        other = self.failureResultOf(second, NameNotFoundError).value
        self.assertEqual(str(one), str(other))
        self.assertIsNot(one, other)

    def test_bug_for_all(self) -> None:
        """An error of ours reaches all of them."""
        first, second = self.ask(), self.ask()
        self.servers.fail("gw.test", dns.A, KeyError("bug"))
        self.failureResultOf(first, KeyError)
        self.failureResultOf(second, KeyError)

    def test_cancel(self) -> None:
        """One who gives up does not hurt the other."""
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.1")])
        self.successResultOf(second)

    def test_cancel_by_an_answer(self) -> None:
        """The first one answered may cancel the second."""
        first, second = self.ask(), self.ask()
        first.addCallback(lambda answer: second.cancel())
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.1")])
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)

    def test_answer_for_nobody(self) -> None:
        """An answer that nobody waits for any more is remembered all the same."""
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.1")])
        self.known()


class StaleTests(QuestionsTestCase):
    """Answers past their time (RFC 8767)."""

    serve_stale = 100.0

    def go_stale(self) -> Answer:
        """Let an answer expire and the servers fail."""
        self.learn()
        self.clock.advance(60)
        asked = self.ask()
        self.servers.fail("gw.test", dns.A)
        return self.successResultOf(asked)

    def test_stale(self) -> None:
        """It is served, marked, and at once for the seconds in which the servers are left alone."""
        answer = self.go_stale()
        self.assertEqual((True, 60), (answer.is_stale, answer.expires))
        self.assertEqual(answer, self.known())

    def test_still_failing(self) -> None:
        """It is served again after the servers have failed again, until its limit."""
        self.go_stale()
        for _ in range(2):
            self.clock.advance(FAILURE_LIFETIME)
            asked = self.ask()
            self.servers.fail("gw.test", dns.A)
            self.assertTrue(self.successResultOf(asked).is_stale)
        self.clock.advance(100)
        asked = self.ask()
        self.servers.fail("gw.test", dns.A)
        self.failureResultOf(asked, ResolverTimeoutError)

    def test_not_past_the_limit(self) -> None:
        """The seconds without a question end where the limit does."""
        self.learn()
        self.clock.advance(159)
        asked = self.ask()
        self.servers.fail("gw.test", dns.A)
        self.successResultOf(asked)
        self.clock.advance(1)
        self.ask()

    def test_recovery(self) -> None:
        """A server that answers makes it fresh, one that denies makes it absent."""
        self.go_stale()
        self.clock.advance(FAILURE_LIFETIME)
        self.learn()
        self.assertFalse(self.known().is_stale)
        self.clock.advance(60)
        asked = self.ask()
        self.servers.deny("gw.test", dns.A)
        self.failureResultOf(asked, NameNotFoundError)
