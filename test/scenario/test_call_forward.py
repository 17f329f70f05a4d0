"""Call forwarding: unconditional, busy, no answer, unavailable, and how they meet."""

from types import SimpleNamespace
from typing import Any

from sipproxy.simulation import (
    Behaviour,
    Faults,
    IncomingCall,
    OutgoingCall,
    UserAgent,
    answers,
    redirects,
    rejects,
    rings,
    says_trying,
)
from test.scenario.stage import BOB, PROXY, PROXY_ADDRESS, ScenarioTestCase

ALL = {
    "CallForwardUnconditional": "On",
    "CallForwardBusy": "On",
    "CallForwardNoAnswer": "On",
    "CallForwardUnavailable": "On",
    "CallForwardNoAnswerTimer": "10000",
    "CallForwardUnavailableTimer": "15000",
}
MAIL = "sip:mail@10.0.0.9"
DESK = "sip:desk@10.0.0.8"


class ForwardingTestCase(ScenarioTestCase):
    """A server with all forwarding on, and people with wishes."""

    def people(self, **wishes: dict[str, Any]) -> None:
        """Put subscribers in: their fields by key."""
        for key, fields in wishes.items():
            every = dict.fromkeys(("unconditional", "busy", "no_answer", "unavailable"), "")
            record = {"key": key, "ring_time": None, "enabled": True, **every, **fields}
            person: Any = SimpleNamespace(**record)
            self.simulation.people.known[key] = person

    def at(self, address: str, name: bytes, behaviour: Behaviour | None = None) -> UserAgent:
        """Switch a telephone on that has nothing to do with bob."""
        agent = self.simulation.agent(b"sip:" + name + b"@example.com", address)
        if behaviour is not None:
            agent.behaviour = behaviour
        return agent

    def headers(self, agent: UserAgent, name: str = "cc-diversion") -> list[bytes]:
        """Give the values of a header of the last call that reached a telephone."""
        return agent.calls[-1].request.values(name)


class UnconditionalTests(ForwardingTestCase):
    """All calls go elsewhere."""

    def setUp(self) -> None:
        """Bob wishes his calls at his desk."""
        super().setUp()
        self.people(bob={"unconditional": DESK})

    def test_elsewhere(self) -> None:
        """The registered telephone is not called; the header says who was, and why."""
        self.serve_bob(**ALL)
        bob, desk = self.callee(0), self.at("10.0.0.8", b"desk")
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertEqual((bob.calls, len(desk.calls)), ([], 1))
        self.assertEqual(desk.calls[0].request.uri, DESK.encode())
        self.assertEqual(self.headers(desk), [b"<sip:bob@example.com>;reason=unconditional;counter=1"])

    def test_older_ones_stay_below(self) -> None:
        """Diversion headers of others stay, below ours, whatever their name (RFC 5806)."""
        self.serve_bob(**ALL, DiversionHeaderName="Diversion")
        desk = self.at("10.0.0.8", b"desk")
        self.call_bob(
            self.alice(), b"Subject: x", b"CC-Diversion: <sip:old@example.com>;reason=away", b"Organization: y"
        )
        names = [name for name in desk.calls[0].request.names if name in ("subject", "diversion", "cc-diversion")]
        self.assertEqual(names, ["subject", "diversion", "cc-diversion"])

    def test_no_header(self) -> None:
        """AddDiversionHeader Off adds none."""
        self.serve_bob(**ALL, AddDiversionHeader="Off")
        desk = self.at("10.0.0.8", b"desk")
        self.call_bob(self.alice())
        self.assertEqual(self.headers(desk), [])

    def test_off(self) -> None:
        """Without the directive the wish does not count."""
        self.serve_bob(**{**ALL, "CallForwardUnconditional": "Off"})
        bob = self.callee(0, answers())
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertEqual(len(bob.calls), 1)

    def test_disabled(self) -> None:
        """A subscriber who is disabled has no wishes."""
        self.people(bob={"unconditional": DESK, "enabled": False})
        self.serve_bob(**ALL)
        self.callee(0, answers())
        self.assertEqual(self.call_bob(self.alice()).final, 200)

    def test_redirect(self) -> None:
        """A redirect server names the target as the Contact."""
        self.serve_bob(**ALL, SIPServerMode="Redirect")
        call = self.call_bob(self.alice())
        self.assertEqual((call.final, call.responses[-1].values("contact")), (302, [b"<" + DESK.encode() + b">"]))

    def test_stateless(self) -> None:
        """A stateless server forwards INVITE, CANCEL and ACK of one call alike."""
        self.serve_bob(**ALL, StatefulServer="Off")
        desk = self.at("10.0.0.8", b"desk", rings)
        call = self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(1)
        call.cancel()
        self.simulation.run_until(lambda: call.is_over)
        self.assertEqual((call.final, desk.calls[0].final), (487, 487))

    def test_not_a_call(self) -> None:
        """MESSAGE and others are not forwarded."""
        self.serve_bob(**ALL)
        alice, bob = self.wire("alice", "bob")
        alice.send(alice.make_request(b"MESSAGE", b"sip:bob@example.com"), PROXY_ADDRESS)
        self.simulation.run(0.1)
        self.assertEqual(len(bob.requests()), 1)

    def test_number(self) -> None:
        """A tel: target is a number at our domain, and is translated again: expanded, looked up, called."""
        self.people(bob={"unconditional": "tel:5-0001"})
        self.serve(StaticRegistration="5550001@example.com sip:x@10.0.0.8", NumExpand="5.... 555....", **ALL)
        desk = self.at("10.0.0.8", b"desk")
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertEqual(self.headers(desk), [b"<sip:bob@example.com>;reason=unconditional;counter=1"])
        self.assertEqual(desk.calls[0].request.max_forwards, 68)

    def test_chain(self) -> None:
        """A forwards to B forwards to the desk: two headers, the last one on top, and a round of Max-Forwards each."""
        self.people(bob={"unconditional": "sip:carol@example.com"}, carol={"unconditional": DESK})
        self.serve(**ALL)
        desk = self.at("10.0.0.8", b"desk")
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertEqual(
            self.headers(desk),
            [
                b"<sip:carol@example.com>;reason=unconditional;counter=1",
                b"<sip:bob@example.com>;reason=unconditional;counter=1",
            ],
        )

    def test_loop(self) -> None:
        """Subscribers who forward to each other: one 482."""
        self.people(bob={"unconditional": "sip:carol@example.com"}, carol={"unconditional": "sip:bob@example.com"})
        self.serve(**ALL)
        self.assertEqual(self.call_bob(self.alice()).statuses, [100, 482])

    def test_spiral(self) -> None:
        """Through another proxy and back forwarding runs again, and what goes in circles ends in 482."""
        self.people(bob={"unconditional": "sip:carol@other.example"})
        self.serve(**ALL)
        other = self.simulation.server(
            "192.0.2.2",
            {
                "ProxyDomain": "other.example",
                "StaticRegistration": "carol@other.example sip:bob@example.com",
                "CallForwardUnconditional": "On",
            },
        )
        self.simulation.names.known |= {"other.example": ["192.0.2.2"], "example.com": [PROXY]}
        call = self.call_bob(self.alice())
        self.assertEqual((call.final, len(call.statuses)), (482, 2))
        self.assertEqual(other.sip.core.pending, 0)

    def test_too_often(self) -> None:
        """A request that was forwarded twenty times is refused, whoever changed its Call-ID."""
        self.serve_bob(**ALL)
        entries = b"CC-Diversion: " + b", ".join(b"<sip:u%d@example.com>" % at for at in range(20))
        call = self.call_bob(self.alice(), entries)
        self.assertEqual((call.final, call.responses[-1].reason), (482, b"Too Many Diversions"))

    def test_no_uri(self) -> None:
        """A target that is no URI is ignored, and the log says so; one that needs TLS too."""
        self.serve_bob(**ALL)
        bob, alice = self.callee(0), self.alice()
        for wish in (
            "desk",
            "sips:desk@10.0.0.8",
            "sip:",
            "sip:a b@10.0.0.8",
            "sip:\n@10.0.0.8",
            "mailto:bob@example.com",
        ):
            self.people(bob={"unconditional": wish})
            self.assertEqual(self.call_bob(alice).final, 200, wish)
        self.assertEqual(len(bob.calls), 6)

    def test_database_away(self) -> None:
        """Where nobody knows what bob wishes the call ends in 503."""
        self.serve_bob(**ALL)
        self.callee(0)
        self.simulation.people.is_away = True
        call = self.call_bob(self.alice())
        self.assertEqual(call.final, 503)
        self.assertIn("retry-after", call.responses[-1].names)

    def test_slow_database(self) -> None:
        """A database that takes its time: 100 at once, then the call."""
        self.serve_bob(**ALL)
        desk = self.at("10.0.0.8", b"desk", answers())
        self.simulation.people.delay = 1.0
        call = self.call_bob(self.alice())
        self.assertEqual((call.statuses[0], call.final, len(desk.calls)), (100, 200, 1))


class BusyTests(ForwardingTestCase):
    """Calls that are answered 486."""

    def setUp(self) -> None:
        """Bob wishes busy calls in his mailbox."""
        super().setUp()
        self.people(bob={"busy": MAIL})
        self.mail = self.at("10.0.0.9", b"mail", answers())

    def test_busy(self) -> None:
        """The mailbox takes the call; the caller hears nothing of the 486."""
        self.serve_bob(**ALL)
        self.callee(0, rejects(486))
        call = self.call_bob(self.alice())
        self.assertEqual((call.statuses[0], call.final), (100, 200))
        self.assertNotIn(486, call.statuses)
        self.assertEqual(self.headers(self.mail), [b"<sip:bob@example.com>;reason=user-busy;counter=1"])

    def test_forks(self) -> None:
        """With several telephones busy is what they all come to: one that answers or rings counts more."""
        for behaviours, mails, final in (
            ((rejects(486), rejects(486)), 1, 200),
            ((rejects(486), answers(after=3.0)), 0, 200),
            ((rejects(404), rejects(486)), 0, 404),
            ((rejects(486), rejects(603)), 0, 603),
        ):
            self.begin()
            self.people(bob={"busy": MAIL})
            mail = self.at("10.0.0.9", b"mail", answers())
            self.serve_bob("sip:bob@10.0.0.2", "sip:bob@10.0.0.3", **ALL)
            for number, behaviour in enumerate(behaviours):
                self.callee(number, behaviour)
            self.assertEqual((self.call_bob(self.alice()).final, len(mail.calls)), (final, mails))

    def test_sequence(self) -> None:
        """Contacts of lower q are tried before the mailbox."""
        self.serve_bob("sip:bob@10.0.0.2 q=1.0", "sip:bob@10.0.0.3 q=0.5", **ALL)
        first, second = self.callee(0, rejects(486)), self.callee(1, rejects(486))
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertEqual((len(first.calls), len(second.calls), len(self.mail.calls)), (1, 1, 1))

    def test_mailbox_busy(self) -> None:
        """What the mailbox says is the end, even where it is busy too."""
        self.serve_bob(**ALL)
        self.callee(0, rejects(486))
        self.mail.behaviour = rejects(486)
        self.assertEqual(self.call_bob(self.alice()).final, 486)
        self.assertEqual(len(self.mail.calls), 1)

    def test_forwards_itself(self) -> None:
        """The target is a subscriber who forwards too: carol is not there, so her mailbox takes it."""
        self.people(bob={"busy": "sip:carol@example.com"}, carol={"unavailable": MAIL})
        self.serve_bob(**ALL)
        self.callee(0, rejects(486))
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertEqual(
            self.headers(self.mail),
            [
                b"<sip:carol@example.com>;reason=unavailable;counter=1",
                b"<sip:bob@example.com>;reason=user-busy;counter=1",
            ],
        )

    def test_busy_both(self) -> None:
        """Bob's busy calls go to carol, who is busy as well: her wish counts for them."""
        self.people(bob={"busy": "sip:carol@example.com"}, carol={"busy": MAIL})
        self.serve(
            StaticRegistration=["bob@example.com sip:bob@10.0.0.2", "carol@example.com sip:carol@10.0.0.3"], **ALL
        )
        self.callee(0, rejects(486))
        self.callee(1, rejects(486))
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertEqual(len(self.headers(self.mail)), 2)

    def test_one_within_another(self) -> None:
        """Bob's only contact is carol, and both wish: first carol's mailbox, and when that is busy bob's."""
        self.people(bob={"busy": MAIL}, carol={"busy": DESK})
        self.serve(
            StaticRegistration=["bob@example.com sip:carol@example.com", "carol@example.com sip:carol@10.0.0.2"], **ALL
        )
        desk = self.at("10.0.0.8", b"desk", rejects(486))
        self.callee(0, rejects(486))
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertEqual((len(desk.calls), len(self.mail.calls)), (1, 1))
        self.assertEqual(self.headers(self.mail), [b"<sip:bob@example.com>;reason=user-busy;counter=1"])

    def test_back_to_itself(self) -> None:
        """A busy call that is forwarded to bob again is a loop: 482, once."""
        self.people(bob={"busy": "sip:bob@example.com"})
        self.serve_bob(**ALL)
        bob = self.callee(0, rejects(486))
        call = self.call_bob(self.alice())
        self.assertEqual((call.final, len(bob.calls)), (482, 1))

    def test_to_the_same_telephone(self) -> None:
        """Where the target was tried already the call ends in 482 too."""
        self.people(bob={"busy": f"sip:bob@{BOB}"})
        self.serve_bob(**ALL)
        bob = self.callee(0, rejects(486))
        self.assertEqual((self.call_bob(self.alice()).final, len(bob.calls)), (482, 1))

    def test_redirected_telephone(self) -> None:
        """A telephone sends its calls to another one that is busy: it was still bob who was called."""
        self.serve_bob(**ALL)
        self.callee(0, redirects(b"<sip:bob@10.0.0.3>"))
        self.callee(1, rejects(486))
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertEqual(len(self.mail.calls), 1)


class TimeTests(ForwardingTestCase):
    """Calls that are not answered in time."""

    def setUp(self) -> None:
        """Bob wishes unanswered calls in his mailbox, and calls that reach nothing at his desk."""
        super().setUp()
        self.people(bob={"no_answer": MAIL, "unavailable": DESK})
        self.mail = self.at("10.0.0.9", b"mail", answers())
        self.desk = self.at("10.0.0.8", b"desk", answers())

    def reached(self) -> tuple[int, int]:
        """How many calls reached the mailbox, and the desk."""
        return len(self.mail.calls), len(self.desk.calls)

    def test_rings(self) -> None:
        """It rings for the time of the directive, then the telephone is cancelled and the mailbox called."""
        self.serve_bob(**ALL)
        bob = self.callee(0, rings)
        call = self.call_bob(self.alice())
        self.assert_time(10)
        self.assertEqual((call.final, self.reached()), (200, (1, 0)))
        self.simulation.run(1)
        self.assertEqual(bob.calls[0].final, 487)
        self.assertEqual(self.headers(self.mail), [b"<sip:bob@example.com>;reason=no-answer;counter=1"])

    def test_own_time(self) -> None:
        """A subscriber's own time counts more."""
        self.people(bob={"no_answer": MAIL, "ring_time": 3.0})
        self.serve_bob(**ALL)
        self.callee(0, rings)
        self.call_bob(self.alice())
        self.assert_time(3)

    def test_silent(self) -> None:
        """A telephone that says no more than 100 is unavailable, when the other timer is over."""
        self.serve_bob(**ALL)
        self.callee(0, says_trying)
        self.call_bob(self.alice())
        self.assert_time(15)
        self.assertEqual(self.reached(), (0, 1))

    def test_nothing_there(self) -> None:
        """So is one that says nothing at all."""
        self.serve_bob(**ALL)
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assert_time(15)
        self.assertEqual(self.reached(), (0, 1))

    def test_silent_without_unavailable(self) -> None:
        """Silence counts as no answer where nothing is wished for it."""
        self.people(bob={"no_answer": MAIL})
        self.serve_bob(**ALL)
        self.callee(0, says_trying)
        self.call_bob(self.alice())
        self.assert_time(10)
        self.assertEqual(self.reached(), (1, 0))

    def test_refused(self) -> None:
        """What ICMP says counts at once."""
        self.simulation.host(BOB)
        self.serve_bob(**ALL)
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertTrue(self.simulation.clock.seconds() < 1)
        self.assertEqual(self.reached(), (0, 1))

    def test_not_registered(self) -> None:
        """Who is known and not registered is unavailable at once."""
        self.serve(**ALL)
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertTrue(self.simulation.clock.seconds() < 1)
        self.assertEqual(self.reached(), (0, 1))
        self.assertEqual(self.headers(self.desk), [b"<sip:bob@example.com>;reason=unavailable;counter=1"])

    def test_rings_late(self) -> None:
        """It begins to ring when its time is over already: the mailbox."""
        self.serve_bob(**ALL)

        def rings_late(call: IncomingCall) -> None:
            says_trying(call)
            self.simulation.clock.callLater(12.0, rings, call)

        self.callee(0, rings_late)
        self.call_bob(self.alice())
        self.assert_time(12)
        self.assertEqual(self.reached(), (1, 0))

    def test_answers_while_cancelled(self) -> None:
        """The telephone answers while the CANCEL is on its way: the caller gets that call, the mailbox is left."""
        self.begin(faults=Faults(latency=0.5))
        self.people(bob={"no_answer": MAIL})
        mail = self.at("10.0.0.9", b"mail", rings)
        self.serve_bob(**ALL)
        bob = self.callee(0, answers(after=9.8))
        call = self.call_bob(self.alice())
        self.simulation.run(5)
        self.assertEqual((call.final, bob.calls[0].final, mail.calls[0].final), (200, 200, 487))

    def test_caller_gives_up(self) -> None:
        """CANCEL at any moment: while it rings, while the target is looked up, at the mailbox."""
        for moment, where in ((5.0, "bob"), (10.5, "database"), (13.0, "mail")):
            self.begin()
            self.people(bob={"no_answer": "sip:box@example.com"}, box={"unconditional": MAIL})
            mail = self.at("10.0.0.9", b"mail", rings)
            self.serve_bob(**ALL)
            bob = self.callee(0, rings)
            alice = self.alice()
            call = alice.invite(b"sip:bob@example.com")
            self.simulation.run(1)
            self.simulation.people.delay = 1.0
            self.simulation.run(moment - 1)
            call.cancel()
            self.simulation.run(2)
            self.assertEqual(call.final, 487, where)
            self.assertEqual(bob.calls[0].final, 487, where)
            self.assertEqual([each.final for each in mail.calls], [487] if where == "mail" else [], where)

    def test_forks(self) -> None:
        """All telephones are cancelled, those that have failed count no more."""
        self.serve_bob("sip:bob@10.0.0.2", "sip:bob@10.0.0.3", "sip:bob@10.0.0.4", **ALL)
        bobs = [self.callee(0, rings), self.callee(1, rejects(404)), self.callee(2, says_trying)]
        self.mail.behaviour = rejects(480)
        call = self.call_bob(self.alice())
        self.assertEqual((call.final, [bob.calls[0].final for bob in bobs]), (480, [487, 404, 487]))

    def test_sequence(self) -> None:
        """Time begins with the first telephone, and ends those that wait."""
        self.serve_bob("sip:bob@10.0.0.2 q=1", "sip:bob@10.0.0.3 q=0.5", SequentialTimeoutInMs="6000", **ALL)
        first, second = self.callee(0, rings), self.callee(1, rings)
        self.call_bob(self.alice())
        self.assert_time(10)
        self.simulation.run(1)
        self.assertEqual((first.calls[0].final, second.calls[0].final, self.reached()), (487, 487, (1, 0)))

    def test_without_unavailable_directive(self) -> None:
        """CallForwardUnavailable Off: who is known and not registered has no address, 480."""
        self.serve(**{**ALL, "CallForwardUnavailable": "Off"})
        self.assertEqual(self.call_bob(self.alice()).final, 480)


class NobodyTests(ForwardingTestCase):
    """Who is known and nowhere to be found, and who is not known."""

    def test_nowhere(self) -> None:
        """480 for a subscriber, or while nobody can tell; 404 for others (RFC 3261 21.4.18, 21.4.5)."""
        self.people(bob={})
        for mode in ("Proxy", "Redirect"):
            self.serve(SIPServerMode=mode)
            alice = self.alice()
            self.assertEqual(self.call_bob(alice).final, 480)
            self.assertEqual(self.call(alice, b"sip:carol@example.com").final, 404)
            self.simulation.people.delay = 1.0
            self.assertEqual(self.call(alice, b"sip:carol@example.com").final, 404)
            self.simulation.people.is_away = True
            self.assertEqual(self.call(alice, b"sip:carol@example.com").final, 480)
            self.begin()
            self.people(bob={})

    def call(self, caller: UserAgent, uri: bytes) -> OutgoingCall:
        """Call somebody, and wait for the end."""
        call = caller.invite(uri)
        self.simulation.run_until(lambda: call.is_over)
        return call
