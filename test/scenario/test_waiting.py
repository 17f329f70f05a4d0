"""How long the proxy waits, and what it does then (RFC 3261 16.6 to 16.9, RFC 3263 4.3)."""

from sipproxy.simulation import Behaviour, IncomingCall, OutgoingCall, answers, rejects, rings, says_trying
from test.scenario.stage import PROXY_ADDRESS, ScenarioTestCase


class RingingTests(ScenarioTestCase):
    """An INVITE that nobody ends."""

    def call(self, behaviour: Behaviour | None, *headers: bytes, **directives: str) -> OutgoingCall:
        """Call bob, and wait for the end."""
        self.begin()
        self.serve_bob(**directives)
        if behaviour is not None:
            self.callee(0, behaviour)
        return self.call_bob(self.alice(), *headers)

    def test_timer_c(self) -> None:
        """Timer C cancels a branch that rings for too long; the caller is told 408."""
        call = self.call(rings)
        self.assertEqual(call.statuses, [100, 180, 408])
        self.assert_time(185)

    def test_timer_c_is_reset(self) -> None:
        """Each provisional response but 100 gives it new life (16.7 item 2)."""

        def rings_again(call: IncomingCall) -> None:
            call.ring()
            call.later(100, call.ring)
            call.later(200, call.ring)

        call = self.call(rings_again)
        self.assertEqual(call.statuses, [100, 180, 180, 180, 408])
        self.assert_time(385)

    def test_only_100(self) -> None:
        """A 100 does not reset it."""
        call = self.call(says_trying)
        self.assertEqual(call.statuses, [100, 408])
        self.assert_time(185)

    def test_silence(self) -> None:
        """Nothing at all: timer B, 408 after 64*T1."""
        call = self.call(None)
        self.assertEqual(call.statuses, [100, 408])
        self.assert_time(32)

    def test_expires(self) -> None:
        """An INVITE's Expires is the caller's patience, counted from the first moment (13.3.1)."""
        for behaviour, statuses in ((rings, [100, 180, 408]), (says_trying, [100, 408]), (None, [100, 408])):
            call = self.call(behaviour, b"Expires: 20")
            self.assertEqual(call.statuses, statuses)
            self.assert_time(20)

    def test_expires_in_time(self) -> None:
        """It does not touch a call that was answered."""
        call = self.call(answers(after=19), b"Expires: 20")
        self.simulation.run(60)
        self.assertEqual((call.final, call.dialog.ended), (200, False))

    def test_short_timers(self) -> None:
        """T1 of the configuration counts for timer B."""
        call = self.call(None, SIPT1InMs="100")
        self.assertEqual(call.final, 408)
        self.assert_time(6.4)

    def test_late_ringing(self) -> None:
        """A telephone that rings when it was given up already is cancelled."""

        def rings_late(call: IncomingCall) -> None:
            call.later(25, call.ring)

        self.serve_bob()
        bob = self.callee(0, rings_late)
        bob.says_trying = False
        self.assertEqual(self.call_bob(self.alice(), b"Expires: 20").final, 408)
        self.simulation.run(10)
        self.assertEqual(bob.calls[0].final, 487)


class SequenceTests(ScenarioTestCase):
    """SequentialTimeoutInMs."""

    def test_next_group(self) -> None:
        """Contacts that ring for too long are cancelled, and those of lower q are called."""
        self.serve_bob(
            "sip:bob@10.0.0.2 q=0.9", "sip:bob@10.0.0.3 q=0.9", "sip:bob@10.0.0.4 q=0.1", SequentialTimeoutInMs="10000"
        )
        bobs = [self.callee(0, rings), self.callee(1, says_trying), self.callee(2)]
        call = self.call_bob(self.alice())
        self.assertEqual(call.final, 200)
        self.assert_time(10)
        self.assertEqual([bob.calls[0].final for bob in bobs], [487, 487, 200])

    def test_last_group(self) -> None:
        """The last ones may ring until timer C."""
        self.serve_bob("sip:bob@10.0.0.2 q=0.9", "sip:bob@10.0.0.3 q=0.1", SequentialTimeoutInMs="10000")
        self.callee(0, rings)
        self.callee(1, rings)
        call = self.call_bob(self.alice())
        self.assertEqual(call.final, 408)
        self.assert_time(195)

    def test_silent_first(self) -> None:
        """A contact from which nothing at all came hinders no one for longer than that either."""
        self.serve_bob("sip:bob@10.0.0.2 q=0.9", "sip:bob@10.0.0.3 q=0.1", SequentialTimeoutInMs="10000")
        second = self.callee(1)
        call = self.call_bob(self.alice())
        self.assertEqual((call.final, len(second.calls)), (200, 1))
        self.assert_time(10)


class NextHopTests(ScenarioTestCase):
    """A host with several addresses."""

    def call(self, addresses: int, **directives: str) -> OutgoingCall:
        """Call bob, whose host has so many addresses."""
        self.serve_bob("sip:bob@gateway.example.net", **directives)
        self.simulation.names.known = {"gateway.example.net": [f"10.0.0.{2 + at}" for at in range(addresses)]}
        return self.call_bob(self.alice())

    def test_silent(self) -> None:
        """One that says nothing is left after NextHopTimeoutInMs."""
        second = self.callee(1)
        call = self.call(2)
        self.assertEqual((call.final, len(second.calls)), (200, 1))
        self.assert_time(4)

    def test_timeout_of_the_configuration(self) -> None:
        """NextHopTimeoutInMs is obeyed."""
        self.callee(1)
        self.assertEqual(self.call(2, NextHopTimeoutInMs="700").final, 200)
        self.assert_time(0.7)

    def test_refused(self) -> None:
        """One that refuses by ICMP is left at once."""
        self.simulation.host("10.0.0.2")
        self.callee(1)
        self.assertEqual(self.call(2).final, 200)
        self.assertLess(self.simulation.clock.seconds(), 0.1)

    def test_unavailable(self) -> None:
        """One that answers 503 is left at once (RFC 3263 4.3); other failures are the callee's word."""
        first, second = self.callee(0, rejects(503)), self.callee(1)
        self.assertEqual(self.call(2).final, 200)
        self.assertEqual((len(first.calls), len(second.calls)), (1, 1))
        second.behaviour = rejects(500)
        first.behaviour = rejects(486)
        self.assertEqual(
            self.call_bob(self.simulation.agent(b"sip:carol@example.com", "10.0.0.9", "192.0.2.1")).final, 486
        )
        self.assertEqual(len(second.calls), 1)

    def test_100_is_life(self) -> None:
        """One that has said 100 is not left."""
        first, second = self.callee(0, answers(after=6, ringing=None)), self.callee(1)
        self.assertEqual(self.call(2).final, 200)
        self.assertEqual((len(first.calls), len(second.calls)), (1, 0))

    def test_all_refuse(self) -> None:
        """All refuse: nobody was reached, 503."""
        for address in ("10.0.0.2", "10.0.0.3"):
            self.simulation.host(address)
        self.assertEqual(self.call(2).statuses[-1], 503)

    def test_last_is_silent(self) -> None:
        """The last one has all the time of timer B."""
        self.assertEqual(self.call(2).statuses, [100, 408])
        self.assert_time(36)

    def test_late_answer(self) -> None:
        """A hop that was left and answers after all: its 2xx goes upstream, the hop that rings now is cancelled."""
        first, second = self.callee(0, answers(after=4.5, ringing=None)), self.callee(1, answers(after=2.0))
        first.says_trying = False
        call = self.call(2)
        self.simulation.run(10)
        self.assertEqual(call.statuses, [100, 180, 200])
        self.assertEqual((first.calls[0].acknowledged, second.calls[0].final), (True, 487))

    def test_late_ringing(self) -> None:
        """A hop that was left and rings after all is cancelled."""

        def rings_late(call: IncomingCall) -> None:
            call.later(4.5, call.ring)

        first = self.callee(0, rings_late)
        first.says_trying = False
        second = self.callee(1, answers(after=2.0))
        call = self.call(2)
        self.simulation.run(10)
        self.assertEqual((call.statuses.count(200), first.calls[0].final, second.calls[0].final), (1, 487, 200))

    def test_refusal_after_ringing(self) -> None:
        """An ICMP error of a host that has already answered ends nothing."""
        self.serve_bob()
        alice, bob = self.wire("alice", "bob")
        alice.send(alice.make_request(b"INVITE", b"sip:bob@example.com"), PROXY_ADDRESS)
        self.simulation.run(0.1)
        (invite,) = bob.requests()
        bob.respond(invite, 180)
        self.simulation.run(0.1)
        bob.port.stop()
        self.simulation.run(5)
        self.assertEqual(alice.statuses(), [100, 180])
