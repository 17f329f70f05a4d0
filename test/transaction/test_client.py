"""Tests of client transactions by RFC 3261 17.1 and RFC 6026."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.message import Request, parse_message
from sipproxy.transaction import machines
from test.transaction.fixtures import Layer, response


class InviteClientTests(SynchronousTestCase):
    """Figure 5 of RFC 6026."""

    def setUp(self) -> None:
        """Send an INVITE."""
        self.layer = Layer()
        self.client = self.layer.client(extra="Route: <sip:p.example.org;lr>\r\n")

    def test_timer_a_and_b(self) -> None:
        """17.1.1.2: sent seven times at doubling intervals, then a timeout at 64*T1."""
        self.layer.pass_time(33)
        self.assertEqual(self.layer.wire.times, [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5])
        self.assertEqual(self.layer.told.heard, ["timeout"])
        self.assertEqual((len(self.layer.table), len(self.layer.wheel)), (0, 0))

    def test_provisional_stops_resending(self) -> None:
        """17.1.1.2: in Proceeding nothing is resent, and there is no timer B."""
        self.client.receive(response(180))
        self.layer.pass_time(100)
        self.assertEqual((self.layer.wire.times, self.layer.told.heard), ([0], [180]))
        self.assertEqual(self.client.state, machines.PROCEEDING)

    def test_failure_is_acknowledged(self) -> None:
        """17.1.1.3: the ACK has the INVITE's Via, Route and Request-URI, and the response's To; each copy again."""
        self.client.receive(response(486))
        self.client.receive(response(486))
        self.assertEqual(self.layer.wire.starts(), ["INVITE", "ACK", "ACK"])
        self.assertEqual(self.layer.told.heard, [486])
        ack = parse_message(self.layer.wire.sent[1])
        assert isinstance(ack, Request)
        self.assertEqual(ack.headers("via"), [b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa"])
        self.assertEqual(ack.headers("route"), [b"<sip:p.example.org;lr>"])
        self.assertEqual((ack.uri, ack.to.tag, ack.cseq), (b"sip:b@example.org", b"2", (7, b"ACK")))
        self.layer.pass_time(31.9)
        self.assertEqual(self.client.state, machines.COMPLETED)
        self.layer.pass_time(0.2)
        self.assertEqual((self.client.state, len(self.layer.table)), (machines.TERMINATED, 0))

    def test_every_2xx_goes_up(self) -> None:
        """RFC 6026 7.2: in Accepted each 2xx is passed up and none acknowledged, until timer M."""
        self.client.receive(response(200))
        self.client.receive(response(200, tag="3"))
        self.client.receive(response(180))
        self.assertEqual((self.layer.told.heard, self.layer.wire.starts()), ([200, 200], ["INVITE"]))
        self.layer.pass_time(32.1)
        self.assertEqual((len(self.layer.table), len(self.layer.wheel)), (0, 0))

    def test_transport_error(self) -> None:
        """17.1.4: the user is told at once and the transaction is over."""
        self.layer.table.failed(self.layer.wire.sent[0][:200], "refused")
        self.assertEqual((self.layer.told.heard, len(self.layer.table)), (["refused"], 0))

    def test_cancel(self) -> None:
        """9.1: the CANCEL has the branch, Route, Call-ID, From and To of its INVITE, and one Via."""
        cancel = parse_message(self.client.cancel_bytes())
        assert isinstance(cancel, Request)
        self.assertEqual((cancel.method, cancel.cseq), (b"CANCEL", (7, b"CANCEL")))
        self.assertEqual(cancel.via.branch, b"z9hG4bKa")
        self.assertEqual((cancel.to.tag, cancel.headers("route")), (b"", [b"<sip:p.example.org;lr>"]))

    def test_stop_resending(self) -> None:
        """A transaction that is given up resends nothing but hears what comes, and times out."""
        self.client.stop_resending()
        self.layer.pass_time(10)
        self.assertEqual(self.layer.wire.times, [0])
        self.layer.pass_time(23)
        self.assertEqual(self.layer.told.heard, ["timeout"])


class NonInviteClientTests(SynchronousTestCase):
    """Figure 6 of RFC 3261."""

    def setUp(self) -> None:
        """Send a MESSAGE."""
        self.layer = Layer()
        self.client = self.layer.client("MESSAGE")

    def test_timer_e_and_f(self) -> None:
        """17.1.2.2: intervals double up to T2; timer F ends it at 64*T1."""
        self.layer.pass_time(33)
        self.assertEqual(self.layer.wire.times, [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5])
        self.assertEqual((self.layer.told.heard, len(self.layer.table)), (["timeout"], 0))

    def test_provisional_slows_down(self) -> None:
        """17.1.2.2: in Proceeding it is resent every T2."""
        self.client.receive(response(183, "MESSAGE"))
        self.layer.pass_time(10)
        self.assertEqual(self.layer.wire.times, [0, 0.5, 4.5, 8.5])

    def test_completed(self) -> None:
        """17.1.2.2: further responses are absorbed for T4."""
        self.client.receive(response(200, "MESSAGE"))
        self.client.receive(response(404, "MESSAGE"))
        self.assertEqual((self.layer.told.heard, self.client.state), ([200], machines.COMPLETED))
        self.layer.pass_time(5.1)
        self.assertEqual((len(self.layer.table), len(self.layer.wheel)), (0, 0))


INPUTS = ("100", "180", "200", "486", "error", "wait")


class ClientPropertyTests(SynchronousTestCase):
    """Whatever comes in whatever order."""

    @given(st.sampled_from(["INVITE", "MESSAGE"]), st.lists(st.sampled_from(INPUTS), max_size=8))
    def test_any_inputs(self, method: str, inputs: list[str]) -> None:
        """Every input has a declared outcome, one final response but 2xx goes up, and nothing is left in the end."""
        layer = Layer()
        client = layer.client(method)
        for what in inputs:
            if what == "wait":
                layer.pass_time(1)
            elif client.state == machines.TERMINATED:
                break
            elif what == "error":
                client.transport_error("refused")
            else:
                client.receive(response(int(what), method))
        finals = [told for told in layer.told.heard if told not in (100, 180)]
        if method == "MESSAGE" or 200 not in finals:
            self.assertLessEqual(len(finals), 1)
        else:
            self.assertEqual(set(finals), {200})
        client.stop_resending()
        layer.clock.advance(0.02)
        layer.pass_time(33)
        if client.state != machines.PROCEEDING:  # of an INVITE: timer C is the user's
            self.assertEqual((len(layer.table), len(layer.wheel)), (0, 0))

    def test_tables_are_closed(self) -> None:
        """Every response and transport error has a row in every state that a client transaction can be in."""
        for table in (machines.INVITE_CLIENT, machines.NON_INVITE_CLIENT):
            states = {state for state, _ in table}
            inputs = (machines.PROVISIONAL, machines.SUCCESS, machines.FAILURE, machines.TRANSPORT_ERROR)
            self.assertEqual([pair for pair in product(states, inputs) if pair not in table], [])
