"""What passes through, as it is: compact and odd spellings, UTF-8, quotes, folds, and every method of a dialog."""

from typing import Any

from sipproxy.message import Request
from test.scenario.stage import PROXY_ADDRESS, WireTestCase

DIALOG_METHODS = (b"INVITE", b"UPDATE", b"PRACK", b"INFO", b"REFER", b"NOTIFY", b"SUBSCRIBE", b"MESSAGE", b"BYE")


class SpellingTests(WireTestCase):
    """Spellings."""

    def compact(self, method: bytes, cseq: bytes, branch: bytes, *lines: bytes, uri: bytes, to: bytes) -> bytes:
        """Write a request of alice's in compact form."""
        head = (
            b"%b %b SIP/2.0" % (method, uri),
            b"v:SIP/2.0/UDP %b ;branch=%b" % (self.caller.at, branch),
            b'f:"\\"A, <B>; \\\\" <sip:alice@10.0.0.1>;tag=a',
            b"t:" + to,
            b"i:compact@x",
            b"cSEQ:" + cseq,
            b"MAX-forwards : 9",
            *lines,
            b"l:0",
        )
        return b"\r\n".join((*head, b"", b""))

    def test_compact_call(self) -> None:
        """A whole call in compact form: INVITE, its answer, ACK and BYE."""
        self.open(AddRecordRoute="On")
        to = b"sip:bob@example.com"
        invite = self.compact(b"INVITE", b"1 INVITE", b"z9hG4bK1", b"m:<sip:a@10.0.0.1>", uri=to, to=to)
        self.send(invite)
        self.send(invite)
        self.assertEqual((self.caller.statuses(), len(self.called.requests())), ([100, 100], 1))
        lines = self.forwarded.lines
        self.assertIn(b"m:<sip:a@10.0.0.1>", lines)
        self.assertIn(b'f:"\\"A, <B>; \\\\" <sip:alice@10.0.0.1>;tag=a', lines)
        self.assertEqual([line for line in lines if line.lower().startswith(b"max-f")], [b"Max-Forwards: 8"])
        received = self.called.requests()[0]
        answer = [b"SIP/2.0 200 OK"]
        for line in lines:
            name, _, value = line.partition(b":")
            if name in (b"Via", b"v"):
                answer.append(b"v:" + value)
            elif name in (b"f", b"i", b"cSEQ", b"Record-Route"):
                answer.append(line)
        answer += [b"t:sip:bob@example.com;tag=b", b"m:<sip:bob@10.0.0.2>", b"l:0", b"", b""]
        self.called.send(b"\r\n".join(answer), received.source)
        self.simulation.run(0.1)
        self.assertEqual((self.response.status, self.response.values("via")[0][:12]), (200, b"SIP/2.0/UDP "))
        route = b"Route:" + self.response.required("record-route")
        for method, branch in ((b"ACK", b"z9hG4bK2"), (b"BYE", b"z9hG4bK3")):
            number = b"1 ACK" if method == b"ACK" else b"2 BYE"
            self.send(
                self.compact(method, number, branch, route, uri=b"sip:bob@10.0.0.2", to=b"sip:bob@example.com;tag=b")
            )
            self.assertEqual((self.forwarded.method, self.forwarded.header("route")), (method, None))
        self.answer(200)
        self.assertEqual(self.caller.statuses()[-1], 200)

    def test_one_via_line(self) -> None:
        """An answer with all Vias in one line, and one with them in the middle of other headers."""
        for form in (b"Via: %b, %b", b"v:%b\r\nX: y\r\nvIA :%b", b"Via: %b,\r\n %b"):
            self.open()
            self.ask(b"MESSAGE", branch=b"z9hG4bK1")
            message = self.forwarded
            vias = form % tuple(message.headers("via"))
            rest = [line for name, line in zip(message.names, message.lines, strict=True) if name != "via"]
            self.called.send(b"\r\n".join((b"SIP/2.0 200 OK", b"Q: 1", vias, *rest, b"", b"")), PROXY_ADDRESS)
            self.simulation.run(0.1)
            self.assertEqual(self.response.values("via"), [message.headers("via")[1]], form)

    def test_utf8(self) -> None:
        """UTF-8 and commas in quotes, in names, URIs and reasons."""
        self.open("sip:bob@10.0.0.2")
        display = '"Zoë, \\"die\\" <Große>" <sip:alice@10.0.0.1>;tag=a'.encode()
        contact = '"Ж, ж" <sip:a@10.0.0.1>;q=1, "Y;," <sip:b@10.0.0.1>'.encode()
        self.ask(b"INVITE", b"Contact: " + contact, b"Subject: \xe2\x82\xac, \x01", from_=display)
        self.assertEqual(self.forwarded.header("from"), display)
        self.assertEqual(self.forwarded.header("contact"), contact)
        self.assertEqual(self.forwarded.header("subject"), b"\xe2\x82\xac, \x01")
        (received,) = self.called.requests()
        self.called.respond(received, 486, b'Reason: SIP;text="\xc3\xa4, b"')
        self.simulation.run(0.1)
        self.assertEqual(self.response.header("reason"), b'SIP;text="\xc3\xa4, b"')

    def test_folded(self) -> None:
        """Folded headers go through as they are; Via and Route may be folded too."""
        self.open()
        folded = b"X-Long: one,\r\n\ttwo\r\n three"
        route = b"Route: <sip:192.0.2.1;lr>,\r\n  <sip:10.0.0.2;lr>"
        via = b"SIP/2.0/UDP %b\r\n ;branch=z9hG4bK1;rport" % self.caller.at
        self.ask(b"BYE", folded, route, uri=b"sip:x@far", via=via, to=b"<sip:b>\r\n ;tag=1", cseq=b"1\r\n BYE")
        self.assertIn(folded, self.forwarded.lines)
        self.assertEqual(self.forwarded.values("route"), [b"<sip:10.0.0.2;lr>"])
        self.assertTrue(self.forwarded.values("via")[1].endswith(b";received=10.0.0.1;rport=5060"))
        self.answer(200)
        self.assertEqual(self.caller.statuses(), [200])

    def test_huge_contact(self) -> None:
        """A Contact of 7,000 octets is registered, called, and told."""
        self.open()
        uri = b"sip:c@10.0.0.2;pn-prid=" + b"x" * 7000
        parts = {"uri": b"sip:example.com", "to": b"<sip:carol@example.com>"}
        self.ask(b"REGISTER", b"Contact: <%b>" % uri, **parts)
        self.assertEqual(self.response.values("contact")[0][: len(uri) + 2], b"<" + uri + b">")
        self.ask(b"MESSAGE", uri=b"sip:carol@example.com")
        self.assertEqual(self.forwarded.uri, uri)


class DialogTests(WireTestCase):
    """Requests within a dialog."""

    def ask_within(self, method: bytes, route: bytes) -> None:
        """Send a request of a dialog."""
        self.ask(method, route, uri=b"sip:bob@10.0.0.2", to=b"<sip:bob@example.com>;tag=b")

    def test_methods(self) -> None:
        """Every method passes, whatever the mode; those with a provisional 100 of ours are INVITE alone."""
        for stateful in ("On", "Off"):
            self.open(StatefulServer=stateful, AddRecordRoute="On")
            for method in DIALOG_METHODS:
                self.caller.received.clear()
                self.ask_within(method, b"Route: <sip:192.0.2.1:5060;lr>")
                self.assertEqual((self.forwarded.method, "route" in self.forwarded.names), (method, False))
                self.answer(200)
                trying = [100] if method == b"INVITE" and stateful == "On" else []
                self.assertEqual(self.caller.statuses(), [*trying, 200], (method, stateful))

    def test_glare(self) -> None:
        """Two INVITEs of one dialog that cross, with the same Call-ID and CSeq: each has its 491."""
        self.open(AddRecordRoute="On")
        parts: dict[str, Any] = {"call_id": b"c", "cseq": b"2 INVITE", "branch": b"z9hG4bK-same"}
        route = b"Route: <sip:192.0.2.1:5060;lr>"
        to = b"<sip:bob@example.com>;tag=bob"
        one = self.caller.make_request(b"INVITE", b"sip:bob@10.0.0.2", route, to=to, **parts)
        other = self.called.make_request(b"INVITE", b"sip:alice@10.0.0.1", route, to=to, **parts)
        self.caller.send(one, PROXY_ADDRESS)
        self.called.send(other, PROXY_ADDRESS)
        self.simulation.run(0.1)
        for endpoint in (self.caller, self.called):
            endpoint.respond(endpoint.requests(b"INVITE")[0], 491)
        self.simulation.run(0.1)
        self.assertEqual((self.caller.statuses(), self.called.statuses()), ([100, 491], [100, 491]))

    def test_record_route_on_top(self) -> None:
        """Ours stands before those that are there, wherever they stand."""
        self.open(AddRecordRoute="On")
        self.ask(b"INVITE", b"Record-Route: <sip:p2;lr>, <sip:p1;lr>")
        self.assertEqual(
            self.forwarded.values("record-route"), [b"<sip:192.0.2.1:5060;lr>", b"<sip:p2;lr>", b"<sip:p1;lr>"]
        )
        data = self.caller.make_request(b"INVITE", b"sip:bob@example.com")
        start, _, rest = data.partition(b"\r\n")
        self.send(b"%b\r\nRecord-Route: <sip:p2;lr>\r\n%b" % (start, rest))
        self.assertEqual(self.forwarded.values("record-route"), [b"<sip:192.0.2.1:5060;lr>", b"<sip:p2;lr>"])

    def test_early_bye(self) -> None:
        """A BYE for an early dialog passes; the INVITE still has its own end."""
        self.open(AddRecordRoute="On")
        self.ask(b"INVITE", branch=b"z9hG4bK-i", call_id=b"c", cseq=b"1 INVITE")
        self.answer(180)
        invite = self.called.requests(b"INVITE")[0]
        self.ask_within(b"BYE", b"Route: <sip:192.0.2.1:5060;lr>")
        self.answer(200)
        self.called.respond(invite, 487)
        self.simulation.run(0.1)
        self.assertEqual(self.caller.statuses(), [100, 180, 200, 487])

    def test_secure_uri_behind_a_route(self) -> None:
        """A sips: Request-URI is 416 with a Route of others too: no hop of ours is secure (26.2.2)."""
        self.open()
        self.ask(b"MESSAGE", b"Route: <sip:10.0.0.2;lr>", uri=b"sips:bob@example.net")
        self.assertEqual((self.response.status, self.called.received), (416, []))

    def test_max_forwards(self) -> None:
        """An ACK with Max-Forwards 0 goes no further, one with 1 does, with 0."""
        self.open()
        for value, count in ((0, 0), (1, 1)):
            self.ask(b"ACK", uri=b"sip:bob@10.0.0.2", to=b"<sip:bob@example.com>;tag=b", max_forwards=value)
            self.assertEqual(len(self.called.requests()), count)
        assert isinstance(self.forwarded, Request)
        self.assertEqual(self.forwarded.max_forwards, 0)


class RedirectTests(WireTestCase):
    """ACK and CANCEL that no transaction absorbs, where calls are redirected."""

    def test_ack_ends_here(self) -> None:
        """A redirect server forwards no ACK, with whatever branch (8.3)."""
        for stateful in ("On", "Off"):
            self.open(SIPServerMode="Redirect", StatefulServer=stateful)
            self.ask(b"INVITE", branch=b"z9hG4bK1", call_id=b"c", cseq=b"1 INVITE")
            self.ask(b"ACK", branch=b"z9hG4bK2", call_id=b"d", cseq=b"1 ACK", to=b"<sip:bob@example.com>;tag=x")
            self.assertEqual((self.caller.statuses(), self.called.received), ([302], []))

    def test_action(self) -> None:
        """CANCEL and ACK follow a call that was proxied for its contact's action, past a better one that was not."""
        self.open(
            "sip:bob@10.0.0.3 q=1 action=redirect",
            "sip:bob@10.0.0.2 q=0.5 action=proxy",
            StatefulServer="Off",
            UseCallerPreferences="On",
        )
        for mode in ("Proxy", "Redirect"):
            if mode == "Redirect":
                self.open(
                    "sip:bob@10.0.0.3 q=1",
                    "sip:bob@10.0.0.2 q=0.5 action=proxy",
                    StatefulServer="Off",
                    UseCallerPreferences="On",
                    SIPServerMode=mode,
                )
            for method in (b"INVITE", b"CANCEL", b"ACK"):
                self.ask(method, branch=b"z9hG4bK1", call_id=b"c", cseq=b"1 " + method)
            methods = [each.message.method for each in self.called.requests() if isinstance(each.message, Request)]
            self.assertEqual(methods, [b"INVITE", b"CANCEL", b"ACK"], mode)

    def test_dialog_of_a_proxied_call(self) -> None:
        """Where a contact's action made a redirect server proxy a call, the rest of the dialog passes too."""
        self.open(
            "sip:bob@10.0.0.2 action=proxy", UseCallerPreferences="On", SIPServerMode="Redirect", AddRecordRoute="On"
        )
        self.ask(b"INVITE")
        self.answer(200)
        for method in (b"ACK", b"BYE"):
            self.ask(
                method, b"Route: <sip:192.0.2.1:5060;lr>", uri=b"sip:bob@10.0.0.2", to=self.response.required("to")
            )
            self.assertEqual(self.forwarded.method, method)
