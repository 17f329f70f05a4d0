"""Loops, spirals and Max-Breadth (RFC 3261 16.3 item 4, RFC 5393)."""

from sipproxy.simulation import Endpoint, rejects, rings
from test.scenario.stage import PROXY, PROXY_ADDRESS, ScenarioTestCase

SECOND = "192.0.2.2"


class LoopTests(ScenarioTestCase):
    """Two proxies that send calls to each other."""

    def two_proxies(self, first: list[str], second: list[str], **directives: str) -> None:
        """Start both with these StaticRegistrations."""
        self.serve(StaticRegistration=first, **directives)
        self.serve(SECOND, StaticRegistration=second, **directives)

    def test_loop(self) -> None:
        """Each sends bob to the other: a request that comes back as it was is 482."""
        self.two_proxies([f"bob@example.com sip:bob@{SECOND}"], [f"bob@example.com sip:bob@{PROXY}"])
        call = self.call_bob(self.alice())
        self.assertEqual(call.final, 482)
        invites = [sent for sent in self.simulation.network.transcript if sent.data.startswith(b"INVITE")]
        # From alice, to the second, back as a spiral (another Request-URI), to the second once more: there it ends.
        self.assertEqual(len(invites), 4)

    def test_loop_stateless(self) -> None:
        """Stateless proxies see it too."""
        self.two_proxies(
            [f"bob@example.com sip:bob@{SECOND}"], [f"bob@example.com sip:bob@{PROXY}"], StatefulServer="Off"
        )
        self.assertEqual(self.call_bob(self.alice()).final, 482)

    def test_spiral(self) -> None:
        """A request that comes back for somebody else passes, as a new transaction, record-routed again."""
        first = [f"bob@example.com sip:carol@{SECOND}", "dave@example.com sip:dave@10.0.0.2"]
        self.two_proxies(first, [f"carol@example.com sip:dave@{PROXY}"], AddRecordRoute="On")
        dave = self.callee(0)
        call = self.call_bob(self.alice())
        request = dave.calls[0].request
        self.assertEqual(call.final, 200)
        self.assertEqual(
            [value[:26] for value in request.values("via")][:3],
            [f"SIP/2.0/UDP {host}:5060"[:26].encode() for host in (PROXY, SECOND, PROXY)],
        )
        self.assertEqual(len(request.values("record-route")), 3)
        self.assertEqual(request.header("max-forwards"), b"67")
        bye = dave.bye(next(iter(dave.dialogs.values())))
        self.simulation.run(1)
        self.assertEqual(bye.final, 200)

    def test_forking_loop(self) -> None:
        """Two contacts each that lead to each other (RFC 5393 3): the storm dies, the caller is told."""
        self.two_proxies(
            [f"bob@example.com sip:bob@{SECOND};way={way}" for way in "12"],
            [f"bob@example.com sip:bob@{PROXY};way={way}" for way in "12"],
        )
        call = self.call_bob(self.alice())
        self.assertEqual(call.final, 482)
        invites = [sent for sent in self.simulation.network.transcript if sent.data.startswith(b"INVITE")]
        self.assertLess(len(invites), 100)

    def test_other_tag(self) -> None:
        """What our decision reads differs, so it is no loop: a second request of the same dialog."""
        self.serve_bob()
        alice, bob = self.wire("alice", "bob")
        alice.send(alice.make_request(b"MESSAGE", b"sip:bob@example.com", call_id=b"c"), PROXY_ADDRESS)
        self.simulation.run(0.1)
        first = bob.requests()[0].message
        assert first is not None
        ours = b"Via: " + first.values("via")[0]
        for to in (b"<sip:bob@example.com>", b"<sip:bob@example.com>;tag=1"):
            again = alice.make_request(b"MESSAGE", b"sip:bob@example.com", ours, call_id=b"c", cseq=b"1 MESSAGE", to=to)
            alice.send(again, PROXY_ADDRESS)
            self.simulation.run(0.1)
        self.assertEqual((alice.statuses(), len(bob.requests())), ([482], 2))


class BreadthTests(ScenarioTestCase):
    """Max-Breadth."""

    def fork(self, breadth: bytes | None, *contacts: str, **directives: str) -> tuple[Endpoint, list[Endpoint]]:
        """Send an INVITE with a Max-Breadth to bob, who has these contacts; give the caller and the callees."""
        self.serve_bob(*contacts, **directives)
        alice, *bobs = self.wire("alice", *(f"bob{at}" for at in range(len(contacts))))
        headers = () if breadth is None else (b"Max-Breadth: " + breadth,)
        alice.send(alice.make_request(b"INVITE", b"sip:bob@example.com", *headers), PROXY_ADDRESS)
        self.simulation.run(0.1)
        return alice, bobs

    def breadths(self, endpoints: list[Endpoint]) -> list[bytes | None]:
        """Give the Max-Breadth that reached each, or None."""
        found = [each.requests(b"INVITE") for each in endpoints]
        return [
            None if not seen or seen[0].message is None else seen[0].message.header("max-breadth") for seen in found
        ]

    def test_split(self) -> None:
        """It is divided among branches at one time, no branch gets none."""
        _, bobs = self.fork(b"5", "sip:b@10.0.0.2", "sip:b@10.0.0.3", "sip:b@10.0.0.4")
        self.assertEqual(self.breadths(bobs), [b"2", b"2", b"1"])

    def test_absent_and_too_large(self) -> None:
        """None given, or more than MaxBreadth: MaxBreadth."""
        _, bobs = self.fork(None, "sip:b@10.0.0.2", MaxBreadth="7")
        self.assertEqual(self.breadths(bobs), [b"7"])
        self.begin()
        _, bobs = self.fork(b"1000", "sip:b@10.0.0.2", MaxBreadth="7")
        self.assertEqual(self.breadths(bobs), [b"7"])

    def test_reuse(self) -> None:
        """What does not fit waits until a branch has ended, and gets its share (5.3.3.1)."""
        alice, bobs = self.fork(b"2", "sip:b@10.0.0.2", "sip:b@10.0.0.3", "sip:b@10.0.0.4")
        self.assertEqual(self.breadths(bobs), [b"1", b"1", None])
        bobs[0].respond(bobs[0].requests()[0], 404)
        self.simulation.run(0.1)
        self.assertEqual(self.breadths(bobs), [b"1", b"1", b"1"])
        for bob in bobs[1:]:
            bob.respond(bob.requests()[0], 404)
        self.simulation.run(0.1)
        self.assertEqual(alice.statuses()[:2], [100, 404])

    def test_sequential(self) -> None:
        """Branches one after the other have all of it, each in its turn."""
        self.serve_bob("sip:b@10.0.0.2 q=0.9", "sip:b@10.0.0.3 q=0.8")
        bobs = [self.callee(0, rejects(404)), self.callee(1, rings)]
        self.alice().invite(b"sip:bob@example.com", b"Max-Breadth: 3")
        self.simulation.run(1)
        self.assertEqual([bob.calls[0].request.header("max-breadth") for bob in bobs], [b"3", b"3"])

    def test_zero(self) -> None:
        """0: nothing may be forwarded, 440."""
        for mode in ("On", "Off"):
            self.begin()
            alice, bobs = self.fork(b"0", "sip:b@10.0.0.2", StatefulServer=mode)
            self.assertEqual((alice.statuses()[-1:], self.breadths(bobs)), ([440], [None]))

    def test_in_dialog(self) -> None:
        """ACK, BYE and what is forwarded statelessly carry it too."""
        self.serve_bob()
        alice, bob = self.wire("alice", "bob")
        route = b"Route: <sip:%b;lr>" % PROXY.encode()
        for method in (b"ACK", b"BYE"):
            request = alice.make_request(method, bob.uri, route, b"Max-Breadth: 9", to=b"<sip:bob@example.com>;tag=1")
            alice.send(request, PROXY_ADDRESS)
        self.simulation.run(0.1)
        received = [each.message for each in bob.requests()]
        self.assertEqual([message.header("max-breadth") for message in received if message], [b"9", b"9"])

    def test_nonsense(self) -> None:
        """A value that is no number: 400."""
        alice, _ = self.fork(b"many", "sip:b@10.0.0.2")
        self.assertEqual(alice.statuses()[-1:], [400])
