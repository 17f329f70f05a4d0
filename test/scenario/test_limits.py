"""Who is let in, how much is taken on, and how it ends: MaxTransactions, AllowFrom, DenyFrom, GracefulStopInS."""

from sipproxy.simulation import answers, rings
from test.scenario.stage import PROXY_ADDRESS, ScenarioTestCase


class TransactionLimitTests(ScenarioTestCase):
    """MaxTransactions."""

    def test_full(self) -> None:
        """Calls above it: 503 with Retry-After; the others go on, and afterwards there is room again."""
        self.serve_bob(MaxTransactions="4")
        self.callee(0, answers(after=5))
        alice = self.alice()
        calls = [alice.invite(b"sip:bob@example.com") for _ in range(4)]
        self.simulation.run(1)
        self.assertEqual([call.final for call in calls], [None, None, 503, 503])
        self.assertEqual(calls[2].responses[-1].header("retry-after"), b"10")
        self.simulation.run(5)
        self.assertEqual([call.final for call in calls], [200, 200, 503, 503])
        self.simulation.run(60)
        self.assertEqual(self.call_bob(alice).final, 200)


class AccessTests(ScenarioTestCase):
    """AllowFrom, DenyFrom and DenySilently."""

    def options(self, **directives: str) -> tuple[list[int], list[int]]:
        """Ask with OPTIONS from 10.0.0.1 and from 10.0.0.2; give the statuses that each got."""
        self.begin()
        self.serve(**directives)
        endpoints = self.wire("one", "two")
        for endpoint in endpoints:
            endpoint.send(endpoint.make_request(b"OPTIONS", b"sip:example.com"), PROXY_ADDRESS)
        self.simulation.run(0.1)
        return endpoints[0].statuses(), endpoints[1].statuses()

    def test_deny(self) -> None:
        """Who is denied gets 403; with DenySilently nothing; DenyFrom comes before AllowFrom."""
        self.assertEqual(self.options(), ([200], [200]))
        self.assertEqual(self.options(DenyFrom="10.0.0.2"), ([200], [403]))
        self.assertEqual(self.options(AllowFrom="10.0.0.0/31"), ([200], [403]))
        self.assertEqual(self.options(AllowFrom="10.0.0.0/8", DenyFrom="10.0.0.2/32"), ([200], [403]))
        self.assertEqual(self.options(DenyFrom="10.0.0.2", DenySilently="On"), ([200], []))

    def test_denied_callee(self) -> None:
        """Responses are not requests: who may not call can be called."""
        self.serve_bob(DenyFrom="10.0.0.2")
        self.callee(0)
        self.assertEqual(self.call_bob(self.alice()).final, 200)

    def test_no_state(self) -> None:
        """A refusal keeps nothing, and its ACK is no news."""
        server = self.serve_bob(DenyFrom="10.0.0.1")
        alice, bob = self.wire("alice", "bob")
        for method in (b"INVITE", b"ACK"):
            request = alice.make_request(method, b"sip:bob@example.com", branch=b"z9hG4bK-1", cseq=b"1 " + method)
            alice.send(request, PROXY_ADDRESS)
            self.simulation.run(1)
        self.assertEqual((alice.statuses(), bob.received, len(server.sip.core.table)), ([403], [], 0))


class StopTests(ScenarioTestCase):
    """GracefulStopInS."""

    def test_graceful(self) -> None:
        """A call that is being set up ends well, a new one is refused, then the ports close."""
        server = self.serve_bob(AddRecordRoute="On")
        self.callee(0, answers(after=3))
        alice = self.alice()
        call = alice.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        stopped = server.stopService()
        refused = alice.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.assertEqual((refused.final, refused.responses[-1].header("retry-after")), (503, b"60"))
        self.assertNoResult(stopped)
        self.simulation.run(3)
        self.assertEqual(call.final, 200)
        self.successResultOf(stopped)
        late = alice.request(b"OPTIONS", b"sip:example.com")
        self.simulation.run(1)
        self.assertEqual(late.failure, "Connection refused")

    def test_talks_go_on(self) -> None:
        """While it waits for others, a BYE still goes through."""
        server = self.serve_bob(AddRecordRoute="On")
        bob = self.callee(0)
        alice = self.alice()
        call = self.call_bob(alice)
        bob.behaviour = rings
        alice.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        server.stopService()
        bye = alice.bye(call.dialog)
        self.simulation.run(1)
        self.assertEqual(bye.final, 200)

    def test_patience_ends(self) -> None:
        """A call that goes on ringing is left alone after GracefulStopInS."""
        server = self.serve_bob(GracefulStopInS="7")
        self.callee(0, rings)
        self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(1)
        stopped = server.stopService()
        self.simulation.run(6.5)
        self.assertNoResult(stopped)
        self.simulation.run(1)
        self.successResultOf(stopped)
        self.assertEqual((len(server.sip.core.table), len(server.sip.core.wheel)), (0, 0))
