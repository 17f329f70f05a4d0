"""The call flows of RFC 3665 with proxies, on a good network and on bad ones."""

from collections.abc import Callable
from functools import partial

from sipproxy.simulation import Dialog, Faults, UserAgent, answers, rejects, rings
from test.scenario.stage import BAD_NETWORK, BOB, PROXY, ScenarioTestCase

SECOND = "192.0.2.2"
SEEDS = range(1, 7)
GOOD = Faults()


class FlowTestCase(ScenarioTestCase):
    """Alice at atlanta.com, bob at biloxi.com, a proxy for each (RFC 3665 3)."""

    def two_proxies(self, seed: int, faults: Faults, record_route: str = "On") -> tuple[UserAgent, UserAgent]:
        """Begin with both proxies and both telephones; bob is known."""
        simulation = self.begin(seed, faults)
        simulation.names.known = {"biloxi.com": [SECOND], "atlanta.com": [PROXY]}
        simulation.server(PROXY, {"ProxyDomain": "atlanta.com", "AddRecordRoute": record_route})
        biloxi = {"ProxyDomain": "biloxi.com", "AddRecordRoute": record_route}
        biloxi["StaticRegistration"] = f"bob@biloxi.com sip:bob@{BOB}"
        simulation.server(SECOND, biloxi)
        alice = simulation.agent(b"sip:alice@atlanta.com", "10.0.0.1", PROXY)
        return alice, simulation.agent(b"sip:bob@biloxi.com", BOB, SECOND)

    def on_each_network(self, flow: Callable[[int, Faults], None]) -> None:
        """Play a flow without faults, then with several seeds on a bad network."""
        flow(1, GOOD)
        for seed in SEEDS:
            flow(seed, BAD_NETWORK)

    def hang_up(self, agent: UserAgent, dialog: Dialog) -> int | None:
        """Send BYE and give the status of its answer."""
        bye = agent.bye(dialog)
        self.simulation.run_until(lambda: bye.is_over)
        return bye.final


class RegistrationTests(FlowTestCase):
    """RFC 3665 2."""

    def flow(self, seed: int, faults: Faults) -> None:
        """Register, ask, and cancel the registration (2.1, 2.3, 2.4)."""
        self.begin(seed, faults)
        server = self.serve()
        bob = self.simulation.agent(b"sip:bob@example.com", BOB, PROXY)
        statuses = []
        for step in (
            bob.register,
            partial(bob.request, b"REGISTER", b"sip:example.com", to=b"sip:bob@example.com"),
            partial(bob.register, b"*", expires=0),
        ):
            registration = step()
            self.simulation.run_until(lambda registration=registration: registration.is_over)  # type: ignore[misc]
            statuses.append((registration.final, registration.responses[-1].header("contact")))
        self.assertEqual([status for status, _ in statuses], [200, 200, 200])
        self.assertTrue(all(contact and contact.startswith(b"<sip:bob@10.0.0.2") for _, contact in statuses[:2]))
        self.assertEqual((statuses[2][1], len(server.registry)), (None, 0))

    def test_registration(self) -> None:
        """What was registered is told, and gone once it was removed."""
        self.on_each_network(self.flow)


class SessionTests(FlowTestCase):
    """RFC 3665 3.2 to 3.6: sessions through two proxies."""

    def session(self, seed: int, faults: Faults, record_route: str = "On") -> None:
        """Call, talk, hang up (3.2); on a bad network the ends may find no agreement, but not two opinions."""
        alice, bob = self.two_proxies(seed, faults, record_route)
        bob.behaviour = answers(after=3.0, ringing=0.3)
        call = alice.invite(b"sip:bob@biloxi.com")
        self.simulation.run_until(lambda: call.is_over)
        self.simulation.run(35)
        statuses = [self.hang_up(alice, dialog) for dialog in call.dialogs if not dialog.ended]
        self.simulation.finish()
        if faults is GOOD:
            self.assertEqual((call.statuses, statuses), ([100, 180, 200], [200]))
            self.assertTrue(bob.calls[0].acknowledged)
            path = {sent.source[0] for sent in self.simulation.network.transcript if sent.data.startswith(b"BYE")}
            self.assertEqual(path, {"10.0.0.1", PROXY, SECOND} if record_route == "On" else {"10.0.0.1"})
        self.assertTrue(all(dialog.ended for agent in (alice, bob) for dialog in agent.dialogs.values()))
        self.assertEqual((len(alice.table), len(bob.table)), (0, 0))

    def test_session(self) -> None:
        """Both proxies stay in the path."""
        self.on_each_network(self.session)

    def test_session_without_record_route(self) -> None:
        """ACK and BYE go from telephone to telephone (3.3's path without a proxy)."""
        self.on_each_network(partial(self.session, record_route="Off"))

    def test_callee_hangs_up(self) -> None:
        """A BYE of the callee's goes back the same way (3.1 the other way round)."""
        alice, bob = self.two_proxies(1, GOOD)
        call = alice.invite(b"sip:bob@biloxi.com")
        self.simulation.run(1)
        self.assertEqual(self.hang_up(bob, next(iter(bob.dialogs.values()))), 200)
        self.assertTrue(call.dialog.ended)

    def test_reinvite(self) -> None:
        """Either side may change the session, through the same proxies (3.7)."""
        for record_route in ("On", "Off"):
            alice, bob = self.two_proxies(1, GOOD, record_route)
            call = alice.invite(b"sip:bob@biloxi.com")
            self.simulation.run(1)
            for agent, dialog in ((alice, call.dialog), (bob, next(iter(bob.dialogs.values())))):
                again = agent.reinvite(dialog)
                self.simulation.run(1)
                self.assertEqual(again.final, 200)
            self.assertEqual(self.hang_up(alice, call.dialog), 200)

    def failure(self, status: int, seed: int, faults: Faults) -> None:
        """Bob's telephone refuses; each hop acknowledges for itself."""
        alice, bob = self.two_proxies(seed, faults)
        bob.behaviour = rejects(status, after=1.0, ringing=0.2)
        call = alice.invite(b"sip:bob@biloxi.com")
        self.simulation.run_until(lambda: call.is_over)
        self.assertEqual((call.final, call.failure), (status, ""))
        self.simulation.finish()
        self.assertEqual([request.method for request in bob.requests], [b"INVITE"])

    def test_busy(self) -> None:
        """A busy callee (3.9): 486 hop by hop."""
        self.on_each_network(partial(self.failure, 486))

    def test_unavailable(self) -> None:
        """A callee who is temporarily unavailable (3.11): 480 hop by hop."""
        self.on_each_network(partial(self.failure, 480))

    def no_answer(self, seed: int, faults: Faults) -> None:
        """Alice gives up after a while (3.8)."""
        alice, bob = self.two_proxies(seed, faults)
        bob.behaviour = rings
        call = alice.invite(b"sip:bob@biloxi.com")
        self.simulation.run(20)
        call.cancel()
        self.simulation.run_until(lambda: call.is_over)
        self.simulation.finish()
        self.assertEqual(call.final, 487)
        self.assertEqual([(each.final, each.was_cancelled) for each in bob.calls], [(487, True)])

    def test_no_answer(self) -> None:
        """CANCEL travels hop by hop, 487 comes back."""
        self.on_each_network(self.no_answer)

    def failover(self, seed: int, faults: Faults) -> None:
        """The first of two proxies of bob's domain is down (3.12)."""
        alice, _ = self.two_proxies(seed, faults)
        self.simulation.names.known["biloxi.com"] = ["192.0.2.9", SECOND]
        call = alice.invite(b"sip:bob@biloxi.com")
        self.simulation.run_until(lambda: call.is_over)
        self.assertEqual(call.final, 200)
        self.assertGreaterEqual(self.simulation.clock.seconds(), 4.0)
        self.hang_up(alice, call.dialog)

    def test_failover(self) -> None:
        """The second proxy is tried after NextHopTimeoutInMs."""
        self.failover(1, GOOD)
        for seed in (1, 2, 3):
            self.failover(seed, Faults(latency=0.01, jitter=0.1, loss=0.1, duplication=0.2))

    def message(self, seed: int, faults: Faults) -> None:
        """A request outside a dialog that is no INVITE: one answer, no 408; 100 where it is late (RFC 4320 4.1)."""
        alice, bob = self.two_proxies(seed, faults)
        sent = alice.request(b"MESSAGE", b"sip:bob@biloxi.com", body=b"Watson, come here.")
        self.simulation.run_until(lambda: sent.is_over)
        self.assertEqual(([status for status in sent.statuses if status != 100], sent.failure), ([200], ""))
        self.assertEqual([request.body for request in bob.requests], [b"Watson, come here."])
        self.simulation.finish()

    def test_message(self) -> None:
        """It arrives once, whatever the network does."""
        self.on_each_network(self.message)

    def test_unknown_user(self) -> None:
        """Nobody knows carol: 404 from bob's proxy (3.10's answer, from the proxy)."""
        alice, _ = self.two_proxies(1, GOOD)
        call = alice.invite(b"sip:carol@biloxi.com")
        self.simulation.run_until(lambda: call.is_over)
        self.assertEqual(call.statuses, [100, 404])
