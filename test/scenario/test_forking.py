"""Forking: which response wins, for every pair of outcomes (RFC 3261 16.7)."""

from itertools import product

from sipproxy.simulation import Behaviour, OutgoingCall, UserAgent, answers, redirects, rejects, rings, says_trying
from test.scenario.stage import PROXY_ADDRESS, ScenarioTestCase

#: A branch's outcome by name: what the telephone does, None where there is none at all.
OUTCOMES: dict[str, Behaviour | None] = {
    "answers": answers(),
    "moved": redirects(b"<sip:bob@10.0.0.99>"),
    "unknown": rejects(404),
    "challenges": rejects(401, b'WWW-Authenticate: Digest realm="bob", nonce="1"'),
    "overloaded": rejects(503, b"Retry-After: 60"),
    "declines": rejects(603),
    "silent": says_trying,
    "refused": None,
    "nowhere": None,
}
#: The best of several outcomes is the first of these that is among them (16.7 item 6, 16.8, 16.9).
BEST = (
    ({"answers"}, 200),
    ({"declines"}, 603),
    ({"moved"}, 302),
    ({"challenges"}, 401),
    ({"unknown"}, 404),
    ({"silent", "nowhere"}, 408),
    ({"overloaded"}, 500),
    ({"refused"}, 503),
)


def expected(*outcomes: str) -> int:
    """Give the status that the caller of several branches is told."""
    return next(status for names, status in BEST if names & set(outcomes))


class OutcomeTests(ScenarioTestCase):
    """Two contacts, and every pair of what may become of them."""

    def call_two(self, first: str, second: str, **directives: str) -> tuple[OutgoingCall, list[UserAgent | None]]:
        """Call bob, who has two telephones with these outcomes; give them too, None where there is none."""
        self.begin()
        contacts = ["sip:bob@10.0.0.2;x=1 q=1.0", "sip:bob@10.0.0.3;x=2 q=" + directives.pop("q", "1.0")]
        self.serve_bob(*contacts, SIPTimerCInMs="10000", Recursive="Off", **directives)
        telephones: list[UserAgent | None] = []
        for number, outcome in enumerate((first, second)):
            behaviour = OUTCOMES[outcome]
            telephones.append(None if behaviour is None else self.callee(number, behaviour))
            if outcome == "refused":
                self.simulation.host(f"10.0.0.{2 + number}")
        return self.call_bob(self.alice()), telephones

    def test_parallel(self) -> None:
        """Both at once: the best of both."""
        for first, second in product(OUTCOMES, repeat=2):
            call, _ = self.call_two(first, second)
            self.assertEqual(call.final, expected(first, second), (first, second))

    def in_turn(self, **directives: str) -> None:
        """One after the other: a 2xx or 6xx of the first one ends the search."""
        for first, second in product(OUTCOMES, repeat=2):
            call, telephones = self.call_two(first, second, **directives)
            ends = first in ("answers", "declines")
            wanted = expected(first) if ends else expected(first, second)
            self.assertEqual(call.final, wanted, (first, second))
            if telephones[1] is not None:
                self.assertEqual(len(telephones[1].calls), 0 if ends else 1, (first, second))

    def test_by_q(self) -> None:
        """Contacts of lower q are called when those of higher q have failed."""
        self.in_turn(q="0.5")

    def test_sequential(self) -> None:
        """With ForkingMode Sequential equal ones are called in turn too."""
        self.in_turn(ForkingMode="Sequential")

    def test_off(self) -> None:
        """With ForkingMode Off the best contact decides alone."""
        for first, second in product(OUTCOMES, repeat=2):
            call, telephones = self.call_two(first, second, ForkingMode="Off", q="0.9")
            self.assertEqual(call.final, expected(first), (first, second))
            if telephones[1] is not None:
                self.assertEqual(telephones[1].calls, [], (first, second))


class ForkTests(ScenarioTestCase):
    """What the rest of the branches see."""

    def fork(self, *behaviours: Behaviour, **directives: str) -> list[UserAgent]:
        """Give bob a telephone for each behaviour, all of equal q."""
        self.serve_bob(*(f"sip:bob@10.0.0.{2 + at}" for at in range(len(behaviours))), **directives)
        return [self.callee(at, behaviour) for at, behaviour in enumerate(behaviours)]

    def test_others_are_cancelled(self) -> None:
        """One telephone is answered: the others stop ringing at once (16.7 item 10)."""
        bobs = self.fork(answers(after=1.0), rings, says_trying, rejects(486))
        call = self.call_bob(self.alice())
        self.simulation.run(0.1)
        self.assertEqual([bob.calls[0].final for bob in bobs], [200, 487, 487, 486])
        self.assertEqual(call.final, 200)

    def test_all_ring(self) -> None:
        """Each 180 goes upstream as it is, with its own To tag (16.7 item 5)."""
        self.fork(rings, rings, rings)
        call = self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.assertEqual(call.statuses, [100, 180, 180, 180])
        self.assertEqual(len({response.to.tag for response in call.responses[1:]}), 3)
        self.assertEqual(len({response.header("contact") for response in call.responses[1:]}), 3)

    def test_two_answer(self) -> None:
        """Both 2xx of two telephones that are answered at the same moment go upstream; the caller ends one."""
        bobs = self.fork(answers(after=1.0), answers(after=1.0), AddRecordRoute="On")
        call = self.call_bob(self.alice())
        self.simulation.run(5)
        self.assertEqual(call.statuses, [100, 180, 180, 200, 200])
        self.assertEqual([bob.calls[0].acknowledged for bob in bobs], [True, True])
        ended = [dialog.ended for bob in bobs for dialog in bob.dialogs.values()]
        self.assertEqual(sorted(ended), [False, True])

    def test_late_2xx(self) -> None:
        """A 2xx that crosses the CANCEL of its branch goes upstream, even after the first one."""
        bobs = self.fork(answers(after=1.0), answers(after=1.0015))
        call = self.call_bob(self.alice())
        self.simulation.run(5)
        self.assertEqual([bob.calls[0].final for bob in bobs], [200, 200])
        self.assertEqual(call.statuses.count(200), 2)

    def test_2xx_much_later(self) -> None:
        """A 2xx that is retransmitted when the caller's transaction is over goes upstream all the same."""
        self.serve_bob("sip:bob@10.0.0.2", "sip:bob@10.0.0.3")
        alice, bob, other = self.wire("alice", "bob", "other")
        alice.send(alice.make_request(b"INVITE", b"sip:bob@example.com"), PROXY_ADDRESS)
        self.simulation.run(0.1)
        other.respond(other.requests()[0], 180)
        bob.respond(bob.requests()[0], 200, b"Contact: <sip:bob@10.0.0.2>")
        for at in (20, 14, 1):
            self.simulation.run(at)
            other.respond(other.requests()[0], 200, b"Contact: <sip:other@10.0.0.3>")
        self.simulation.run(1)
        self.assertEqual(alice.statuses(), [100, 180, 200, 200, 200, 200])

    def test_6xx(self) -> None:
        """A 6xx ends the search: the others are cancelled, lower ones never called (16.7 item 5)."""
        self.serve_bob("sip:bob@10.0.0.2", "sip:bob@10.0.0.3", "sip:bob@10.0.0.4 q=0.5")
        bobs = [self.callee(0, rejects(600, after=1.0)), self.callee(1, rings), self.callee(2, rings)]
        call = self.call_bob(self.alice())
        self.assertEqual((call.final, bobs[1].calls[0].final, bobs[2].calls), (600, 487, []))

    def test_challenges_are_collected(self) -> None:
        """A 401 carries the challenges of all branches, each in a line of its own (16.7 item 7)."""
        first, second = b'Digest realm="a, b", nonce="1"', b'Digest realm="c", nonce="2"'
        self.fork(
            rejects(401, b"WWW-Authenticate: " + first), rejects(407, b"Proxy-Authenticate: " + second), rejects(404)
        )
        call = self.call_bob(self.alice())
        final = call.responses[-1]
        self.assertEqual(call.final, 401)
        self.assertEqual(final.headers("www-authenticate") + final.headers("proxy-authenticate"), [first, second])

    def test_max_forks(self) -> None:
        """No more than MaxForks branches in all, the best ones."""
        contacts = [f"sip:bob@10.0.0.{2 + at} q=0.{9 - at}" for at in range(5)]
        self.serve_bob(*contacts, MaxForks="3")
        bobs = [self.callee(at, rejects(404)) for at in range(5)]
        self.call_bob(self.alice())
        self.assertEqual([len(bob.calls) for bob in bobs], [1, 1, 1, 0, 0])

    def test_each_contact_once(self) -> None:
        """Contacts that are the same URI are one target (16.5)."""
        self.serve_bob("sip:bob@10.0.0.2", "sip:bob@10.0.0.2;x=1 q=0.5", "sip:bob@10.0.0.3 q=0.5")
        bobs = [self.callee(0, rejects(404)), self.callee(1, rejects(404))]
        self.call_bob(self.alice())
        self.assertEqual([len(bob.calls) for bob in bobs], [1, 1])

    def test_non_invite(self) -> None:
        """A request that is no INVITE is forked too; the first 2xx is the only one."""
        bobs = self.fork(rings, rings)
        sent = self.alice().request(b"MESSAGE", b"sip:bob@example.com")
        self.simulation.run(5)
        self.assertEqual(sent.statuses, [200])
        self.assertEqual([len(bob.requests) for bob in bobs], [1, 1])
