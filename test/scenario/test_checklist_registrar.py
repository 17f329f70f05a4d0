"""The project's checklist, rows 37 to 40, 43 and 45: the registrar, what strangers may cost us, what is relayed.

A test is named after its row; RFC 3261 unless another one is named.
"""

from typing import Any

from test.scenario.stage import PROXY, WireTestCase

DOMAIN = b"sip:example.com"
BOB = b"<sip:bob@example.com>"


class RegistrarTests(WireTestCase):
    """Rows 37 to 40."""

    def setUp(self) -> None:
        """Begin with a server that knows nobody."""
        super().setUp()
        self.begin()
        self.server = self.serve()
        self.caller, self.called = self.wire("alice", "bob")

    def register(self, *contacts: bytes, headers: tuple[bytes, ...] = (), to: bytes = BOB, **parts: bytes) -> int:
        """Register contacts of bob's; give the status."""
        lines = [b"Contact: " + contact for contact in contacts]
        self.ask(b"REGISTER", *lines, *headers, uri=DOMAIN, to=to, **parts)
        return self.response.status

    @property
    def contacts(self) -> list[bytes]:
        """The URIs of the last 200."""
        return [value.partition(b">")[0][1:] for value in self.response.values("contact")]

    def test_row_37_key(self) -> None:
        """The address of record is canonical: parameters go, escapes are undone, the host has no case (10.3 item 5)."""
        self.register(b"<sip:bob@10.0.0.2>", to=b'"Bob" <sip:b%6fb@EXAMPLE.com;x=1>;y=2')
        self.register()
        self.assertEqual(self.contacts, [b"sip:bob@10.0.0.2"])
        self.assertEqual(self.register(to=b"<sip:BOB@example.com>"), 200)
        self.assertEqual(self.contacts, [])
        self.ask(b"MESSAGE", uri=b"sip:%62ob@example.com:5060")
        self.assertEqual(self.forwarded.uri, b"sip:bob@10.0.0.2")
        self.assertEqual(self.register(b"<sip:x@10.0.0.2>", to=b"<sip:bob@elsewhere.org>"), 404)

    def test_row_38_star(self) -> None:
        """Contact * alone and with Expires 0 only, else 400 and nothing is changed (10.3 item 6)."""
        self.register(b"<sip:bob@10.0.0.2>")
        zero = (b"Expires: 0",)
        self.assertEqual(self.register(b"*"), 400)
        self.assertEqual(self.register(b"*", headers=(b"Expires: 10",)), 400)
        self.assertEqual(self.register(b"*", b"<sip:x@10.0.0.9>", headers=zero), 400)
        self.register()
        self.assertEqual(self.contacts, [b"sip:bob@10.0.0.2"])
        self.assertEqual((self.register(b"*", headers=zero), self.contacts), (200, []))

    def test_row_38_order(self) -> None:
        """A CSeq that is not higher under the same Call-ID fails, and nothing of its request is done (10.3 item 7)."""
        call: dict[str, Any] = {"call_id": b"r"}
        self.register(b"<sip:bob@10.0.0.2>", cseq=b"5 REGISTER", **call)
        for cseq in (b"4 REGISTER", b"5 REGISTER"):
            status = self.register(b"<sip:new@10.0.0.9>", b"<sip:bob@10.0.0.2>;expires=0", cseq=cseq, **call)
            self.assertEqual(status, 400)
            self.assertEqual(self.register(b"*", headers=(b"Expires: 0",), cseq=cseq, **call), 400)
        self.register()
        self.assertEqual(self.contacts, [b"sip:bob@10.0.0.2"])
        self.assertEqual(self.register(b"*", headers=(b"Expires: 0",), call_id=b"other", cseq=b"1 REGISTER"), 200)

    def test_row_39_expiry(self) -> None:
        """The Contact's expires, else the header's, else the default; what is too brief is 423 (10.3 item 7)."""
        for contact, headers, granted in (
            (b"<sip:b@10.0.0.2>;expires=100", (b"Expires: 200",), b"100"),
            (b"<sip:b@10.0.0.2>", (b"Expires: 200",), b"200"),
            (b"<sip:b@10.0.0.2>", (), b"3600"),
            (b"<sip:b@10.0.0.2>;expires=4000000", (), b"86400"),
        ):
            self.assertEqual(self.register(contact, headers=headers), 200)
            self.assertIn(b";expires=" + granted, self.response.required("contact"))
        self.assertEqual(self.register(b"<sip:b@10.0.0.2>;expires=10"), 423)
        self.assertEqual(self.response.header("min-expires"), b"60")
        self.register()
        self.assertEqual(self.contacts, [b"sip:b@10.0.0.2"])

    def test_row_39_all_bindings(self) -> None:
        """The 200 lists all bindings with what is left of them, one's own first (10.3 item 8); then they end."""
        self.register(b"<sip:one@10.0.0.2>;expires=100", call_id=b"one")
        self.simulation.run(30)
        self.register(b"<sip:two@10.0.0.3>;expires=100", call_id=b"two")
        self.assertEqual(self.contacts, [b"sip:two@10.0.0.3", b"sip:one@10.0.0.2"])
        self.assertIn(b";expires=70", self.response.values("contact")[1])
        self.simulation.run(71)
        self.register()
        self.assertEqual(self.contacts, [b"sip:two@10.0.0.3"])
        self.simulation.run(30)
        self.ask(b"MESSAGE", branch=b"z9hG4bK-late")
        self.assertEqual(self.response.status, 404)

    def test_row_40_query(self) -> None:
        """Without a Contact it is a question."""
        self.assertEqual((self.register(), self.contacts), (200, []))
        self.register(b"<sip:bob@10.0.0.2>")
        self.assertEqual((self.register(), self.contacts), (200, [b"sip:bob@10.0.0.2"]))

    def test_row_40_path(self) -> None:
        """Path is kept, becomes the Route of calls, and is told to who supports it (RFC 3327)."""
        path = b"Path: <sip:10.0.0.2;lr>, <sip:edge.example.net;lr>"
        self.register(b"<sip:bob@192.0.2.99>", headers=(path, b"Supported: path"))
        self.assertEqual(b"Path: " + self.response.required("path"), path)
        self.ask(b"MESSAGE")
        self.assertEqual(self.forwarded.uri, b"sip:bob@192.0.2.99")
        self.assertEqual(self.forwarded.values("route"), [b"<sip:10.0.0.2;lr>", b"<sip:edge.example.net;lr>"])
        self.register(b"<sip:bob@192.0.2.99>", headers=(path,))
        self.assertEqual(self.response.header("path"), None)

    def test_row_40_q(self) -> None:
        """q is 0 to 1 with three decimals at most, and is kept."""
        for q in (b"0.123", b"1.000", b"0"):
            self.assertEqual(self.register(b"<sip:bob@10.0.0.2>;q=" + q), 200)
            self.assertIn(b";q=" + q, self.response.required("contact"))
        for q in (b"1.1", b"0.1234", b"-1", b"x"):
            self.assertEqual(self.register(b"<sip:bob@10.0.0.2>;q=" + q), 400, q)

    def test_row_40_instance(self) -> None:
        """The same instance and reg-id replaces its former contact (RFC 5626 6)."""
        flow = b';+sip.instance="<urn:uuid:1>";reg-id=1'
        self.register(b"<sip:bob@10.0.0.2:1111>" + flow, call_id=b"one")
        self.register(b"<sip:bob@10.0.0.2:2222>" + flow, call_id=b"two")
        self.assertEqual(self.contacts, [b"sip:bob@10.0.0.2:2222"])


class StrangerTests(WireTestCase):
    """Row 43."""

    def test_row_43_no_state(self) -> None:
        """What is no proper request gets one answer at most, and leaves nothing behind."""
        self.open()

        def spoilt(part: bytes, by: bytes) -> bytes:
            return self.caller.make_request(b"INVITE", b"sip:bob@example.com", cseq=b"1 INVITE").replace(part, by)

        for data, statuses in (
            (spoilt(b"From", b"Form"), [400]),
            (spoilt(b"Call-ID", b"Called"), [400]),
            (spoilt(b"1 INVITE", b"1 BYE"), [400]),
            (spoilt(b"Max-Forwards: 70", b"Max-Forwards: x"), [400]),
            (spoilt(b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia"), [505]),
            (spoilt(b"Via:", b"Viaduct:"), []),
            (b"hello", []),
            (bytes(range(256)), []),
            (b"SIP/2.0 200 OK\r\n\r\n", []),
        ):
            before = len(self.caller.received)
            self.send(data)
            self.simulation.run(40)
            self.assertEqual(self.caller.statuses()[before:], statuses, data)
            self.assertEqual((len(self.server.sip.core.table), len(self.server.sip.core.wheel)), (0, 0))
        self.assertEqual(self.called.received, [])

    def test_row_43_small_answers(self) -> None:
        """An answer to a stranger is not larger than the question by more than a line or two."""
        self.open()
        for data in (
            self.caller.make_request(b"OPTIONS", b"sip:example.com"),
            self.caller.make_request(b"OPTIONS", b"sip:nobody@example.com"),
            self.caller.make_request(b"OPTIONS", b"sip:bob@example.com", max_forwards=0),
        ):
            self.send(data)
            self.assertLess(len(self.caller.received[-1].data), len(data) + 250)


class RelayTests(WireTestCase):
    """Row 45."""

    def test_row_45_extensions(self) -> None:
        """Session-Expires, 100rel, Replaces, Reason, Diversion and History-Info go through in their order."""
        self.open()
        headers = (
            b"Session-Expires: 1800;refresher=uac",
            b"Min-SE: 90",
            b"Supported: timer, 100rel, replaces",
            b"Replaces: a;to-tag=1;from-tag=2",
            b"Diversion: <sip:x@y>;reason=user-busy;counter=1",
            b"Diversion: <sip:z@y>;reason=no-answer",
            b"History-Info: <sip:a@b>;index=1, <sip:c@d>;index=1.1",
            b'Reason: Q.850;cause=16;text="Terminated"',
        )
        self.ask(b"INVITE", *headers)
        self.assertEqual([line for line in self.forwarded.lines if line in headers], list(headers))
        self.answer(183, b"Require: 100rel", b"RSeq: 7")
        self.assertEqual((self.response.header("rseq"), self.response.header("require")), (b"7", b"100rel"))

    def test_row_45_prack(self) -> None:
        """PRACK is a request like others, within the early dialog."""
        self.open(AddRecordRoute="On")
        route = b"Route: <sip:%b:5060;lr>" % PROXY.encode()
        self.ask(b"PRACK", route, b"RAck: 7 1 INVITE", uri=self.called.uri, to=b"<sip:bob@example.com>;tag=bob")
        self.assertEqual((self.forwarded.method, self.forwarded.header("rack")), (b"PRACK", b"7 1 INVITE"))
        self.answer(200)
        self.assertEqual(self.caller.statuses(), [200])

    def test_row_45_422(self) -> None:
        """A 422 goes back with its Min-SE."""
        self.open()
        self.ask(b"INVITE", branch=b"z9hG4bK-1")
        self.answer(422, b"Min-SE: 3600")
        self.assertEqual((self.response.status, self.response.header("min-se")), (422, b"3600"))
