"""The project's checklist, rows 26 to 36: INVITE transactions and the response context.

A test is named after its row; RFC 3261 unless another one is named.
"""

from typing import Any

from sipproxy.message import Request
from sipproxy.simulation import Endpoint, rejects, rings
from test.scenario.stage import PROXY, ScenarioTestCase, WireTestCase

INVITE: dict[str, Any] = {"branch": b"z9hG4bK-1", "call_id": b"c", "cseq": b"1 INVITE"}
CANCEL = {**INVITE, "cseq": b"1 CANCEL"}
BOBS_CONTACT = b"Contact: <sip:bob@10.0.0.2>"


class InviteTests(WireTestCase):
    """Rows 26 to 30."""

    def test_row_26_trying(self) -> None:
        """INVITE has its 100 within 200 ms, without a To tag and with Timestamp; others not before 3.5 s (RFC 4320)."""
        self.open()
        self.ask(b"INVITE", b"Timestamp: 54", **INVITE)
        self.assertEqual(
            (self.response.status, self.response.to.tag, self.response.header("timestamp")), (100, b"", b"54")
        )
        self.assertLess(self.caller.received[0].time, 0.2)
        self.ask(b"MESSAGE")
        self.simulation.run(3.3)
        self.assertEqual(self.caller.statuses(b"MESSAGE"), [])
        self.simulation.run(26)
        self.assertEqual(self.caller.statuses(b"MESSAGE"), [100])

    def test_row_26_theirs(self) -> None:
        """A 100 from downstream goes no further."""
        self.open()
        self.ask(b"INVITE", **INVITE)
        self.answer(100, b"Server: downstream")
        self.assertEqual(self.caller.statuses(), [100])
        self.ask(b"MESSAGE")
        self.answer(100)
        self.assertEqual(self.caller.statuses(b"MESSAGE"), [])

    def test_row_27_ack_for_a_failure(self) -> None:
        """Hop by hop: same branch, one Via, the Route of the INVITE, the To of the response; the caller's ends here."""
        self.open()
        route = b"Route: <sip:%b;lr>, <sip:10.0.0.2;lr>, <sip:far;lr>" % PROXY.encode()
        self.ask(b"INVITE", route, uri=b"sip:bob@far", **INVITE)
        invite = self.forwarded
        self.answer(486, to_tag=b"busy")
        ack = self.forwarded
        self.assertEqual((ack.method, ack.uri, ack.cseq), (b"ACK", invite.uri, (1, b"ACK")))
        self.assertEqual(ack.values("via"), invite.values("via")[:1])
        self.assertEqual(ack.values("route"), invite.values("route"))
        self.assertEqual((ack.to.tag, ack.header("from")), (b"busy", invite.header("from")))
        self.ask(b"ACK", to=self.response.required("to"), **{**INVITE, "cseq": b"1 ACK"})
        self.simulation.run(10)
        self.assertEqual((len(self.called.requests(b"ACK")), self.caller.statuses()), (1, [100, 486]))

    def test_row_27_ack_again(self) -> None:
        """A failure that is retransmitted is acknowledged again, and not passed on again."""
        self.open()
        self.ask(b"INVITE", **INVITE)
        for _ in range(3):
            self.answer(486)
        acks = [each.data for each in self.called.requests(b"ACK")]
        self.assertEqual((len(acks), len(set(acks)), self.caller.statuses()), (3, 1, [100, 486]))

    def test_row_27_ack_for_a_2xx(self) -> None:
        """A transaction of its own, along the route set, and nobody ever answers it."""
        self.open(AddRecordRoute="On")
        self.ask(b"INVITE", **INVITE)
        self.answer(200, BOBS_CONTACT, b"Record-Route: " + self.forwarded.required("record-route"))
        route = b"Route: " + self.response.required("record-route")
        for branch in (b"z9hG4bK-2", b"z9hG4bK-1"):  # the second one is wrong, and met
            self.ask(b"ACK", route, uri=self.called.uri, to=self.response.required("to"), branch=branch, cseq=b"1 ACK")
            self.assertEqual((self.forwarded.method, self.forwarded.uri), (b"ACK", self.called.uri))
            self.assertEqual((len(self.forwarded.values("via")), self.forwarded.header("route")), (2, None))
        self.assertEqual(self.caller.statuses(), [100, 200])

    def test_row_28_every_2xx(self) -> None:
        """Retransmitted 2xx, and those of other branches, all go upstream as long as they may come (RFC 6026)."""
        self.open("sip:bob@10.0.0.2", "sip:bob@10.0.0.3")
        other = self.simulation.endpoint("other", "10.0.0.3")
        self.ask(b"INVITE", **INVITE)
        other.respond(other.requests()[0], 180)
        self.answer(200, BOBS_CONTACT)
        self.simulation.run(15)
        self.answer(200, BOBS_CONTACT)
        other.respond(other.requests()[0], 200, b"Contact: <sip:other@10.0.0.3>")
        self.simulation.run(0.1)
        tags = [response.to.tag for response in self.caller.responses() if response.status == 200]
        self.assertEqual(tags, [b"bob", b"bob", b"other"])

    def test_row_28_accepted(self) -> None:
        """A retransmitted INVITE after the 2xx is absorbed for 64*T1 (timer L)."""
        self.open()
        self.ask(b"INVITE", **INVITE)
        self.answer(200, BOBS_CONTACT)
        for _ in range(3):
            self.simulation.run(10)
            self.ask(b"INVITE", **INVITE)
        self.assertEqual((len(self.called.requests()), self.caller.statuses()), (1, [100, 200]))

    def test_row_28_stray(self) -> None:
        """A 2xx that belongs to no transaction any more is dropped by a stateful proxy (RFC 6026 7.3)."""
        self.open()
        self.ask(b"INVITE", **INVITE)
        self.answer(200, BOBS_CONTACT)
        self.simulation.run(40)
        self.answer(200, BOBS_CONTACT)
        self.assertEqual(self.caller.statuses(), [100, 200])

    def test_row_29_cancel(self) -> None:
        """200 at once; downstream the same branch, no Record-Route, once a provisional response came."""
        self.open(AddRecordRoute="On")
        self.ask(b"INVITE", **INVITE)
        invite = self.forwarded
        self.answer(180)
        self.ask(b"CANCEL", **CANCEL)
        self.assertEqual((self.response.status, self.response.cseq), (200, (1, b"CANCEL")))
        cancel = self.forwarded
        self.assertEqual(
            (cancel.method, cancel.uri, cancel.values("via")), (b"CANCEL", invite.uri, invite.values("via")[:1])
        )
        self.assertEqual((cancel.header("record-route"), cancel.header("require")), (None, None))
        self.assertEqual(cancel.header("to"), invite.header("to"))
        self.assertEqual(self.caller.responses(b"CANCEL")[0].to.tag != b"", True)

    def test_row_29_after_the_final_response(self) -> None:
        """A CANCEL after a final response: 200, and nothing else."""
        for status in (200, 486):
            self.open()
            self.ask(b"INVITE", **INVITE)
            self.answer(status, BOBS_CONTACT)
            self.ask(b"CANCEL", **CANCEL)
            self.assertEqual((self.caller.statuses(b"CANCEL"), self.called.requests(b"CANCEL")), ([200], []))
            self.ask(b"ACK", to=self.caller.responses(b"INVITE")[-1].required("to"), **{**INVITE, "cseq": b"1 ACK"})

    def test_row_29_unknown(self) -> None:
        """A CANCEL that matches nothing is forwarded statelessly (16.10)."""
        self.open()
        self.ask(b"CANCEL", **CANCEL)
        self.assertEqual((self.forwarded.method, len(self.forwarded.values("via"))), (b"CANCEL", 2))
        self.assertEqual((self.caller.statuses(), len(self.server.sip.core.table)), ([], 0))

    def test_row_29_nobody(self) -> None:
        """A CANCEL that matches nothing and can be forwarded to nobody is answered 481 (9.2)."""
        self.open()
        for uri in (b"sip:nobody@example.com", b"sip:example.com", b"foo:bar"):
            self.ask(b"CANCEL", uri=uri, **{**CANCEL, "branch": b"z9hG4bK-" + uri})
            self.assertEqual((self.response.status, self.response.cseq), (481, (1, b"CANCEL")))
        self.assertEqual(self.called.requests(), [])

    def test_row_29_other_methods(self) -> None:
        """A CANCEL for another request than an INVITE is answered, and has no effect (9.1, 9.2)."""
        self.open()
        self.ask(b"MESSAGE", **{**INVITE, "cseq": b"1 MESSAGE"})
        self.ask(b"CANCEL", **CANCEL)
        self.assertEqual((self.caller.statuses(b"CANCEL"), len(self.called.requests())), ([200], 1))
        self.answer(200)
        self.assertEqual(self.caller.statuses(b"MESSAGE"), [200])

    def test_row_30_timer_c(self) -> None:
        """Over three minutes, reset by 101 to 199; then CANCEL."""
        self.open()
        self.ask(b"INVITE", **INVITE)
        self.answer(180)
        self.simulation.run(179)
        self.answer(183)
        self.simulation.run(179)
        self.assertEqual(self.called.requests(b"CANCEL"), [])
        self.simulation.run(8)
        self.assertEqual(len({each.data for each in self.called.requests(b"CANCEL")}), 1)

    def test_row_30_expires(self) -> None:
        """The Expires of an INVITE ends it earlier (13.3.1)."""
        self.open()
        self.ask(b"INVITE", b"Expires: 30", **INVITE)
        self.answer(180)
        self.simulation.run(29)
        self.assertEqual(self.called.requests(b"CANCEL"), [])
        self.simulation.run(2)
        self.assertEqual(len({each.data for each in self.called.requests(b"CANCEL")}), 1)


class ContextTests(ScenarioTestCase):
    """Rows 31 to 36: bob has several telephones."""

    def fork(self, count: int, **directives: str) -> tuple[Endpoint, list[Endpoint]]:
        """Send an INVITE to bob, who has so many endpoints, all at once; give the caller and those."""
        self.begin()
        self.serve_bob(*(f"sip:bob@10.0.0.{2 + at}" for at in range(count)), **directives)
        alice, *bobs = self.wire("alice", *(f"bob{at}" for at in range(count)))
        alice.send(alice.make_request(b"INVITE", b"sip:bob@example.com", **INVITE), (PROXY, 5060))
        self.simulation.run(0.1)
        return alice, bobs

    def respond(self, endpoint: Endpoint, status: int, *headers: bytes) -> None:
        """Let an endpoint answer its INVITE."""
        endpoint.respond(endpoint.requests(b"INVITE")[0], status, *headers)
        self.simulation.run(0.05)

    def best_of(self, *statuses: int) -> int:
        """Let all telephones answer, and give what the caller is told."""
        alice, bobs = self.fork(len(statuses))
        for bob, status in zip(bobs, statuses, strict=True):
            self.respond(bob, status)
        return alice.statuses()[1]

    def test_row_31_best(self) -> None:
        """6xx before all, else the lowest class, in 4xx those that tell how to go on (16.7 item 6)."""
        self.assertEqual(self.best_of(404, 486, 603), 603)
        self.assertEqual(self.best_of(500, 404, 502), 404)
        self.assertEqual(self.best_of(500, 600, 404), 600)
        for telling in (401, 407, 415, 420, 484):
            self.assertEqual(self.best_of(404, telling, 486), telling)

    def test_row_31_waits(self) -> None:
        """A 6xx cancels the others, and is passed on when they have ended."""
        alice, bobs = self.fork(2)
        self.respond(bobs[1], 180)
        self.respond(bobs[0], 603)
        self.assertEqual(alice.statuses(), [100, 180])
        self.assertEqual(len(bobs[1].requests(b"CANCEL")), 1)
        self.respond(bobs[1], 487)
        self.assertEqual(alice.statuses(), [100, 180, 603])

    def test_row_31_503(self) -> None:
        """A 503 from downstream is not ours: 500, without its Retry-After."""
        alice, (bob,) = self.fork(1)
        self.respond(bob, 503, b"Retry-After: 99")
        self.assertEqual((alice.statuses(), alice.responses()[-1].header("retry-after")), ([100, 500], None))

    def test_row_32_challenges(self) -> None:
        """The challenges of all branches, none joined or split (16.7 item 7)."""
        alice, bobs = self.fork(3)
        challenge = b'WWW-Authenticate: Digest realm="%d, x", nonce="a,b"'
        for at, bob in enumerate(bobs[:2]):
            self.respond(bob, 401, challenge % at)
        self.respond(bobs[2], 407, b'Proxy-Authenticate: Digest realm="p", nonce="c"')
        final = alice.responses()[-1]
        self.assertEqual(final.status, 401)
        found = [line for line in final.lines if b"Authenticate" in line]
        self.assertEqual(found, [challenge % 0, challenge % 1, b'Proxy-Authenticate: Digest realm="p", nonce="c"'])

    def test_row_33_provisional(self) -> None:
        """Each 18x of each branch, unmodified but for our Via."""
        alice, bobs = self.fork(2)
        for bob in bobs:
            self.respond(bob, 183, b"Contact: <%b>" % bob.uri, b"RSeq: 1", b"x-Thing:  1")
        for bob, response in zip(bobs, alice.responses()[1:], strict=True):
            self.assertEqual((response.status, response.to.tag), (183, bob.name))
            self.assertEqual(response.lines[-4:-1], [b"Contact: <%b>" % bob.uri, b"RSeq: 1", b"x-Thing:  1"])

    def test_row_34_no_408(self) -> None:
        """A request that is no INVITE and gets no answer: none from us either but 100 (RFC 4320 4.2)."""
        self.serve_bob()
        alice, bob = self.wire("alice", "bob")
        request = alice.make_request(b"MESSAGE", b"sip:bob@example.com")
        alice.send(request, (PROXY, 5060))
        self.simulation.run(40)
        self.assertEqual(alice.statuses(), [100])
        bob.respond(bob.requests()[0], 200)
        self.simulation.run(1)
        self.assertEqual(alice.statuses(), [100])

    def test_row_34_late(self) -> None:
        """A final response that comes when the caller's transaction is over is dropped; nor is a 408 passed on."""
        self.serve_bob()
        alice, bob = self.wire("alice", "bob")
        for status, after in ((408, 1), (200, 31.95)):
            alice.send(alice.make_request(b"MESSAGE", b"sip:bob@example.com"), (PROXY, 5060))
            self.simulation.run(after)
            bob.respond(bob.requests()[-1], status)
            self.simulation.run(40)
        self.assertEqual(alice.statuses(), [100, 200])

    def test_row_35_recursion(self) -> None:
        """The contacts of a 3xx by q, none twice, only where the Request-URI is ours; else the 3xx goes up."""
        alice, (first, second, third) = self.fork(3, ForkingMode="Sequential", MaxForks="10")
        contacts = b"Contact: <sip:bob@10.0.0.4>;q=0.3, <sip:bob@10.0.0.2>;q=1, <sip:new@10.0.0.3>;q=0.9"
        self.respond(first, 302, contacts)
        self.respond(second, 404)
        order = [(endpoint.name, each.time) for endpoint in (second, third) for each in endpoint.requests(b"INVITE")]
        self.assertEqual([name for name, _ in sorted(order, key=lambda pair: pair[1])][:1], [b"bob1"])
        request = second.requests(b"INVITE")[0].message
        assert isinstance(request, Request)
        self.assertEqual((request.uri, len(first.requests(b"INVITE"))), (b"sip:new@10.0.0.3", 1))
        self.assertEqual(alice.statuses(), [100])

    def test_row_36_decline_ends_a_hunt(self) -> None:
        """A 6xx ends hunting in turn; the 487 of branches that were cancelled is never the best."""
        self.serve_bob("sip:bob@10.0.0.2 q=0.9", "sip:bob@10.0.0.3 q=0.5", SequentialTimeoutInMs="5000")
        bobs = [self.callee(0, rings), self.callee(1, rejects(486))]
        self.assertEqual(self.call_bob(self.alice()).final, 486)
        bobs[0].behaviour = rejects(603)
        self.assertEqual(self.call_bob(self.simulation.agent(b"sip:c@example.com", "10.0.0.9", PROXY)).final, 603)
        self.assertEqual(len(bobs[1].calls), 1)
