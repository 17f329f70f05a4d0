"""Accounting of calls through a whole server: which records there are, and what they say."""

from pathlib import Path
from typing import Any

from sipproxy.app import Server
from sipproxy.simulation import OutgoingCall, UserAgent, answers, rejects, rings
from test.accounting.fixtures import Accounts, Packet
from test.scenario.stage import BAD_NETWORK, ScenarioTestCase

START, INTERIM, STOP = "Start", "Interim-Update", "Stop"


class AccountingTests(ScenarioTestCase):
    """Calls and their records.

    @ivar accounts: accounting
    """

    accounts: Accounts | None = None

    def account(self, *contacts: str, **directives: Any) -> Server:
        """Start a server that keeps records of calls to bob, and to carol, who is at 10.0.0.2."""
        static = [f"bob@example.com {contact}" for contact in contacts or ("sip:bob@10.0.0.2",)]
        static.append("carol@example.com sip:carol@10.0.0.2")
        server = self.serve(StaticRegistration=static, AddRecordRoute="On", **directives)
        self.accounts = Accounts(Path(self.mktemp()), self.simulation.clock)
        calls = self.accounts.service.calls
        core = server.sip.core
        core.call_observers = (calls,)
        core._observers = (*core._observers, calls)
        return server

    def end(self) -> None:
        """Let all come to its end; nothing may be left in the spool, and no timer."""
        if self.accounts is not None and self.simulation.servers:
            self.simulation.finish()
            self.assertEqual((self.accounts.service.open_calls, self.accounts.service.waiting), (0, 0))
        super().end()
        if self.accounts is not None:
            self.accounts.service.stopService()
            self.accounts = None

    def packets(self) -> list[Packet]:
        """Give the records that were sent."""
        assert self.accounts is not None
        self.simulation.run(1.0)
        return self.accounts.radius.packets

    def kinds(self) -> list[str]:
        """Give their kinds."""
        return [packet.kind for packet in self.packets()]

    def talk(self, agent: UserAgent, call: OutgoingCall, seconds: float) -> None:
        """Let a call last, and let the caller hang up."""
        self.simulation.run(seconds)
        agent.bye(call.dialog)
        self.simulation.run(1.0)

    def test_call(self) -> None:
        """A call has a Start, an Interim-Update and a Stop, with the time between answer and BYE."""
        self.account()
        self.callee(0)
        alice = self.alice()
        self.talk(alice, self.call_bob(alice), 42.0)
        self.assertEqual(self.kinds(), [START, INTERIM, STOP])
        start, interim, stop = self.packets()
        self.assertEqual(start.text("Called-Station-Id"), "sip:bob@example.com")
        self.assertEqual(start.text("Calling-Station-Id"), "sip:alice@example.com")
        self.assertEqual(start.text("User-Name"), "alice")
        self.assertEqual(start.text("next-hop-ip"), "next-hop-ip=10.0.0.2")
        self.assertEqual(start.text("outgoing-req-uri"), "outgoing-req-uri=sip:bob@10.0.0.2")
        self.assertIsNone(interim.text("Acct-Session-Time"))
        self.assertEqual(stop.text("Acct-Session-Time"), 42)
        self.assertEqual(stop.text("Acct-Terminate-Cause"), "User-Request")
        self.assertEqual(stop.text("h323-disconnect-cause"), "h323-disconnect-cause=10")
        self.assertEqual(len({packet.text("Cisco-AVPair") for packet in (start, interim, stop)}), 1)

    def test_callee_hangs_up(self) -> None:
        """A BYE of the callee's ends the call; caller and called are those of the INVITE."""
        self.account()
        bob = self.callee(0)
        self.call_bob(self.alice())
        self.simulation.run(10.0)
        (dialog,) = bob.dialogs.values()
        bob.bye(dialog)
        self.assertEqual(self.kinds(), [START, INTERIM, STOP])
        stop = self.packets()[-1]
        self.assertEqual(stop.text("Calling-Station-Id"), "sip:alice@example.com")
        self.assertEqual(stop.text("Acct-Session-Time"), 10)

    def test_reinvite(self) -> None:
        """An INVITE within the dialog is no call."""
        self.account()
        self.callee(0)
        alice = self.alice()
        call = self.call_bob(alice)
        self.simulation.run(1.0)
        alice.reinvite(call.dialog)
        self.talk(alice, call, 5.0)
        self.assertEqual(self.kinds(), [START, INTERIM, STOP])

    def test_busy(self) -> None:
        """A call that fails has a Start and a Stop, whose cause is the response's."""
        self.account()
        self.callee(0, rejects(486))
        self.call_bob(self.alice())
        self.assertEqual(self.kinds(), [START, STOP])
        stop = self.packets()[-1]
        self.assertEqual(stop.text("h323-disconnect-cause"), "h323-disconnect-cause=11")
        self.assertEqual(stop.text("Acct-Terminate-Cause"), "User-Error")
        self.assertEqual(stop.text("Acct-Session-Time"), 0)

    def test_cancelled(self) -> None:
        """A call that the caller gives up ends by request."""
        self.account()
        self.callee(0, rings)
        call = self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(3.0)
        call.cancel()
        self.simulation.run_until(lambda: call.is_over)
        self.assertEqual(self.kinds(), [START, STOP])
        stop = self.packets()[-1]
        self.assertEqual(stop.text("h323-disconnect-cause"), "h323-disconnect-cause=10")
        self.assertEqual(stop.text("Acct-Terminate-Cause"), "User-Request")

    def test_timeout(self) -> None:
        """A callee that says nothing is a timeout."""
        self.account()
        self.simulation.host("10.0.0.2")
        self.simulation.endpoint("mute", "10.0.0.2")
        self.call_bob(self.alice())
        self.assertEqual(self.kinds(), [START, STOP])
        stop = self.packets()[-1]
        self.assertEqual(stop.text("Acct-Terminate-Cause"), "NAS-Request")
        self.assertEqual(stop.text("h323-disconnect-cause"), "h323-disconnect-cause=66")

    def test_never_forwarded(self) -> None:
        """An INVITE that goes nowhere has no record."""
        self.account()
        call = self.alice().invite(b"sip:nobody@example.com")
        self.simulation.run_until(lambda: call.is_over)
        self.assertEqual(self.kinds(), [])

    def test_fork(self) -> None:
        """A fork is one call: Start names its first branch, what follows the branch that answered."""
        self.account("sip:bob@10.0.0.2", "sip:bob@10.0.0.3")
        self.callee(0, rings)
        self.callee(1, answers(after=2.0))
        alice = self.alice()
        self.talk(alice, self.call_bob(alice), 5.0)
        self.assertEqual(self.kinds(), [START, INTERIM, STOP])
        hops = [packet.text("next-hop-ip") for packet in self.packets()]
        self.assertEqual(hops, ["next-hop-ip=10.0.0.2", "next-hop-ip=10.0.0.3", "next-hop-ip=10.0.0.3"])

    def test_several_answers(self) -> None:
        """Where both branches of a fork answer, the call ends with the last BYE."""
        self.account("sip:bob@10.0.0.2", "sip:bob@10.0.0.3")
        self.callee(0, answers(after=2.0))
        self.callee(1, answers(after=2.0))
        alice = self.alice()
        call = self.call_bob(alice)
        self.simulation.run(3.0)
        self.assertEqual(len(call.dialogs), 2)
        self.assertEqual(self.kinds(), [START, INTERIM])
        self.talk(alice, call, 20.0)
        self.assertEqual(self.kinds(), [START, INTERIM, STOP])
        self.assertIn(self.packets()[-1].text("Acct-Session-Time"), (24, 25))

    def test_spiral(self) -> None:
        """A request that another proxy sends back here is no other call; its records tell of how it came first."""
        self.account("sip:bob@10.0.0.9")
        self.simulation.server(
            "10.0.0.9", {"AddRecordRoute": "On", "StaticRegistration": "bob@10.0.0.9 sip:carol@192.0.2.1"}
        )
        self.callee(0)
        alice = self.alice()
        self.talk(alice, self.call_bob(alice), 5.0)
        self.assertEqual(self.kinds(), [START, INTERIM, STOP])
        self.assertEqual({packet.text("next-hop-ip") for packet in self.packets()}, {"next-hop-ip=10.0.0.9"})
        self.assertEqual({packet.text("prev-hop-ip") for packet in self.packets()}, {"prev-hop-ip=10.0.0.1"})

    def test_numbers_of_a_bad_network(self) -> None:
        """On a network that loses and doubles datagrams each call has one Start, and one Stop at most an Interim."""
        for seed in range(5):
            self.begin(seed, BAD_NETWORK)
            self.account()
            self.callee(0)
            alice = self.alice()
            call = self.call_bob(alice)
            if call.dialogs:
                self.talk(alice, call, 30.0)
                self.simulation.run(40.0)
                self.assertEqual(self.kinds(), [START, INTERIM, STOP])
                self.assertIn(self.packets()[-1].text("Acct-Session-Time"), range(28, 36))
            self.end()
