"""Tests of matching: which message belongs to which transaction (RFC 3261 17.1.3, 17.2.3, 9.2)."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import UnavailableError
from sipproxy.message import Request, Response, parse_message
from test.transaction.fixtures import SOURCE, Layer, parsed, request, response


class RequestMatchingTests(SynchronousTestCase):
    """L{TransactionTable.receive_request}."""

    def setUp(self) -> None:
        """Make a table with one INVITE."""
        self.layer = Layer()
        self.server = self.layer.server()

    def receive(self, data: bytes) -> None:
        """Receive a request."""
        self.layer.table.receive_request(parsed(data), SOURCE, self.layer.wire)

    def test_retransmission(self) -> None:
        """Same branch, sent-by and method: the same transaction, whatever the case of the branch."""
        self.receive(request())
        self.receive(request(branch="Z9HG4BKA"))
        self.assertEqual((self.layer.told.heard, self.layer.table.retransmissions), ([], 2))

    def test_other_branch_or_method(self) -> None:
        """Another branch, or another method with that branch, is a new request."""
        self.receive(request(branch="z9hG4bKb"))
        self.receive(request("INFO"))
        self.assertEqual(self.layer.told.heard, ["INVITE", "INFO"])

    def test_other_sent_by(self) -> None:
        """The sent-by belongs to the key: branches of two clients may be equal."""
        self.receive(request().replace(b"UDP 192.0.2.1", b"UDP 192.0.2.2"))
        self.assertEqual(self.layer.told.heard, ["INVITE"])

    def test_ack_for_failure_is_absorbed(self) -> None:
        """17.2.3: the ACK of a failure has its INVITE's branch."""
        self.server.respond(486, b"SIP/2.0 486 x\r\n\r\n")
        self.receive(request("ACK"))
        self.assertEqual((self.layer.told.heard, self.server.state), ([], "confirmed"))

    def test_ack_for_success_goes_to_the_core(self) -> None:
        """RFC 6026 7.1: in Accepted an ACK is for the 2xx."""
        self.server.respond(200, b"SIP/2.0 200 x\r\n\r\n")
        self.receive(request("ACK"))
        self.receive(request("ACK", branch="z9hG4bKother"))
        self.assertEqual(self.layer.told.heard, ["ACK", "ACK"])

    def test_cancel(self) -> None:
        """9.2: a CANCEL is answered at once with the To tag of the INVITE's responses, its copies too."""
        self.receive(request("CANCEL"))
        self.receive(request("CANCEL"))
        self.assertEqual((self.layer.wire.starts(), self.layer.told.heard), (["200", "200"], ["cancelled"]))
        self.assertIn(b";tag=" + self.server.to_tag, self.layer.wire.sent[0])

    def test_cancel_of_another_method(self) -> None:
        """9.2: a CANCEL is answered 200 whatever the method is that it belongs to."""
        layer = self.layer
        server = layer.server("MESSAGE", branch="z9hG4bKm")
        self.receive(request("CANCEL", branch="z9hG4bKm"))
        self.assertEqual((layer.wire.starts(), layer.told.heard), (["200"], ["cancelled"]))
        self.assertIn(b";tag=" + server.to_tag, layer.wire.sent[0])

    def test_unknown_cancel(self) -> None:
        """16.10: a CANCEL of nothing goes to the core."""
        self.receive(request("CANCEL", branch="z9hG4bKb"))
        self.assertEqual(self.layer.told.heard, ["CANCEL"])

    def test_rfc_2543(self) -> None:
        """17.2.3: without the cookie Request-URI, tags, Call-ID, CSeq and top Via are compared."""
        layer = self.layer
        server = layer.server(branch="old")
        self.receive(request(branch="old"))
        server.respond(486, b"SIP/2.0 486 x\r\n\r\n")
        self.receive(request("ACK", branch="old", to="<sip:b@example.org>;tag=2"))
        self.assertEqual((layer.told.heard, server.state), ([], "confirmed"))
        self.receive(request(branch="old").replace(b"Call-ID: c@", b"Call-ID: d@"))
        self.assertEqual(layer.told.heard, ["INVITE"])

    def test_limit(self) -> None:
        """MaxTransactions: no further transaction begins, but a CANCEL, which ends one."""
        layer = Layer(limit=1)
        layer.server()
        self.assertRaises(UnavailableError, layer.server, branch="z9hG4bKb")
        layer.table.receive_request(parsed(request("CANCEL")), SOURCE, layer.wire)
        self.assertEqual(layer.told.heard, ["cancelled"])


class ResponseMatchingTests(SynchronousTestCase):
    """L{TransactionTable.receive_response}."""

    def test_branch_and_method(self) -> None:
        """17.1.3: the branch and the method of CSeq; the CANCEL has the branch of its INVITE."""
        layer = Layer()
        invite = layer.client()
        layer.table.create_cancel(invite, layer.told)
        layer.table.create_cancel(invite, layer.told)
        self.assertEqual(layer.wire.starts(), ["INVITE", "CANCEL"])
        for answer in (response(481, "CANCEL"), response(180, branch="Z9hg4bkA"), response(180, branch="z9hG4bKb")):
            layer.table.receive_response(answer, SOURCE, layer.wire)
        self.assertEqual(layer.told.heard, [481, 180, "stray 180"])

    def test_method(self) -> None:
        """A response whose CSeq names another method than the request is none of it (17.1.3 item 2)."""
        layer = Layer()
        layer.client()
        for answer in (response(200, "OPTIONS"), response(200, "CANCEL"), response(180)):
            layer.table.receive_response(answer, SOURCE, layer.wire)
        self.assertEqual(layer.told.heard, ["stray 200", "stray 200", 180])

    def test_sent_by(self) -> None:
        """A response below a sent-by that is not ours is dropped, whatever its branch (18.1.2)."""
        layer = Layer()
        layer.client()
        foreign = parse_message(response(180).to_bytes().replace(b"UDP 192.0.2.1;", b"UDP 192.0.2.9;"))
        assert isinstance(foreign, Response)
        for answer in (foreign, response(180)):
            layer.table.receive_response(answer, SOURCE, layer.wire)
        self.assertEqual(layer.told.heard, ["stray 180", 180])


class StampTests(SynchronousTestCase):
    """received and rport (RFC 3261 18.2.1, RFC 3581 4)."""

    def stamped(self, via: str, source: tuple[str, int] = ("192.0.2.7", 4711)) -> tuple[bytes, tuple[str, int]]:
        """Receive a request with a Via; give the Via and where a response goes."""
        layer = Layer()
        data = request().replace(b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa", via.encode())
        message = parsed(data)
        layer.table.receive_request(message, source, layer.wire)
        again = parse_message(message.to_bytes())
        assert isinstance(again, Request)
        server = layer.table.create_server(again, source, layer.wire, layer.told)
        return again.headers("via")[0], server.destination

    def test_same_address(self) -> None:
        """Nothing is added where the source is what sent-by says; the response goes to the sent-by port."""
        via = "SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bKx"
        self.assertEqual(self.stamped(via), (via.encode(), ("192.0.2.7", 5070)))

    def test_received(self) -> None:
        """18.2.2: the response goes to the received address and the sent-by port, not the source port."""
        via, destination = self.stamped("SIP/2.0/UDP gw.example.org;branch=z9hG4bKx")
        self.assertEqual(via, b"SIP/2.0/UDP gw.example.org;branch=z9hG4bKx;received=192.0.2.7")
        self.assertEqual(destination, ("192.0.2.7", 5060))

    def test_rport(self) -> None:
        """RFC 3581 4: rport gets its value, received is added even where it is what sent-by says."""
        via, destination = self.stamped("SIP/2.0/UDP 192.0.2.7:5070;rport;branch=z9hG4bKx")
        self.assertEqual(via, b"SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bKx;received=192.0.2.7;rport=4711")
        self.assertEqual(destination, ("192.0.2.7", 4711))

    def test_forged_received(self) -> None:
        """What a sender writes itself of where it is counts for nothing."""
        via, destination = self.stamped("SIP/2.0/UDP 192.0.2.7;received=203.0.113.9;branch=z9hG4bKx")
        self.assertEqual((via, destination), (b"SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx", ("192.0.2.7", 5060)))

    def test_further_values_stay(self) -> None:
        """Only the topmost of several values in one line is touched."""
        via, _ = self.stamped("SIP/2.0/UDP a.example;branch=z9hG4bKx , SIP/2.0/UDP b.example;branch=z9hG4bKy")
        self.assertEqual(
            via,
            b"SIP/2.0/UDP a.example;branch=z9hG4bKx;received=192.0.2.7, SIP/2.0/UDP b.example;branch=z9hG4bKy",
        )

    def test_ipv6(self) -> None:
        """IPv6 sent-by is compared without its brackets, received stands without them."""
        via = "SIP/2.0/UDP [2001:db8::1];branch=z9hG4bKx"
        self.assertEqual(self.stamped(via, ("2001:db8::1", 9)), (via.encode(), ("2001:db8::1", 5060)))
        moved, _ = self.stamped(via, ("2001:db8::2", 9))
        self.assertEqual(moved, via.encode() + b";received=2001:db8::2")

    def test_quoted_separators(self) -> None:
        """Separators inside quoted values are no separators."""
        via, _ = self.stamped('SIP/2.0/UDP a.example;x="1;2, 3";branch=z9hG4bKx')
        self.assertEqual(via, b'SIP/2.0/UDP a.example;x="1;2, 3";branch=z9hG4bKx;received=192.0.2.7')
