"""Contacts that lead on: 3xx from downstream, rounds inside us, caller preferences (RFC 3261 16.5, 16.7 item 4)."""

from sipproxy.simulation import redirects, rejects, rings
from test.scenario.stage import PROXY, PROXY_ADDRESS, ScenarioTestCase

AT_US = f"sip:%s@{PROXY}"


class RecursionTests(ScenarioTestCase):
    """A 3xx from downstream."""

    def test_on(self) -> None:
        """Its contacts are tried, by q; the caller sees no 3xx."""
        self.serve_bob()
        self.callee(0, redirects(b"<sip:bob@10.0.0.3>;q=0.2", b"<sip:bob@10.0.0.4>;q=0.8"))
        bobs = [self.callee(1), self.callee(2, rejects(404))]
        call = self.call_bob(self.alice())
        self.assertEqual(call.statuses, [100, 180, 200])
        self.assertEqual([len(bob.calls) for bob in bobs], [1, 1])
        self.assertEqual(bobs[0].calls[0].request.uri, b"sip:bob@10.0.0.3")

    def test_off(self) -> None:
        """It goes upstream as it is."""
        self.serve_bob(Recursive="Off")
        self.callee(0, redirects(b"<sip:bob@10.0.0.3>"))
        call = self.call_bob(self.alice())
        self.assertEqual(call.statuses, [100, 302])
        self.assertEqual(call.responses[-1].header("contact"), b"<sip:bob@10.0.0.3>")

    def test_not_ours(self) -> None:
        """Where the Request-URI is somebody else's, its 3xx is the caller's to follow (16.5)."""
        self.serve()
        self.callee(0, redirects(b"<sip:bob@10.0.0.3>"))
        call = self.alice().invite(b"sip:bob@10.0.0.2")
        self.simulation.run(1)
        self.assertEqual(call.final, 302)

    def test_all_fail(self) -> None:
        """The best of what the contacts said goes upstream, not the 3xx that led to them."""
        self.serve_bob()
        self.callee(0, redirects(b"<sip:bob@10.0.0.3>"))
        self.callee(1, rejects(486))
        self.assertEqual(self.call_bob(self.alice()).final, 486)

    def test_circle(self) -> None:
        """A contact that was tried before is not tried again; then the 3xx is all there is."""
        self.serve_bob()
        self.callee(0, redirects(b"<sip:bob@10.0.0.3>"))
        second = self.callee(1, redirects(b"<sip:bob@10.0.0.2>"))
        call = self.call_bob(self.alice())
        self.assertEqual((call.final, len(second.calls)), (302, 1))

    def test_no_sip_contact(self) -> None:
        """A 3xx whose contacts are no SIP addresses goes upstream."""
        self.serve_bob()
        self.callee(0, redirects(b"<mailto:bob@example.com>"))
        self.assertEqual(self.call_bob(self.alice()).final, 302)

    def test_among_others(self) -> None:
        """A 3xx of one branch while another rings: its contacts are called beside that one."""
        self.serve_bob("sip:bob@10.0.0.2", "sip:bob@10.0.0.3")
        self.callee(0, redirects(b"<sip:bob@10.0.0.4>"))
        ringing, further = self.callee(1, rings), self.callee(2)
        call = self.call_bob(self.alice())
        self.simulation.run(0.1)
        self.assertEqual((call.final, len(further.calls), ringing.calls[0].final), (200, 1, 487))


class RoundTests(ScenarioTestCase):
    """Contacts at our own host are translated again inside us, as a spiral that never leaves."""

    def static(self, *entries: str, **directives: str) -> None:
        """Start a server with these StaticRegistrations."""
        self.serve(StaticRegistration=list(entries), **directives)

    def test_chain(self) -> None:
        """bob is carol, carol is dave, dave has a telephone: three rounds, each takes a Max-Forwards."""
        self.static(
            f"bob@example.com {AT_US % 'carol'}",
            "carol@example.com sip:dave@example.com",
            "dave@example.com sip:d@10.0.0.2",
        )
        dave = self.callee(0)
        call = self.call_bob(self.alice())
        request = dave.calls[0].request
        self.assertEqual((call.final, request.uri, request.header("max-forwards")), (200, b"sip:d@10.0.0.2", b"67"))
        self.assertEqual(len(request.values("via")), 2)

    def test_hops_run_out(self) -> None:
        """No more rounds than Max-Forwards allows: 483."""
        self.static("bob@example.com sip:carol@example.com", "carol@example.com sip:d@10.0.0.2")
        alice, bob = self.wire("alice", "bob")
        bob.script = lambda received: bob.respond(received, 200)
        for hops in (1, 2):
            alice.send(alice.make_request(b"MESSAGE", b"sip:bob@example.com", max_forwards=hops), PROXY_ADDRESS)
            self.simulation.run(0.1)
        self.assertEqual(alice.statuses(), [483, 200])

    def test_circle(self) -> None:
        """bob is carol and carol is bob: 482."""
        self.static("bob@example.com sip:carol@example.com", "carol@example.com sip:bob@example.com")
        self.assertEqual(self.call_bob(self.alice()).final, 482)

    def test_circle_beside_a_telephone(self) -> None:
        """A contact that leads back is left out where there is another."""
        self.static("bob@example.com sip:bob@example.com", "bob@example.com sip:bob@10.0.0.2")
        self.callee(0)
        self.assertEqual(self.call_bob(self.alice()).final, 200)

    def test_registered_at_us(self) -> None:
        """A telephone that registers an address of ours as its contact, and another one that is there."""
        self.serve()
        carol = self.simulation.agent(b"sip:carol@example.com", "10.0.0.2", PROXY)
        bob = self.simulation.agent(b"sip:bob@example.com", "10.0.0.3", PROXY)
        bob.register(b"<sip:carol@example.com>")
        carol.register()
        self.simulation.run(1)
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertEqual(len(carol.calls), 1)

    def test_3xx_to_us(self) -> None:
        """The contact of a 3xx at our own host is translated inside us too."""
        self.static("bob@example.com sip:bob@10.0.0.2", "carol@example.com sip:carol@10.0.0.3")
        self.callee(0, redirects(b"<sip:carol@example.com>"))
        carol = self.callee(1)
        self.assertEqual(self.call_bob(self.alice()).final, 200)
        self.assertEqual(carol.calls[0].request.uri, b"sip:carol@10.0.0.3")

    def test_3xx_back(self) -> None:
        """A 3xx to the address that was called is a circle: it goes upstream."""
        self.serve_bob()
        self.callee(0, redirects(b"<sip:bob@example.com>"))
        self.assertEqual(self.call_bob(self.alice()).final, 302)


class PreferenceTests(ScenarioTestCase):
    """UseCallerPreferences and the action parameter."""

    def call(self, *actions: str, **directives: str) -> tuple[list[int], list[int]]:
        """Call bob with contacts of these actions; give the statuses and the number of calls at each telephone."""
        self.begin()
        contacts = [
            f"sip:bob@10.0.0.{2 + at}" + (f" action={action}" if action else "") for at, action in enumerate(actions)
        ]
        self.serve_bob(*contacts, **directives)
        bobs = [self.callee(at) for at in range(len(actions))]
        call = self.call_bob(self.alice())
        return call.statuses[-1:], [len(bob.calls) for bob in bobs]

    def test_off(self) -> None:
        """Off: the mode alone counts."""
        self.assertEqual(self.call("redirect"), ([200], [1]))
        self.assertEqual(self.call("proxy", SIPServerMode="Redirect"), ([302], [0]))

    def test_override(self) -> None:
        """On: a contact's action comes before the mode."""
        self.assertEqual(self.call("redirect", UseCallerPreferences="On"), ([302], [0]))
        self.assertEqual(self.call("proxy", UseCallerPreferences="On", SIPServerMode="Redirect"), ([200], [1]))

    def test_mixed(self) -> None:
        """What is to be proxied is proxied and the rest left out; without any, all go into the 3xx."""
        status, calls = self.call("redirect", "proxy", "", UseCallerPreferences="On")
        self.assertEqual((status, calls[0]), ([200], 0))
        self.assertEqual(
            self.call("redirect", "proxy", "", UseCallerPreferences="On", SIPServerMode="Redirect")[1], [0, 1, 0]
        )
        self.assertEqual(self.call("redirect", "redirect", UseCallerPreferences="On"), ([300], [0, 0]))

    def test_registered(self) -> None:
        """The action of a REGISTER counts as that of the configuration."""
        self.serve(UseCallerPreferences="On")
        bob = self.simulation.agent(b"sip:bob@example.com", "10.0.0.2", PROXY)
        bob.register(bob.contact + b";action=redirect")
        self.simulation.run(1)
        call = self.call_bob(self.alice())
        self.assertEqual((call.final, call.responses[-1].header("contact")), (302, bob.contact))
