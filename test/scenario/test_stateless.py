"""The stateless proxy, and redirect in both kinds (RFC 3261 16.11, 8.3)."""

from typing import Any

from sipproxy.app import Server
from sipproxy.message import Response
from sipproxy.simulation import Endpoint, answers, rejects
from test.scenario.stage import BAD_NETWORK, PROXY, PROXY_ADDRESS, ScenarioTestCase


class StatelessTests(ScenarioTestCase):
    """StatefulServer Off."""

    def serve_stateless(self, *contacts: str, **directives: Any) -> Server:
        """Start a stateless server that knows bob."""
        return self.serve_bob(*contacts, StatefulServer="Off", **directives)

    def same(self, alice: Endpoint, method: bytes, **parts: Any) -> bytes:
        """Write a message of one and the same INVITE transaction."""
        return alice.make_request(
            method, b"sip:bob@example.com", branch=b"z9hG4bK-1", call_id=b"c", cseq=b"1 " + method, **parts
        )

    def test_nothing_is_kept(self) -> None:
        """A call goes through and leaves nothing behind at any moment; there is no 100 but the callee's."""
        server = self.serve_stateless(AddRecordRoute="On")
        alice, bob = self.wire("alice", "bob")
        alice.send(self.same(alice, b"INVITE"), PROXY_ADDRESS)
        self.simulation.run(0.1)
        self.assertEqual((len(server.sip.core.table), server.sip.core.pending, alice.statuses()), (0, 0, []))
        for status in (180, 200):
            bob.respond(bob.requests()[0], status)
        self.simulation.run(0.1)
        self.assertEqual((len(server.sip.core.table), alice.statuses()), (0, [180, 200]))

    def test_same_branch(self) -> None:
        """A retransmission, the CANCEL and the ACK for a failure have the branch of their INVITE."""
        self.serve_stateless()
        alice, bob = self.wire("alice", "bob")
        for method, parts in (
            (b"INVITE", {}),
            (b"INVITE", {}),
            (b"CANCEL", {}),
            (b"ACK", {"to": b"<sip:bob@example.com>;tag=1"}),
        ):
            alice.send(self.same(alice, method, **parts), PROXY_ADDRESS)
        self.simulation.run(0.1)
        received = [each.message for each in bob.requests()]
        self.assertEqual(len({message.via.branch for message in received if message}), 1)
        self.assertEqual(len({message.uri for message in received if message and hasattr(message, "uri")}), 1)
        self.assertEqual(bob.requests()[0].data, bob.requests()[1].data)

    def test_branchless(self) -> None:
        """Those of an RFC 2543 caller too, and other requests have others."""
        self.serve_stateless()
        alice, bob = self.wire("alice", "bob")
        for cseq in (b"1 MESSAGE", b"1 MESSAGE", b"2 MESSAGE"):
            via = b"SIP/2.0/UDP " + alice.at
            request = alice.make_request(b"MESSAGE", b"sip:bob@example.com", via=via, call_id=b"c", cseq=cseq)
            alice.send(request, PROXY_ADDRESS)
        self.simulation.run(0.1)
        branches = [each.message.via.branch for each in bob.requests() if each.message]
        self.assertEqual((branches[0] == branches[1], branches[1] == branches[2]), (True, False))

    def test_never_forks(self) -> None:
        """Of several contacts the best one is called, of equal ones always the same for a call."""
        self.serve_stateless("sip:bob@10.0.0.2", "sip:bob@10.0.0.3", "sip:bob@10.0.0.4 q=0.5")
        alice, *bobs = self.wire("alice", "one", "two", "three")
        for at in range(20):
            parts: dict[str, Any] = {"call_id": b"c%d" % at, "branch": b"z9hG4bK-%d" % at, "cseq": b"1 MESSAGE"}
            for _ in range(2):
                alice.send(alice.make_request(b"MESSAGE", b"sip:bob@example.com", **parts), PROXY_ADDRESS)
        self.simulation.run(0.1)
        counts = [len(bob.requests()) for bob in bobs]
        self.assertEqual((sum(counts), counts[2]), (40, 0))
        self.assertTrue(all(count and count % 2 == 0 for count in counts[:2]), counts)

    def test_responses(self) -> None:
        """Responses go where the Via below ours says; one that has only ours, or not ours, nowhere."""
        self.serve_stateless()
        alice, bob = self.wire("alice", "bob")
        alice.send(alice.make_request(b"MESSAGE", b"sip:bob@example.com"), PROXY_ADDRESS)
        self.simulation.run(0.1)
        (received,) = bob.requests()
        bob.respond(received, 200)
        ours = b"SIP/2.0/UDP %b:5060;branch=z9hG4bK-x" % PROXY.encode()
        others = b"SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bK-x"
        for via in (ours, others + b", SIP/2.0/UDP " + alice.at):
            request = bob.make_request(b"MESSAGE", b"sip:x@example.com", via=via)
            bob.send(request.replace(b"MESSAGE sip:x@example.com SIP/2.0", b"SIP/2.0 200 OK"), PROXY_ADDRESS)
        self.simulation.run(0.1)
        self.assertEqual(alice.statuses(), [200])

    def test_errors(self) -> None:
        """Errors of our own are answered without a transaction, and their ACK goes no further."""
        server = self.serve_stateless()
        alice, bob = self.wire("alice", "bob")
        alice.send(self.same(alice, b"INVITE", max_forwards=0), PROXY_ADDRESS)
        self.simulation.run(0.1)
        (response,) = alice.responses()
        self.assertEqual((response.status, len(server.sip.core.table)), (483, 0))
        alice.send(self.same(alice, b"ACK", to=response.required("to")), PROXY_ADDRESS)
        self.simulation.run(0.1)
        self.assertEqual(bob.received, [])

    def test_calls(self) -> None:
        """Whole calls, also on a bad network: the ends alone retransmit."""
        for seed in range(1, 5):
            self.begin(seed, BAD_NETWORK)
            self.serve_stateless(AddRecordRoute="On")
            bob = self.callee(0, answers(after=1.0))
            alice = self.alice()
            call = self.call_bob(alice)
            self.simulation.run(40)
            for dialog in call.dialogs:
                if not dialog.ended:
                    alice.bye(dialog)
            self.simulation.finish()
            self.assertTrue(all(dialog.ended for agent in (alice, bob) for dialog in agent.dialogs.values()))

    def test_failures(self) -> None:
        """486 and its ACK go end to end; CANCEL stops the ringing."""
        self.serve_stateless()
        bob = self.callee(0, rejects(486))
        alice = self.alice()
        self.assertEqual(self.call_bob(alice).statuses, [100, 486])
        bob.behaviour = answers(after=10)
        call = alice.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        call.cancel()
        self.simulation.run(1)
        self.assertEqual((call.final, bob.calls[-1].was_cancelled), (487, True))

    def test_register(self) -> None:
        """REGISTER keeps its transaction: a retransmission is answered alike and not processed again."""
        self.serve_stateless()
        (alice,) = self.wire("alice")
        register = alice.make_request(
            b"REGISTER", b"sip:example.com", b"Contact: <sip:a@10.0.0.1>", to=b"<sip:a@example.com>"
        )
        for _ in range(2):
            alice.send(register, PROXY_ADDRESS)
            self.simulation.run(0.1)
        self.assertEqual(alice.statuses(), [200, 200])


class RedirectTests(ScenarioTestCase):
    """SIPServerMode Redirect."""

    def redirect(self, uri: bytes, *contacts: str, stateful: str = "On") -> Response:
        """Send an INVITE, acknowledge what comes, and give it."""
        self.begin()
        server = self.serve_bob(*contacts, SIPServerMode="Redirect", StatefulServer=stateful)
        alice, bob = self.wire("alice", "bob")
        parts: dict[str, Any] = {"branch": b"z9hG4bK-1", "call_id": b"c"}
        alice.send(alice.make_request(b"INVITE", uri, cseq=b"1 INVITE", **parts), PROXY_ADDRESS)
        self.simulation.run(0.1)
        (response,) = alice.responses()
        self.assertEqual(len(server.sip.core.table), 1 if stateful == "On" else 0)
        alice.send(alice.make_request(b"ACK", uri, cseq=b"1 ACK", to=response.required("to"), **parts), PROXY_ADDRESS)
        self.simulation.run(40)
        self.assertEqual((len(server.sip.core.table), len(alice.received), bob.received), (0, 1, []))
        return response

    def test_one(self) -> None:
        """One contact: 302 with it, octet for octet."""
        for stateful in ("On", "Off"):
            response = self.redirect(b"sip:bob@example.com", "sip:bob@10.0.0.2;x=1", stateful=stateful)
            self.assertEqual((response.status, response.header("contact")), (302, b"<sip:bob@10.0.0.2;x=1>"))

    def test_several(self) -> None:
        """Several: 300 with q, the best first."""
        for stateful in ("On", "Off"):
            contacts = ("sip:bob@10.0.0.2 q=0.25", "sip:bob@10.0.0.3 q=0.7")
            response = self.redirect(b"sip:bob@example.com", *contacts, stateful=stateful)
            self.assertEqual(response.status, 300)
            self.assertEqual(response.values("contact"), [b"<sip:bob@10.0.0.3>;q=0.7", b"<sip:bob@10.0.0.2>;q=0.25"])

    def test_unknown(self) -> None:
        """Nothing is known of it: 404, for our own domain and for others."""
        for uri in (b"sip:carol@example.com", b"sip:carol@10.0.0.2"):
            self.assertEqual(self.redirect(uri).status, 404)
            self.assertEqual(self.redirect(uri, stateful="Off").status, 404)

    def test_cancel(self) -> None:
        """A CANCEL for what is answered already: 200 where its transaction is there, else 481; never forwarded."""
        for stateful, status in (("On", 200), ("Off", 481)):
            self.begin()
            self.serve_bob(SIPServerMode="Redirect", StatefulServer=stateful)
            alice, bob = self.wire("alice", "bob")
            for method in (b"INVITE", b"CANCEL"):
                request = alice.make_request(
                    method, b"sip:bob@example.com", branch=b"z9hG4bK-1", call_id=b"c", cseq=b"1 " + method
                )
                alice.send(request, PROXY_ADDRESS)
                self.simulation.run(0.1)
            self.assertEqual((alice.statuses(b"CANCEL"), bob.received), ([status], []))
