"""CANCEL against all that may be under way (RFC 3261 9, 16.10)."""

from sipproxy.simulation import Faults, answers, rejects, rings, says_trying
from test.scenario.stage import BAD_NETWORK, BOB, PROXY_ADDRESS, ScenarioTestCase


class RaceTests(ScenarioTestCase):
    """A CANCEL meets a final response."""

    def race(self, cancel_at: float) -> tuple[int | None, int | None]:
        """Bob answers after 100 ms, alice cancels at some moment; give the final status at each end."""
        self.begin()
        self.serve_bob(AddRecordRoute="On")
        bob = self.callee(0, answers(after=0.1))
        alice = self.alice()
        call = alice.invite(b"sip:bob@example.com")
        self.simulation.clock.callLater(cancel_at, call.cancel)
        self.simulation.finish()
        self.assertEqual(len(call.dialogs), 1 if call.final == 200 else 0)
        self.assertTrue(all(dialog.ended for agent in (alice, bob) for dialog in agent.dialogs.values()))
        self.assertFalse(any(each.gave_up for each in bob.calls))
        return call.final, bob.calls[0].final

    def test_each_millisecond(self) -> None:
        """Both ends agree whether there was a call, whenever the CANCEL is sent; where there was, it is hung up."""
        outcomes = [self.race(at / 1000) for at in range(85, 121)]
        self.assertEqual({caller for caller, _ in outcomes}, {200, 487})
        self.assertTrue(all(caller == callee for caller, callee in outcomes))
        # Once the 200 is in time it stays so: no CANCEL of later undoes it.
        self.assertEqual(
            [caller for caller, _ in outcomes], sorted((caller or 0 for caller, _ in outcomes), reverse=True)
        )

    def test_failure(self) -> None:
        """A busy callee and a CANCEL at the same moment: one final response, whichever it is."""
        for at in range(95, 110):
            self.begin()
            self.serve_bob()
            bob = self.callee(0, rejects(486, after=0.1))
            call = self.alice().invite(b"sip:bob@example.com")
            self.simulation.clock.callLater(at / 1000, call.cancel)
            self.simulation.finish()
            self.assertIn(call.final, (486, 487))
            self.assertEqual(call.final, bob.calls[0].final)

    def test_bad_network(self) -> None:
        """Losses and duplicates do not make two outcomes of one."""
        for seed in range(1, 11):
            self.begin(seed, BAD_NETWORK)
            self.serve_bob(AddRecordRoute="On")
            bob = self.callee(0, answers(after=2.0))
            alice = self.alice()
            call = alice.invite(b"sip:bob@example.com")
            self.simulation.clock.callLater(1.0 + seed / 5, call.cancel)
            self.simulation.finish()
            self.assertTrue(call.is_over)
            self.assertTrue(all(dialog.ended for agent in (alice, bob) for dialog in agent.dialogs.values()))


class CancelTests(ScenarioTestCase):
    """A CANCEL in peace."""

    def test_before_any_answer(self) -> None:
        """The proxy answers the CANCEL at once, and waits for a provisional response before it sends its own (9.1)."""
        self.serve_bob()
        alice, bob = self.wire("alice", "bob")
        invite = alice.make_request(
            b"INVITE", b"sip:bob@example.com", branch=b"z9hG4bK-1", call_id=b"c", cseq=b"1 INVITE"
        )
        cancel = alice.make_request(
            b"CANCEL", b"sip:bob@example.com", branch=b"z9hG4bK-1", call_id=b"c", cseq=b"1 CANCEL"
        )
        alice.send(invite, PROXY_ADDRESS)
        self.simulation.run(0.1)
        alice.send(cancel, PROXY_ADDRESS)
        self.simulation.run(0.1)
        self.assertEqual((alice.statuses(b"CANCEL"), bob.requests(b"CANCEL")), ([200], []))
        bob.respond(bob.requests(b"INVITE")[0], 180)
        self.simulation.run(0.1)
        (sent,) = bob.requests(b"CANCEL")
        (first, *_) = bob.requests(b"INVITE")
        assert sent.message is not None and first.message is not None
        self.assertEqual(sent.message.header("via"), first.message.header("via"))
        self.assertEqual(sent.message.start, first.message.start.replace(b"INVITE", b"CANCEL"))
        bob.respond(sent, 200)
        bob.respond(first, 487)
        self.simulation.run(0.1)
        self.assertEqual(alice.statuses(b"INVITE"), [100, 180, 487])

    def test_repeated(self) -> None:
        """A retransmitted CANCEL is answered again and goes no further twice."""
        self.serve_bob()
        alice, bob = self.wire("alice", "bob")
        alice.send(
            alice.make_request(b"INVITE", b"sip:bob@example.com", branch=b"z9hG4bK-1", call_id=b"c", cseq=b"1 INVITE"),
            PROXY_ADDRESS,
        )
        self.simulation.run(0.1)
        bob.respond(bob.requests()[0], 180)
        cancel = alice.make_request(
            b"CANCEL", b"sip:bob@example.com", branch=b"z9hG4bK-1", call_id=b"c", cseq=b"1 CANCEL"
        )
        for _ in range(3):
            alice.send(cancel, PROXY_ADDRESS)
            self.simulation.run(0.1)
        self.assertEqual((alice.statuses(b"CANCEL"), len(bob.requests(b"CANCEL"))), ([200, 200, 200], 1))

    def test_no_final_response(self) -> None:
        """A callee that never ends the INVITE after the CANCEL is given up 64*T1 later (9.1)."""
        self.serve_bob()
        alice, bob = self.wire("alice", "bob")
        alice.send(
            alice.make_request(b"INVITE", b"sip:bob@example.com", branch=b"z9hG4bK-1", call_id=b"c", cseq=b"1 INVITE"),
            PROXY_ADDRESS,
        )
        self.simulation.run(0.1)
        bob.respond(bob.requests()[0], 180)
        self.simulation.run(0.1)
        alice.send(
            alice.make_request(b"CANCEL", b"sip:bob@example.com", branch=b"z9hG4bK-1", call_id=b"c", cseq=b"1 CANCEL"),
            PROXY_ADDRESS,
        )
        self.simulation.run(31)
        self.assertNotIn(487, alice.statuses(b"INVITE"))
        self.simulation.run(2)
        self.assertEqual(alice.statuses(b"INVITE")[:3], [100, 180, 487])

    def test_all_branches(self) -> None:
        """Every pending branch is cancelled, the one that says only 100 too."""
        self.serve_bob(*(f"sip:bob@10.0.0.{2 + number}" for number in range(3)))
        bobs = [self.callee(0, rings), self.callee(1, says_trying), self.callee(2, rejects(404))]
        call = self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(1)
        call.cancel()
        self.simulation.run(1)
        self.assertEqual([bob.calls[0].final for bob in bobs], [487, 487, 404])
        self.assertEqual(call.final, 404)  # 16.7 item 6: somebody said something better than 487

    def test_during_name_lookup(self) -> None:
        """A CANCEL that comes before the next hop is known: 487, and nobody is called."""
        self.serve_bob("sip:bob@bob.example.net")
        self.simulation.names.known = {"bob.example.net": [BOB]}
        self.simulation.names.delay = 1.0
        bob = self.callee(0, rings)
        call = self.alice().invite(b"sip:bob@example.com")
        self.simulation.run(0.5)
        call.cancel()
        self.simulation.run(3)
        self.assertEqual((call.final, bob.calls), (487, []))

    def test_jitter(self) -> None:
        """A CANCEL that overtakes its INVITE finds nothing; the call goes on."""
        self.begin(3, Faults(latency=0.001))
        self.serve_bob()
        alice, bob = self.wire("alice", "bob")
        cancel = alice.make_request(
            b"CANCEL", b"sip:bob@example.com", branch=b"z9hG4bK-1", call_id=b"c", cseq=b"1 CANCEL"
        )
        alice.send(cancel, PROXY_ADDRESS)
        self.simulation.run(0.1)
        # 16.10: no response context, so it is forwarded statelessly.
        self.assertEqual(len(bob.requests(b"CANCEL")), 1)
        self.assertEqual(alice.statuses(), [])
