"""Forwarded calls that meet something else at the same moment: forks, other wishes, CANCEL, 6xx, redirection."""

from sipproxy.databases.routes import StaticRoute
from sipproxy.simulation import (
    Endpoint,
    IncomingCall,
    answers,
    redirects,
    rejects,
    rings,
)
from test.scenario.stage import BOB, PROXY_ADDRESS
from test.scenario.test_call_forward import ALL, DESK, MAIL, ForwardingTestCase

CAROL = "carol@example.com sip:carol@10.0.0.4"
DAVE = "dave@example.com sip:dave@10.0.0.5"


class LookingTests(ForwardingTestCase):
    """Where a wish leads takes time to find out, and meanwhile things happen."""

    def two(self) -> None:
        """Let bob be called at carol and dave, who wish their busy calls elsewhere."""
        self.people(carol={"busy": "sip:cbox@example.com"}, dave={"busy": "sip:dbox@example.com"})
        self.serve(
            StaticRegistration=[
                "bob@example.com sip:carol@example.com",
                "bob@example.com sip:dave@example.com",
                CAROL,
                DAVE,
                "cbox@example.com sip:cbox@10.0.0.6",
                "dbox@example.com sip:dbox@10.0.0.7",
            ],
            **ALL,
        )

    def slow(self, seconds: float = 1.0) -> None:
        """Let the subscriber database take its time from now on."""
        self.simulation.people.delay = seconds

    def test_both_busy(self) -> None:
        """The second one is busy while it is found out where the calls of the first go: both wishes count."""
        self.two()
        self.at("10.0.0.4", b"carol", rejects(486, after=2.0))
        self.at("10.0.0.5", b"dave", rejects(486, after=2.5))
        first, second = self.at("10.0.0.6", b"cbox", rings), self.at("10.0.0.7", b"dbox", answers(after=3.0))
        call = self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.slow()
        self.simulation.run_until(lambda: call.is_over)
        self.simulation.run(1)
        self.assertEqual((call.final, len(first.calls), len(second.calls)), (200, 1, 1))

    def test_both_busy_at_once(self) -> None:
        """Neither lookup ends the call while the other one lasts."""
        self.two()
        self.at("10.0.0.4", b"carol", rejects(486, after=2.0))
        self.at("10.0.0.5", b"dave", rejects(486, after=2.5))
        self.at("10.0.0.6", b"cbox", rejects(404))
        second = self.at("10.0.0.7", b"dbox", answers())
        call = self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.slow()
        self.simulation.run_until(lambda: call.is_over)
        self.simulation.run(5)
        self.assertEqual((call.final, len(second.calls)), (200, 1))

    def test_outer_time_is_up(self) -> None:
        """Time is up for bob while carol's wish is looked up: hers counts no more."""
        self.people(bob={"no_answer": MAIL}, carol={"busy": "sip:cbox@example.com"})
        self.serve(
            StaticRegistration=["bob@example.com sip:carol@example.com", CAROL, "cbox@example.com sip:c@10.0.0.6"],
            **ALL,
        )
        self.at("10.0.0.4", b"carol", rejects(486, after=9.5, ringing=0.0))
        box, mail = self.at("10.0.0.6", b"cbox", rings), self.at("10.0.0.9", b"mail", answers(after=1.0))
        call = self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.slow()
        self.simulation.run_until(lambda: call.is_over)
        self.simulation.run(5)
        self.assertEqual((call.final, len(mail.calls), len(box.calls)), (200, 1, 0))

    def test_cancel(self) -> None:
        """A caller who gives up meanwhile is answered at once, and nobody is called."""
        self.people(bob={"busy": "sip:cbox@example.com"})
        self.serve_bob("sip:bob@10.0.0.2", **ALL)
        self.callee(0, rejects(486, after=2.0))
        call = self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.slow(20.0)
        self.simulation.run(2)
        call.cancel()
        self.simulation.run(1)
        self.assertEqual(call.final, 487)

    def test_answered(self) -> None:
        """Another telephone answers while it is found out where carol's calls go: nobody else is called."""
        self.two()
        self.at("10.0.0.4", b"carol", rejects(486, after=2.0))
        self.at("10.0.0.5", b"dave", answers(after=2.5))
        box = self.at("10.0.0.6", b"cbox", rings)
        call = self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.slow()
        self.simulation.run(5)
        self.assertEqual((call.final, len(box.calls)), (200, 0))

    def test_declined(self) -> None:
        """Another telephone answers 603 meanwhile: nobody else is called."""
        self.two()
        self.at("10.0.0.4", b"carol", rejects(486, after=2.0))
        self.at("10.0.0.5", b"dave", rejects(603, after=2.5))
        box = self.at("10.0.0.6", b"cbox", rings)
        call = self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.slow()
        self.simulation.run(5)
        self.assertEqual((call.final, len(box.calls)), (603, 0))

    def test_redirected_and_answered(self) -> None:
        """A telephone answers while it is found out where another one's 302 leads: nobody else is called (16.7)."""
        self.people(carol={}, dave={})
        for behaviour, final in ((answers(after=2.5), 200), (rejects(603, after=2.5), 603)):
            self.serve(
                StaticRegistration=[
                    "bob@example.com sip:x@10.0.0.2",
                    "bob@example.com sip:y@10.0.0.3",
                    CAROL,
                ],
                Recursive="On",
                **ALL,
            )
            self.callee(0, behaviour)

            def send_away(call: IncomingCall) -> None:
                call.later(2.0, lambda: call.redirect(b"<sip:carol@example.com>"))

            second, carol = self.callee(1, send_away), self.at("10.0.0.4", b"carol", rings)
            call = self.alice().invite(b"sip:bob@example.com")
            self.simulation.run(1)
            self.slow()
            self.simulation.run(5)
            cancels = [each for each in self.simulation.network.transcript if b"CANCEL" in each.data[:6]]
            self.assertEqual((call.final, len(carol.calls), cancels), (final, 0, []))
            self.assertEqual(len(second.calls), 1)
            self.begin()
            self.people(carol={}, dave={})


class GivenUpTests(ForwardingTestCase):
    """What a telephone says that was given up for a wish."""

    def setUp(self) -> None:
        """Bob wishes unanswered calls in his mailbox."""
        super().setUp()
        self.people(bob={"no_answer": MAIL})

    def crossing(self, status: int, *headers: bytes) -> tuple[Endpoint, Endpoint, list[int]]:
        """Let bob's telephone answer just when it is cancelled; then the mailbox answers."""
        self.serve_bob(**ALL, Recursive="On")
        alice, bob = self.wire("alice", "bob")
        mail, other = self.simulation.endpoint("mail", "10.0.0.9"), self.simulation.endpoint("other", "10.0.0.7")
        alice.send(alice.make_request(b"INVITE", b"sip:bob@example.com"), PROXY_ADDRESS)
        self.simulation.run(0.1)
        bob.respond(bob.requests(b"INVITE")[0], 180)
        self.simulation.run(10)
        self.assertEqual(len(mail.requests(b"INVITE")), 1)
        self.assertEqual(len(bob.requests(b"CANCEL")), 1)
        bob.respond(bob.requests(b"INVITE")[0], status, *headers)
        self.simulation.run(0.1)
        if mail.requests(b"CANCEL"):
            return other, mail, alice.statuses()
        mail.respond(mail.requests(b"INVITE")[0], 200, b"Contact: <sip:mail@10.0.0.9>")
        self.simulation.run(0.1)
        return other, mail, alice.statuses()

    def test_redirects(self) -> None:
        """Its 302 leads nowhere any more."""
        other, _, statuses = self.crossing(302, b"Contact: <sip:bob@10.0.0.7>")
        self.assertEqual((other.requests(), statuses), ([], [100, 180, 200]))

    def test_declines(self) -> None:
        """Its 603 does not end the call, which is the mailbox's already."""
        _, mail, statuses = self.crossing(603)
        self.assertEqual((mail.requests(b"CANCEL"), statuses), ([], [100, 180, 200]))

    def test_fails(self) -> None:
        """Its 500 says nothing."""
        _, _, statuses = self.crossing(500)
        self.assertEqual(statuses, [100, 180, 200])

    def test_silent_after_cancel(self) -> None:
        """A telephone that says nothing to the CANCEL does not hold up the wishes of others."""
        self.people(bob={"busy": DESK}, carol={"no_answer": MAIL})
        self.serve(StaticRegistration=["bob@example.com sip:carol@example.com", CAROL], **ALL)
        alice = self.alice()
        self.at("10.0.0.9", b"mail", rejects(486))
        desk = self.at("10.0.0.8", b"desk", answers())
        carol = self.simulation.endpoint("carol", "10.0.0.4")
        call = alice.invite(b"sip:bob@example.com")
        self.simulation.run(0.1)
        carol.respond(carol.requests(b"INVITE")[0], 180)
        self.simulation.run(12)
        self.assertEqual((call.final, len(desk.calls)), (200, 1))


class OrderTests(ForwardingTestCase):
    """Contacts of lower q wait their turn."""

    def test_redirected_nowhere(self) -> None:
        """A 302 that leads nowhere new does not start those that wait while another one rings."""
        self.serve_bob("sip:bob@10.0.0.2 q=1", "sip:bob@10.0.0.3 q=1", "sip:bob@10.0.0.4 q=0.5", Recursive="On")
        self.callee(0, rings)
        self.callee(1, redirects(b"<sip:bob@10.0.0.2>"))
        third = self.callee(2, rings)
        self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(2)
        self.assertEqual(third.calls, [])


class RedirectServerTests(ForwardingTestCase):
    """A redirect server names what there is."""

    def test_one_of_two_unknown(self) -> None:
        """A contact that leads nowhere is left out where there is another one."""
        for delay in (0.0, 1.0):
            self.serve(
                StaticRegistration=["bob@example.com sip:nobody@example.com", "bob@example.com sip:bob@10.0.0.2"],
                SIPServerMode="Redirect",
                **ALL,
            )
            self.simulation.people.delay = delay
            call = self.call_bob(self.alice())
            self.assertEqual((call.final, call.responses[-1].values("contact")), (302, [b"<sip:bob@10.0.0.2>"]))
            self.begin()

    def test_two_numbers(self) -> None:
        """Two numbers with a route each are two contacts, so each has a q."""
        server = self.serve(
            StaticRegistration=["bob@example.com sip:5551@example.com", "bob@example.com sip:5552@example.com q=0.5"],
            SIPServerMode="Redirect",
        )
        self.simulation.run(0.1)
        route = StaticRoute("E164", "555.", "10.0.0.2", 5070, 1, 1, "udp", "", "database")
        self.successResultOf(server.parts.routes.add(route))
        call = self.call_bob(self.alice())
        self.assertEqual(
            (call.final, call.responses[-1].values("contact")),
            (300, [b"<sip:5551@10.0.0.2:5070>;q=1", b"<sip:5552@10.0.0.2:5070>;q=0.5"]),
        )


class TelephoneNumberTests(ForwardingTestCase):
    """A tel: URI is a number at our domain, wherever it comes from."""

    def number(self) -> None:
        """Let a number have a telephone."""
        self.serve(
            StaticRegistration=[
                "5551@example.com sip:x@10.0.0.4",
                "bob@example.com tel:555-1",
                f"carol@example.com sip:carol@{BOB}",
            ],
            Recursive="On",
            **ALL,
        )
        self.phone = self.at("10.0.0.4", b"x")

    def test_contact(self) -> None:
        """A contact."""
        self.number()
        self.assertEqual((self.call_bob(self.alice()).final, len(self.phone.calls)), (200, 1))

    def test_redirected(self) -> None:
        """The Contact of a 302."""
        self.number()
        self.callee(0, redirects(b"<tel:555-1>"))
        call = self.alice().invite(b"sip:carol@example.com")
        self.simulation.run(1)
        self.assertEqual((call.final, self.phone.calls[0].request.max_forwards), (200, 68))

    def test_caller(self) -> None:
        """From and To may be tel: URIs, and those who forward the call are called as they were."""
        self.people(**{"5551": {"busy": MAIL}})
        self.number()
        self.phone.behaviour = rejects(486)
        mail = self.at("10.0.0.9", b"mail", answers())
        (caller,) = self.wire("caller")
        caller.send(
            caller.make_request(
                b"INVITE",
                b"tel:555-1;npdi",
                b"Contact: <sip:a@10.0.0.1>",
                from_=b"<tel:+1-408-1>;tag=a",
                to=b"<tel:555-1>",
            ),
            PROXY_ADDRESS,
        )
        self.simulation.run(1)
        self.assertEqual(caller.statuses()[-1], 200)
        self.assertEqual(self.headers(mail), [b"<sip:5551;npdi@example.com;user=phone>;reason=user-busy;counter=1"])


class LimitTests(ForwardingTestCase):
    """Forwarding within Max-Breadth, Max-Forwards, MaxForks and the modes of forking."""

    def setUp(self) -> None:
        """Bob has two telephones; busy calls of his go to carol, who has two as well."""
        super().setUp()
        self.people(bob={"busy": "sip:carol@example.com"}, carol={"busy": MAIL})
        self.registered = [
            "bob@example.com sip:bob@10.0.0.2",
            "bob@example.com sip:bob@10.0.0.3",
            "carol@example.com sip:carol@10.0.0.4 q=0.5",
            "carol@example.com sip:carol@10.0.0.5",
        ]

    def reached(self, *headers: bytes, **directives: str) -> list[int]:
        """Call bob where all are busy; give the final status, and how many calls each telephone got."""
        self.serve(StaticRegistration=self.registered, **ALL, **directives)
        mail = self.at("10.0.0.9", b"mail", answers())
        telephones = [self.callee(number, rejects(486)) for number in range(4)]
        call = self.alice().invite(b"sip:bob@example.com", *headers)
        self.simulation.run_until(lambda: call.is_over)
        final = call.final
        assert final is not None
        return [final, *(len(each.calls) for each in telephones), len(mail.calls)]

    def test_all(self) -> None:
        """Everybody is tried."""
        self.assertEqual(self.reached(), [200, 1, 1, 1, 1, 1])

    def test_max_breadth(self) -> None:
        """One at a time is as good."""
        self.assertEqual(self.reached(b"Max-Breadth: 1"), [200, 1, 1, 1, 1, 1])

    def test_max_forks(self) -> None:
        """What is wished comes beyond MaxForks, as something must be tried in the place of the others."""
        self.assertEqual(self.reached(MaxForks="1"), [200, 1, 0, 1, 1, 1])

    def test_sequential(self) -> None:
        """One after the other."""
        self.assertEqual(self.reached(ForkingMode="Sequential"), [200, 1, 1, 1, 1, 1])

    def test_one_only(self) -> None:
        """ForkingMode Off: the best contact of each."""
        final, first, second, *others = self.reached(ForkingMode="Off")
        self.assertEqual((final, first + second, others), (200, 1, [0, 1, 1]))

    def test_max_forwards(self) -> None:
        """Each time it is forwarded takes one; without any left nobody is called: 483."""
        self.serve(StaticRegistration=self.registered, **ALL)
        for number in range(4):
            self.callee(number, rejects(486))
        (alice,) = self.wire("alice")
        mail = self.at("10.0.0.9", b"mail", answers())
        for hops, final in ((1, 483), (2, 200)):
            alice.received.clear()
            request = alice.make_request(
                b"INVITE", b"sip:bob@example.com", b"Contact: <sip:alice@10.0.0.1>", max_forwards=hops
            )
            alice.send(request, PROXY_ADDRESS)
            self.simulation.run(40)
            self.assertEqual(alice.statuses()[-1], final, hops)
        self.assertEqual(mail.calls[-1].request.max_forwards, 0)

    def test_preferences(self) -> None:
        """Who asks for redirection is called all the same where a call is forwarded: its caller knows no better."""
        self.registered[2:] = ["carol@example.com sip:carol@10.0.0.4 action=redirect"]
        self.assertEqual(self.reached(UseCallerPreferences="On"), [200, 1, 1, 1, 0, 1])
