"""The project's checklist, rows 16 to 24: matching and request forwarding.

A test is named after its row; RFC 3261 unless another one is named.
"""

from typing import Any

from sipproxy.message import Request
from test.scenario.stage import PROXY, WireTestCase

INVITE = {"branch": b"z9hG4bK-1", "call_id": b"c", "cseq": b"1 INVITE"}
US = PROXY.encode()


class MatchingTests(WireTestCase):
    """Which message belongs to which transaction."""

    def test_row_16_stateless_branch(self) -> None:
        """A stateless proxy's branch is the same for each copy, and it sends no 100 (16.11)."""
        self.open(StatefulServer="Off")
        for _ in range(2):
            self.ask(b"INVITE", **INVITE)
        first, second = (each.data for each in self.called.requests())
        self.assertEqual((first, self.caller.received), (second, []))

    def test_row_17_key(self) -> None:
        """A branch of another sent-by, or with another method, is another transaction (17.2.3)."""
        self.open()
        vias = [b"SIP/2.0/UDP %b;branch=z9hG4bK-1" % sent_by for sent_by in (b"10.0.0.1", b"10.0.0.1:5060", b"pc.net")]
        for via in vias:
            self.ask(b"MESSAGE", via=via, call_id=b"c", cseq=b"1 MESSAGE")
        self.ask(b"INFO", via=vias[0], call_id=b"c", cseq=b"1 INFO")
        self.assertEqual(len(self.called.requests()), 4)
        self.ask(b"MESSAGE", via=vias[0].upper().replace(b"Z9HG4BK", b"z9hG4bK"), call_id=b"c", cseq=b"1 MESSAGE")
        self.assertEqual(len(self.called.requests()), 4)

    def test_row_17_rfc_2543(self) -> None:
        """Without the magic cookie: Request-URI, tags, Call-ID, CSeq and topmost Via; the ACK belongs to its INVITE."""
        self.open()
        parts = {"via": b"SIP/2.0/UDP 10.0.0.1:5060", "call_id": b"c", "from_": b"<sip:alice@10.0.0.1>"}
        for _ in range(2):
            self.ask(b"INVITE", cseq=b"1 INVITE", **parts)
        self.assertEqual((len(self.called.requests()), self.caller.statuses()), (1, [100, 100]))
        self.answer(486)
        self.ask(b"ACK", cseq=b"1 ACK", to=self.response.required("to"), **parts)
        self.assertEqual([each.data[:3] for each in self.called.requests()], [b"INV", b"ACK"])  # ours
        self.simulation.run(10)
        self.assertEqual(self.caller.statuses(), [100, 100, 486])
        self.ask(b"INVITE", cseq=b"2 INVITE", **parts)
        self.assertEqual(len(self.called.requests(b"INVITE")), 2)


class ForwardingTests(WireTestCase):
    """Steps of 16.3 to 16.6."""

    def test_row_18_max_forwards(self) -> None:
        """0: 483, an OPTIONS is answered; absent: 70; else one less, on the copy only."""
        self.open()
        self.ask(b"MESSAGE", max_forwards=0)
        self.assertEqual(self.response.status, 483)
        self.ask(b"OPTIONS", max_forwards=0)
        self.assertEqual(self.response.status, 200)
        for given, sent in ((None, b"70"), (1, b"0"), (255, b"254")):
            self.ask(b"MESSAGE", max_forwards=given)
            self.assertEqual(self.forwarded.header("max-forwards"), sent)
        self.ask(b"MESSAGE", max_forwards=256)
        self.assertEqual(self.response.status, 400)

    def test_row_19_loop(self) -> None:
        """The same request again is a loop, whatever Via and Max-Forwards say; another Request-URI is a spiral."""
        self.open("sip:bob@10.0.0.2")
        self.ask(b"INVITE", **INVITE)
        ours = b"Via: " + self.forwarded.values("via")[0]
        again: dict[str, Any] = {**INVITE, "branch": b"z9hG4bK-2", "max_forwards": 50}
        self.ask(b"INVITE", ours, **again)
        self.assertEqual(self.response.status, 482)
        self.ask(b"INVITE", ours, uri=b"sip:bob@192.0.2.1", **{**again, "branch": b"z9hG4bK-3"})
        self.assertEqual(len(self.called.requests(b"INVITE")), 2)

    def test_row_19_what_decides(self) -> None:
        """Every field that our decision reads makes a difference (RFC 5393 4.2.1)."""
        self.open()
        self.called.script = lambda received: self.called.respond(received, 200)
        parts = {"from_": b"<sip:a@10.0.0.1>;tag=1", "to": b"<sip:bob@example.com>", "call_id": b"c"}
        parts.update(cseq=b"1 MESSAGE", branch=b"z9hG4bK-1")
        self.ask(b"MESSAGE", **parts)
        ours = b"Via: " + self.forwarded.values("via")[0]
        for at, (headers, change) in enumerate(
            (
                ((), {"from_": b"<sip:a@10.0.0.1>;tag=2"}),
                ((), {"to": b"<sip:bob@example.com>;tag=3"}),
                ((), {"call_id": b"d"}),
                ((), {"cseq": b"2 MESSAGE"}),
                ((b"Proxy-Authorization: Digest x=1",), {}),
                ((b"Route: <sip:10.0.0.2;lr>",), {}),
            )
        ):
            self.ask(b"MESSAGE", ours, *headers, **{**parts, **change, "branch": b"z9hG4bK-x%d" % at})
            self.assertEqual(len(self.called.requests()), at + 2, change or headers)

    def test_row_19_max_breadth(self) -> None:
        """Max-Breadth in every proxied request; above MaxBreadth it is overwritten; 0 is 440."""
        self.open(MaxBreadth="8")
        for headers, sent in (((), b"8"), ((b"Max-Breadth: 5",), b"5"), ((b"Max-Breadth: 9",), b"8")):
            self.ask(b"MESSAGE", *headers)
            self.assertEqual(self.forwarded.header("max-breadth"), sent)
        self.ask(b"MESSAGE", b"Max-Breadth: 0")
        self.assertEqual(self.response.status, 440)

    def test_row_20_proxy_require(self) -> None:
        """420 with Unsupported (16.3 item 5), never to an ACK; Require is none of a proxy's business."""
        self.open()
        self.ask(b"INVITE", b"Proxy-Require: foo, bar", **INVITE)
        self.assertEqual((self.response.status, self.response.values("unsupported")), (420, [b"foo", b"bar"]))
        self.ask(b"ACK", b"Proxy-Require: foo", branch=b"z9hG4bK-9", cseq=b"1 ACK", to=b"<sip:b@example.com>;tag=1")
        self.assertEqual(self.caller.statuses(), [420])
        self.ask(b"MESSAGE", b"Require: foo")
        self.assertEqual(self.forwarded.header("require"), b"foo")

    def test_row_21_own_route(self) -> None:
        """Our own topmost Route is taken off, both where there are two of ours (16.4, RFC 5658)."""
        self.open()
        ours = b"<sip:%b:5060;lr>" % US
        for route in (ours, ours + b", " + ours):
            self.ask(b"BYE", b"Route: " + route, uri=b"sip:x@10.0.0.2", to=b"<sip:x>;tag=1")
            self.assertEqual((self.forwarded.uri, self.forwarded.header("route")), (b"sip:x@10.0.0.2", None))
        self.ask(
            b"BYE", b"Route: " + ours, b"Route: <sip:10.0.0.2;lr>, <sip:last;lr>", uri=b"sip:x@far", to=b"<sip:x>;tag=1"
        )
        self.assertEqual(self.forwarded.values("route"), [b"<sip:10.0.0.2;lr>", b"<sip:last;lr>"])

    def test_row_21_strict_router_before(self) -> None:
        """Our Record-Route as Request-URI: a strict router sent it; the last Route is what was meant (16.4)."""
        self.open(AddRecordRoute="On")
        routes = b"Route: <sip:10.0.0.2;lr>, <sip:bob@192.0.2.88>"
        self.ask(b"BYE", routes, uri=b"sip:%b:5060;lr" % US, to=b"<sip:bob@example.com>;tag=1")
        self.assertEqual(self.forwarded.uri, b"sip:bob@192.0.2.88")
        self.assertEqual(self.forwarded.values("route"), [b"<sip:10.0.0.2;lr>"])

    def test_row_21_maddr(self) -> None:
        """A maddr that names us is taken off; another one is where the request goes (16.4, 16.5)."""
        self.open()
        self.ask(b"MESSAGE", uri=b"sip:bob@example.com;maddr=" + US)
        self.assertEqual(self.forwarded.uri, b"sip:bob@10.0.0.2")
        self.ask(b"MESSAGE", uri=b"sip:bob@example.com;maddr=10.0.0.2")
        self.assertEqual(self.forwarded.uri, b"sip:bob@example.com;maddr=10.0.0.2")

    def test_row_22_strict_router_behind(self) -> None:
        """A next hop without lr gets the Request-URI of its Route, ours goes to the end (16.6 item 6)."""
        self.open()
        self.ask(b"BYE", b"Route: <sip:strict@10.0.0.2>, <sip:far;lr>", uri=b"sip:x@far", to=b"<sip:x>;tag=1")
        self.assertEqual(self.forwarded.uri, b"sip:strict@10.0.0.2")
        self.assertEqual(self.forwarded.values("route"), [b"<sip:far;lr>", b"<sip:x@far>"])

    def test_row_22_lr_with_a_value(self) -> None:
        """lr=on is lr."""
        self.open()
        self.ask(b"BYE", b"Route: <sip:10.0.0.2;lr=on>", uri=b"sip:x@far", to=b"<sip:x>;tag=1")
        self.assertEqual((self.forwarded.uri, self.forwarded.header("route")), (b"sip:x@far", b"<sip:10.0.0.2;lr=on>"))

    def test_row_23_request_uri(self) -> None:
        """A contact's headers and method parameter do not get into the Request-URI (19.1.1)."""
        self.begin()
        self.server = self.serve()
        self.caller, self.called = self.wire("alice", "bob")
        contact = b"Contact: <sip:bob@10.0.0.2;x=1;method=INVITE?Subject=hi>"
        self.ask(b"REGISTER", contact, uri=b"sip:example.com", to=b"<sip:bob@example.com>")
        self.ask(b"MESSAGE")
        self.assertEqual(self.forwarded.uri, b"sip:bob@10.0.0.2;x=1")

    def test_row_23_record_route(self) -> None:
        """Record-Route on dialog-forming requests of all branches and redirections, always the same."""
        self.open("sip:bob@10.0.0.2", "sip:bob@10.0.0.3", AddRecordRoute="On")
        other, third = self.simulation.endpoint("other", "10.0.0.3"), self.simulation.endpoint("third", "10.0.0.4")
        other.script = lambda received: other.respond(received, 302, b"Contact: <sip:bob@10.0.0.4>")
        for method in (b"INVITE", b"SUBSCRIBE", b"REFER"):
            self.ask(method)
        ours = b"<sip:%b:5060;lr>" % US
        for endpoint in (self.called, other, third):
            requests = [each.message for each in endpoint.requests() if isinstance(each.message, Request)]
            found = [request.header("record-route") for request in requests if request.method != b"ACK"]
            self.assertEqual(found, [ours] * 3, endpoint.name)

    def test_row_23_two_record_routes(self) -> None:
        """One for each side where the sockets differ (RFC 5658)."""
        self.begin()
        self.simulation.host(PROXY, "2001:db8::1")
        contact = "bob@example.com sip:bob@[2001:db8::2]"
        listen = [f"{PROXY}:5060", "[2001:db8::1]:5060"]
        self.serve(Listen=listen, AddRecordRoute="On", StaticRegistration=contact)
        self.caller = self.simulation.endpoint("alice", "10.0.0.1")
        self.called = self.simulation.endpoint("bob", "2001:db8::2")
        self.ask(b"INVITE")
        wanted = [b"<sip:[2001:db8::1]:5060;lr>", b"<sip:%b:5060;lr>" % US]
        self.assertEqual((self.forwarded.values("record-route"), self.forwarded.via.host), (wanted, b"[2001:db8::1]"))
        self.answer(200)
        self.assertEqual(self.response.status, 200)
        routes = b"Route: " + b", ".join(wanted)
        request = self.called.make_request(b"BYE", self.caller.uri, routes, to=b"<sip:alice@10.0.0.1>;tag=alice")
        self.called.send(request, ("2001:db8::1", 5060))
        self.simulation.run(0.1)
        (bye,) = self.caller.requests(b"BYE")
        assert bye.message is not None
        self.assertEqual((bye.message.header("route"), bye.message.via.host), (None, US))


class ServerTests(WireTestCase):
    """Which server a request goes to (RFC 3263)."""

    def test_row_24_literal(self) -> None:
        """A literal address is no question, its port is that of the URI or 5060."""
        self.open()
        other = self.simulation.endpoint("other", "10.0.0.2", 5090)
        self.ask(b"MESSAGE", uri=b"sip:x@10.0.0.2:5090")
        self.ask(b"MESSAGE", uri=b"sip:x@10.0.0.2")
        self.assertEqual((len(other.requests()), len(self.called.requests())), (1, 1))

    def test_row_24_port(self) -> None:
        """A name with a port: its addresses, and that port."""
        self.open()
        self.simulation.names.known = {"gw.example.net": ["10.0.0.2"]}
        other = self.simulation.endpoint("other", "10.0.0.2", 5090)
        self.ask(b"MESSAGE", uri=b"sip:x@gw.example.net:5090")
        self.assertEqual(len(other.requests()), 1)

    def test_row_24_same_server(self) -> None:
        """Retransmissions, CANCEL and ACK go where their INVITE went, whatever the name says by then (4.3)."""
        self.open("sip:bob@gw.example.net")
        self.simulation.names.known = {"gw.example.net": ["10.0.0.2"]}
        elsewhere = self.simulation.endpoint("elsewhere", "10.0.0.9")
        self.ask(b"INVITE", **INVITE)
        self.simulation.names.known = {"gw.example.net": ["10.0.0.9"]}
        self.simulation.run(1)
        self.answer(180)
        self.ask(b"CANCEL", **{**INVITE, "cseq": b"1 CANCEL"})
        self.called.respond(self.called.requests(b"INVITE")[0], 487)
        self.simulation.run(0.1)
        methods = [each.data.partition(b" ")[0] for each in self.called.requests()]
        self.assertEqual((methods, elsewhere.received), ([b"INVITE", b"INVITE", b"CANCEL", b"ACK"], []))
