"""Tests of server transactions by RFC 3261 17.2 and RFC 6026."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.transaction import TimerValues, machines
from test.transaction.fixtures import Layer


def answer(status: int) -> bytes:
    """Give a response; the machine does not look inside."""
    return f"SIP/2.0 {status} x\r\n\r\n".encode()


class InviteServerTests(SynchronousTestCase):
    """Figure 7 of RFC 6026."""

    def setUp(self) -> None:
        """Receive an INVITE."""
        self.layer = Layer()
        self.server = self.layer.server()

    def respond(self, *statuses: int) -> None:
        """Answer."""
        for status in statuses:
            self.server.respond(status, answer(status))

    def test_retransmission_gets_the_last_provisional(self) -> None:
        """17.2.1: in Proceeding a retransmission is answered with the most recent provisional response."""
        self.server.receive_again()
        self.respond(100, 180)
        self.server.receive_again()
        self.assertEqual(self.layer.wire.starts(), ["100", "180", "180"])

    def test_timer_g(self) -> None:
        """17.2.1: a failure is resent at T1 doubling to T2 until timer H, and then the user is told."""
        self.respond(486)
        self.layer.pass_time(33)
        self.assertEqual(self.layer.wire.times, [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5])
        self.assertEqual((self.layer.told.heard, len(self.layer.table)), (["unacknowledged"], 0))

    def test_ack(self) -> None:
        """17.2.1: the ACK stops timer G; timer I absorbs further ones."""
        self.respond(486)
        self.server.receive_ack()
        self.server.receive_ack()
        self.server.receive_again()
        self.layer.pass_time(4.9)
        self.assertEqual((self.layer.wire.starts(), self.server.state), (["486"], machines.CONFIRMED))
        self.layer.pass_time(0.2)
        self.assertEqual((len(self.layer.table), len(self.layer.wheel)), (0, 0))

    def test_accepted(self) -> None:
        """RFC 6026 7.1: retransmissions are absorbed, each 2xx of the user is sent, timer L ends it."""
        self.respond(200)
        self.server.receive_again()
        self.respond(200, 486, 180)
        self.assertEqual((self.layer.wire.starts(), self.server.state), (["200", "200"], machines.ACCEPTED))
        self.layer.pass_time(32.1)
        self.assertEqual((self.layer.told.heard, len(self.layer.table), len(self.layer.wheel)), ([], 0, 0))

    def test_one_failure_only(self) -> None:
        """17.2.1: any other final response of the user is discarded in Completed."""
        self.respond(486, 404, 200)
        self.assertEqual(self.layer.wire.starts(), ["486"])


class NonInviteServerTests(SynchronousTestCase):
    """Figure 8 of RFC 3261."""

    def test_trying_discards(self) -> None:
        """17.2.2: in Trying a retransmission is discarded."""
        layer = Layer()
        layer.server("BYE").receive_again()
        self.assertEqual(layer.wire.sent, [])

    def test_completed(self) -> None:
        """17.2.2: the final response is resent for each retransmission, until timer J."""
        layer = Layer(values=TimerValues(t1=0.1))
        server = layer.server("BYE")
        server.respond(200, answer(200))
        server.receive_again()
        server.respond(500, answer(500))
        self.assertEqual(layer.wire.starts(), ["200", "200"])
        layer.pass_time(6.5)
        self.assertEqual((len(layer.table), len(layer.wheel)), (0, 0))

    def test_abandon(self) -> None:
        """RFC 4320 4.2: a request that nobody answers ends in silence."""
        layer = Layer()
        layer.server("BYE").abandon()
        self.assertEqual((layer.wire.sent, len(layer.table)), ([], 0))


class ServerPropertyTests(SynchronousTestCase):
    """Whatever comes in whatever order."""

    @given(
        st.sampled_from(["INVITE", "BYE"]),
        st.lists(st.sampled_from([100, 180, 200, 302, 486, 603, "again", "ack", "wait"]), max_size=8),
    )
    def test_any_inputs(self, method: str, inputs: list[int | str]) -> None:
        """Every input has a declared outcome; one final response is sent but for 2xx; nothing is left in the end."""
        layer = Layer(values=TimerValues(0.1, 0.4, 0.5))
        server = layer.server(method)
        for what in inputs:
            if server.state == machines.TERMINATED:
                break
            if what == "again":
                server.receive_again()
            elif what == "ack" and method == "INVITE" and server.state != machines.ACCEPTED:
                server.receive_ack()
            elif what == "wait":
                layer.pass_time(0.3)
            elif isinstance(what, int):
                server.respond(what, answer(what))
        self.assertLessEqual(len({start for start in layer.wire.starts() if start >= "200"}), 1)
        layer.pass_time(7)
        if any(isinstance(what, int) and what >= 200 for what in inputs):
            self.assertEqual((len(layer.table), len(layer.wheel)), (0, 0))

    def test_tables_are_closed(self) -> None:
        """Every response of the user and every retransmission has a row in every state."""
        for table in (machines.INVITE_SERVER, machines.NON_INVITE_SERVER):
            states = {state for state, _ in table}
            inputs = (machines.PROVISIONAL, machines.SUCCESS, machines.FAILURE, machines.REQUEST)
            self.assertEqual([pair for pair in product(states, inputs) if pair not in table], [])
