"""Every request comes to its end: answered, and nothing kept, whatever the next hop makes of it."""

from itertools import product

from sipproxy.message import Request, make_response, parse_message
from test.scenario.stage import PROXY_ADDRESS, WireTestCase

INVITE = {"branch": b"z9hG4bK-1", "call_id": b"c", "cseq": b"1 INVITE"}


class BadResponseTests(WireTestCase):
    """Responses that cannot be passed on."""

    def test_unbalanced_via(self) -> None:
        """A response whose Vias cannot be told apart is dropped; the proper one that follows counts."""
        for status, form in product((200, 486), (b"Via: %b, %b, <", b"Via: %b\r\nVia: %b, <", b"v: %b\r\nv: %b, <")):
            self.open()
            self.ask(b"INVITE", **INVITE)
            (received,) = self.called.requests()
            message = received.message
            assert message is not None
            vias = form % tuple(message.headers("via"))
            rest = b"\r\n".join(message.lines[2:]).replace(b"To: <sip:bob@example.com>", b"To: <sip:b>;tag=b")
            self.called.send(b"SIP/2.0 %d X\r\n%b\r\n%b\r\n\r\n" % (status, vias, rest), PROXY_ADDRESS)
            self.simulation.run(0.1)
            self.answer(status)
            self.assertEqual(self.caller.statuses()[:2], [100, status], form)

    def test_cancel_of_another_spelling(self) -> None:
        """The 200 of a CANCEL is none of its INVITE, however its CSeq is written."""
        for cseq in (b"1\tCANCEL", b"1 CANCEL ", b"1  CANCEL", b"1\r\n CANCEL", b"1 CANCEL\t"):
            self.open()
            self.ask(b"INVITE", **INVITE)
            self.answer(180)
            self.ask(b"CANCEL", **{**INVITE, "cseq": b"1 CANCEL"})
            (cancel,) = self.called.requests(b"CANCEL")
            assert isinstance(cancel.message, Request)
            response = make_response(cancel.message, 200, to_tag=b"b").replace(b"1 CANCEL", cseq)
            self.called.send(response, PROXY_ADDRESS)
            self.simulation.run(0.1)
            self.called.respond(self.called.requests(b"INVITE")[0], 487)
            self.simulation.run(0.1)
            self.assertEqual(self.caller.statuses(b"INVITE"), [100, 180, 487], cseq)


class SilentAfterRingingTests(WireTestCase):
    """A next hop that rings when it was given up, and then says nothing any more."""

    def test_left_hop(self) -> None:
        """It is cancelled, and forgotten 64*T1 later (9.1)."""
        self.begin()
        self.server = self.serve_bob("sip:bob@two.example.net")
        self.simulation.names.known["two.example.net"] = ["10.0.0.2", "10.0.0.3"]
        self.caller, self.called, second = self.wire("alice", "bob", "bob2")
        self.ask(b"INVITE", **INVITE)
        self.simulation.run(5)
        second.respond(second.requests()[0], 486)
        self.simulation.run(0.1)
        self.answer(180)
        self.assertEqual(len(self.called.requests(b"CANCEL")), 1)
        self.simulation.run(120)
        self.assertEqual(len(self.server.sip.core.table), 0)

    def test_sequential(self) -> None:
        """One contact that rang too late is forgotten too."""
        self.open("sip:bob@10.0.0.2", "sip:bob@10.0.0.3 q=0.5", SequentialTimeoutInMs="2000")
        self.ask(b"INVITE", **INVITE)
        self.simulation.run(3)
        self.answer(180)
        self.simulation.run(300)
        self.assertEqual(len(self.server.sip.core.table), 0)

    def test_ringing_behind_a_cancel(self) -> None:
        """A callee that goes on ringing after the CANCEL, and never ends: 487 after 64*T1 (9.1)."""
        self.open()
        self.ask(b"INVITE", **INVITE)
        self.answer(180)
        self.ask(b"CANCEL", **{**INVITE, "cseq": b"1 CANCEL"})
        self.simulation.run(10)
        self.called.respond(self.called.requests(b"INVITE")[0], 180)
        self.simulation.run(30)
        self.assertEqual(self.caller.statuses(b"INVITE")[-1], 487)

    def test_timer_c_on_a_tick(self) -> None:
        """Timer C of an INVITE that comes just on a tick of the wheel ends once, and does not turn on the spot."""
        self.open(SIPTimerCInMs="700")
        self.simulation.run(0.009)
        self.ask(b"INVITE", **INVITE)
        self.answer(100)
        self.simulation.run(1)
        self.assertEqual(len(self.called.requests(b"CANCEL")), 1)

    def test_ringing_for_us_alone(self) -> None:
        """A provisional response with no Via but ours is not passed on, but the callee is there: it is cancelled."""
        self.open()
        self.ask(b"INVITE", **INVITE)
        (received,) = self.called.requests()
        theirs = b"Via: SIP/2.0/UDP %b;branch=z9hG4bK-1\r\n" % self.caller.at
        self.called.respond(received._replace(message=parse_message(received.data.replace(theirs, b""))), 180)
        self.simulation.run(0.1)
        self.assertEqual(self.caller.statuses(), [100])
        self.ask(b"CANCEL", **{**INVITE, "cseq": b"1 CANCEL"})
        self.assertEqual(len(self.called.requests(b"CANCEL")), 1)
        self.simulation.run(40)
        self.assertEqual(self.caller.statuses(b"INVITE")[:2], [100, 487])


class LaterTargetsTests(WireTestCase):
    """What a 3xx may still begin."""

    def test_redirection_behind_a_decline(self) -> None:
        """A 6xx ends the search (16.7 item 5): the 3xx of another branch that crosses it starts nothing."""
        self.open("sip:bob@10.0.0.2", "sip:bob@10.0.0.3")
        second = self.simulation.endpoint("second", "10.0.0.3")
        third = self.simulation.endpoint("third", "10.0.0.4")
        self.ask(b"INVITE", **INVITE)
        self.answer(603)
        second.respond(second.requests()[0], 302, b"Contact: <sip:bob@10.0.0.4>")
        self.simulation.run(0.1)
        self.assertEqual((third.received, self.caller.statuses()), ([], [100, 603]))

    def test_one_at_a_time(self) -> None:
        """ForkingMode Off: a 3xx of the best contact is followed to its best contact, never answered 480."""
        self.open("sip:bob@10.0.0.2", "sip:bob@10.0.0.3 q=0.5", ForkingMode="Off")
        third = self.simulation.endpoint("third", "10.0.0.4")
        self.ask(b"INVITE", **INVITE)
        self.answer(302, b"Contact: <sip:bob@10.0.0.4>, <sip:bob@10.0.0.5>;q=0.5")
        self.assertEqual((len(third.requests()), self.caller.statuses()), (1, [100]))
        third.respond(third.requests()[0], 486)
        self.simulation.run(0.1)
        self.assertEqual(self.caller.statuses(), [100, 486])

    def test_secure_contact(self) -> None:
        """A 3xx that leads to sips: only is the caller's to follow, as nothing of ours leads there."""
        self.open()
        self.ask(b"INVITE", **INVITE)
        self.answer(302, b"Contact: <sips:bob@10.0.0.4>")
        self.assertEqual(self.caller.statuses(), [100, 302])


class NonInviteTests(WireTestCase):
    """RFC 4320."""

    def test_trying(self) -> None:
        """A request that is no INVITE and has no answer when a timer E reaches T2 gets a 100 then (4.1)."""
        self.open()
        self.ask(b"MESSAGE", branch=b"z9hG4bK-1", call_id=b"c", cseq=b"1 MESSAGE")
        self.simulation.run(3.3)
        self.assertEqual(self.caller.statuses(), [])
        self.simulation.run(0.2)
        self.assertEqual(self.caller.statuses(), [100])
        self.answer(200)
        self.simulation.run(10)
        self.assertEqual(self.caller.statuses(), [100, 200])

    def test_no_other_provisional(self) -> None:
        """Another provisional response to it goes no further (4.1)."""
        self.open()
        self.ask(b"MESSAGE")
        self.answer(183)
        self.answer(202)
        self.assertEqual(self.caller.statuses(), [202])


class AwayTests(WireTestCase):
    """ICMP."""

    def test_branch_in_request_uri(self) -> None:
        """The refused datagram is known by our Via, not by a branch that its Request-URI has."""
        self.begin()
        self.server = self.serve()
        (self.caller,) = self.wire("alice")
        self.simulation.host("10.0.0.9")
        self.ask(b"INVITE", uri=b"sip:x@10.0.0.9;branch=1", **INVITE)
        self.assertEqual(self.caller.statuses(), [100, 503])
