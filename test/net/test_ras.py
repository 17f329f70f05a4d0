"""Tests of the RAS client in virtual time, on a network in memory."""

from ipaddress import ip_network
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError
from twisted.logger import LogEvent, globalLogPublisher

from sipproxy.errors import UnavailableError
from sipproxy.net.ras import Manner
from sipproxy.net.ras_ports import LINGER
from sipproxy.wire.h225.messages import EncodeError, LocationConfirm, LocationRequest, encode
from test.net.fixtures import Recorder
from test.net.ras_peers import OURS, REQUEST, STRANGER, RasTestCase, Script

LCF: Script = [(0.01, "LCF")]
LRJ: Script = [(0.01, "LRJ")]
BLAST = Manner("Blast")
BEST = Manner("Blast", "Best")


class AskingTests(RasTestCase):
    """How a question goes."""

    def test_request(self) -> None:
        """An LRQ says what is asked, and where the answer goes: never to an unspecified address."""
        self.use([LCF])
        answer = self.ask()
        (_, request) = self.peers["10.1.1.1"].asked[0]
        self.assertEqual((request.number, request.hop_count, request.ttl), ("14085551234", 6, 6))
        self.assertEqual(request.reply_address[0], OURS)
        self.assertEqual(
            [str(exchange) for exchange in answer.exchanges], ["LRQ to 10.1.1.1:1719 of cluster 1: LCF in 10.0 ms"]
        )
        self.assertEqual((answer.gatekeeper, round(answer.seconds, 3)), ("10.1.1.1:1719", 0.01))
        self.see_all_forgotten()

    def test_round(self) -> None:
        """The first gatekeeper of a cluster is drawn; the others follow round it, each once."""
        self.use([[], [], []], [LCF], random=Random(1))
        firsts = set()
        for _ in range(20):
            before = len(self.asked())
            answer = self.ask()
            order = self.asked()[before:]
            at = int(order[0][-1])
            self.assertEqual([int(each[-1]) for each in order[:3]], [at, at % 3 + 1, (at + 1) % 3 + 1])
            self.assertEqual((order[3], round(answer.seconds, 2)), ("10.1.2.1", 0.91))
            firsts.add(at)
        self.assertEqual(firsts, {1, 2, 3})

    def test_clusters(self) -> None:
        """Clusters are asked by priority, equal ones in the order given."""
        self.use([LRJ, LRJ], [LRJ], [LRJ])
        answer = self.ask()
        self.assertEqual(self.asked(), ["10.1.1.1", "10.1.2.1", "10.1.3.1"])
        self.assertIsNone(answer.confirm)
        self.assertAlmostEqual(answer.seconds, 0.03)
        self.assertEqual([exchange.outcome for exchange in answer.exchanges], ["LRJ requestDenied"] * 3)

    def test_late_but_in_time(self) -> None:
        """An LCF of one that was given up counts while others are asked; so does its LRJ for the cluster."""
        self.use([[(0.4, "LCF")], [], LCF])
        self.assertAlmostEqual(self.ask().seconds, 0.4)
        self.use([[(0.4, "LRJ")], [], LCF], [LCF])
        answer = self.ask()
        self.assertEqual(self.asked(), ["10.1.1.1", "10.1.1.2", "10.1.2.1"])
        self.assertEqual((self.counts("10.1.1.1")["late"], answer.gatekeeper), (1, "10.1.2.1:1719"))
        self.see_all_forgotten()

    def test_window(self) -> None:
        """However many gatekeepers are silent, a question takes the window and no more; who is left is not asked."""
        self.use([[]] * 6, [[]] * 6, manner=Manner(timeout=0.5))
        answer = self.ask()
        self.assertAlmostEqual(answer.seconds, 3.0)
        self.assertEqual(len(answer.exchanges), 6)
        self.see_all_forgotten()

    def test_silence_costs_others_nothing(self) -> None:
        """While questions wait for a silent gatekeeper, others are answered as fast as ever."""
        self.use([[]], [LCF], manner=Manner("Blast"))
        waiting = [self.client.ask(REQUEST) for _ in range(200)]
        self.clock.run(0.05)
        self.assertEqual(sum(one.called for one in waiting), 200)
        self.assertAlmostEqual(self.ask().seconds, 0.01)
        self.see_all_forgotten()

    def test_retransmission(self) -> None:
        """A gatekeeper is asked again, with the same octets, as often as configured; then the next one is asked."""
        self.use([[], LCF], manner=Manner(retransmissions=2))
        self.assertAlmostEqual(self.ask().seconds, 0.91)
        self.assertEqual(len({request for _, request in self.peers["10.1.1.1"].asked}), 1)
        self.assertEqual(len(self.peers["10.1.1.1"].asked), 3)
        self.assertEqual(self.counts("10.1.1.1"), {"asked": 1, "retransmitted": 2, "timed_out": 1})
        self.use([[]], [[]], manner=Manner("Blast", retransmissions=1))
        self.assertAlmostEqual(self.ask().seconds, 3.0)
        self.assertEqual(len(self.asked()), 4)

    def test_patience(self) -> None:
        """RIP restarts the time of its gatekeeper, ends its retransmissions, and stretches the window."""
        self.use([[(0.1, "RIP 5000"), (4.5, "LCF")], LCF], manner=Manner(retransmissions=3))
        answer = self.ask()
        self.assertEqual((answer.gatekeeper, round(answer.seconds, 3)), ("10.1.1.1:1719", 4.5))
        self.assertEqual(len(self.asked()), 1)
        self.use([[(0.1, "RIP 400")], LCF])
        self.assertAlmostEqual(self.ask().seconds, 0.51)
        self.use([[(0.1, "RIP 5000")], LCF])
        answer = self.ask()
        self.assertEqual((answer.confirm, round(answer.seconds, 3)), (None, 5.1))
        self.use([[(0.2, "RIP 1")], LCF])
        self.assertAlmostEqual(self.ask().seconds, 0.51)

    def test_patience_has_an_end(self) -> None:
        """A gatekeeper that always asks for patience gets half a minute; with Blast the others their window."""
        for manner in (Manner(), BLAST):
            self.use([[(delay, "RIP 9000") for delay in range(0, 40, 8)]], [[]], manner=manner)
            answer = self.ask()
            self.assertEqual((answer.confirm, round(answer.seconds, 3)), (None, 30.0))
        self.assertEqual([round(exchange.seconds) for exchange in answer.exchanges], [30, 3])

    def test_best(self) -> None:
        """Best waits for a better cluster as long as the window; an LRJ of all its gatekeepers ends that."""
        self.use([[], []], [LCF, [(0.005, "LCF")]], manner=BEST)
        answer = self.ask()
        self.assertEqual((answer.gatekeeper, round(answer.seconds, 3)), ("10.1.2.2:1719", 3.0))
        self.use([[(0.2, "LRJ")], [(0.3, "LRJ")]], [LCF], manner=BEST)
        answer = self.ask()
        self.assertEqual((answer.gatekeeper, round(answer.seconds, 3)), ("10.1.2.1:1719", 0.3))
        self.use([[(0.1, "RIP 4000"), (3.9, "LCF")]], [LCF], manner=BEST)
        answer = self.ask()
        self.assertEqual((answer.gatekeeper, round(answer.seconds, 3)), ("10.1.1.1:1719", 3.9))
        self.use([[(0.2, "LRJ")]], [LCF, [(0.02, "LCF"), (0.03, "LCF")]], manner=BEST)
        self.ask()
        self.assertEqual(self.counts("10.1.2.2"), {"asked": 1, "confirmed": 1, "repeated": 1})

    def test_unusable(self) -> None:
        """An LCF that names no address is none: the next gatekeeper is asked at once."""
        self.use([[(0.01, "nowhere")], LCF])
        answer = self.ask()
        self.assertAlmostEqual(answer.seconds, 0.02)
        self.assertIn("names no address", answer.exchanges[0].outcome)
        self.assertEqual(self.counts("10.1.1.1"), {"asked": 1, "unusable": 1})

    def test_refused(self) -> None:
        """One at a closed port is passed over at once; where all are, the question ends at once."""
        self.use([None, None], [None])
        answer = self.ask()
        self.assertEqual([exchange.outcome for exchange in answer.exchanges], ["Connection refused"] * 3)
        self.assertEqual(answer.seconds, 0.0)
        self.assertEqual([state.state for state in self.client.states], ["away"] * 3)
        self.see_all_forgotten()

    def test_no_cluster(self) -> None:
        """Without gatekeepers there is no answer, at once."""
        self.use()
        self.assertEqual(self.ask(), (None, "", 0.0, ()))

    def test_names(self) -> None:
        """Names are looked up for each question; one without an address is passed over."""
        self.use([[], LCF], names={"gk1.example.org": ["10.1.1.2"]})
        del self.names.known["gk1.example.org"]
        self.names.known["gk1.example.org"] = ["10.1.1.2"]
        self.names.delay = 0.1
        self.assertAlmostEqual(self.ask().seconds, 0.41)
        self.names.known.clear()
        answer = self.ask()
        self.assertIn("gk1.example.org", answer.exchanges[1].outcome)
        self.names.delay = 0.0
        answer = self.ask()
        self.assertIsNone(answer.confirm)
        (state,) = [state for state in self.client.states if "gk1" in state.gatekeeper]
        self.assertEqual((state.state, state.counters["not_found"]), ("away", 2))
        self.names.delay = 0.5
        self.assertEqual(self.ask().exchanges[1].outcome, "no answer in time")
        self.clock.run(1.0)
        self.see_all_forgotten()


class AnswerTests(RasTestCase):
    """Whose answers count."""

    def test_from_elsewhere(self) -> None:
        """The right number counts from any address, and the answer says from where it came."""
        self.use([[]])
        recorder = Recorder()
        self.stranger.listen(STRANGER, 1719, recorder)
        asked = self.client.ask(REQUEST)
        self.clock.run(0.1)
        (_, request) = self.peers["10.1.1.1"].asked[0]
        recorder.port.write(
            encode(LocationConfirm(request.seq, ("10.7.7.7", 1720), (STRANGER, 1719))), request.reply_address
        )
        answer = self.finish(asked)
        self.assertEqual(answer.exchanges[0].outcome, "LCF from 10.9.9.9:1719")

    def test_allowed(self) -> None:
        """With RASAllowFrom, from elsewhere not even the right number counts."""
        self.use([[]], allowed=[ip_network("10.1.0.0/16"), ip_network("::/0")])
        recorder = Recorder()
        self.stranger.listen(STRANGER, 1719, recorder)
        asked = self.client.ask(REQUEST)
        self.clock.run(0.1)
        (_, request) = self.peers["10.1.1.1"].asked[0]
        recorder.port.write(
            encode(LocationConfirm(request.seq, ("10.7.7.7", 1720), (STRANGER, 1719))), request.reply_address
        )
        self.assertIsNone(self.finish(asked).confirm)
        self.assertEqual(self.client.strays, {"forbidden": 1, "malformed": 0, "unasked": 0})

    def test_strays(self) -> None:
        """What is no answer is counted and dropped; so is an LRQ that comes to us."""
        self.use([[]])
        asked = self.client.ask(REQUEST)
        self.clock.run(0.1)
        (_, request) = self.peers["10.1.1.1"].asked[0]
        for datagram in (b"", b"\xff" * 100, encode(request), encode(LocationRequest(7, "1", ("10.0.0.9", 1)))):
            self.peers["10.1.1.1"].say(request, datagram)
        self.assertIsNone(self.finish(asked).confirm)
        self.assertEqual(self.client.strays, {"forbidden": 0, "malformed": 2, "unasked": 2})

    def test_numbers(self) -> None:
        """Sequence numbers are drawn, differ while they are open, and are not soon used again."""
        self.use([[]], [[]], manner=BLAST, random=Random(5))
        for _ in range(300):
            self.client.ask(REQUEST)
        self.clock.run(4.0)
        for _ in range(300):
            self.client.ask(REQUEST)
        self.clock.run(4.0)
        seqs = [request.seq for peer in self.peers.values() for _, request in peer.asked]
        self.assertEqual((len(seqs), len(set(seqs))), (1200, 1200))
        self.assertNotEqual(seqs, sorted(seqs))
        self.assertTrue(all(1 <= seq <= 65535 for seq in seqs))

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=80))
    def test_any_octets(self, octets: bytes) -> None:
        """Any octets leave the question open, or end it properly."""
        self.use([[(0.01, octets)]])
        self.assertLessEqual(self.ask().seconds, 30.0)
        self.see_all_forgotten()


class ServiceTests(RasTestCase):
    """The client's life, its ports, and what it tells of itself."""

    def reason(self, asked: Any) -> str:
        """Give why a question has failed."""
        return str(self.failureResultOf(asked, UnavailableError).value)

    def test_not_running(self) -> None:
        """A client that is not started, or stopped, fails at once and opens nothing."""
        self.use([LCF], is_started=False)
        self.assertEqual(self.reason(self.client.ask(REQUEST)), "503 The RAS client is not running")
        self.client.startService()
        asked = self.client.ask(REQUEST)
        self.client.stopService()
        self.assertEqual(self.reason(asked), "503 The RAS client stops")
        self.clock.run(1.0)
        self.assertEqual(self.client.strays["unasked"], 0)
        self.see_all_forgotten()

    def test_full(self) -> None:
        """Beyond a bound of open questions none is taken."""
        self.use([[]], most_open=100)
        asked = [self.client.ask(REQUEST) for _ in range(100)]
        self.assertEqual(self.reason(self.client.ask(REQUEST)), "503 Too many questions to gatekeepers")
        self.client.stopService()
        for one in asked:
            self.failureResultOf(one, UnavailableError)
        self.clock.run(1.0)
        self.see_all_forgotten()

    def test_cancel(self) -> None:
        """A question that is given up leaves nothing."""
        self.use([LCF])
        asked = self.client.ask(REQUEST)
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.clock.run(1.0)
        self.assertEqual(self.counts("10.1.1.1"), {"asked": 1, "late": 1})
        self.see_all_forgotten()

    def test_no_form(self) -> None:
        """A question that cannot be written fails, and leaves nothing."""
        self.use([LCF])
        self.failureResultOf(self.client.ask(LocationRequest(1, "x", ("0.0.0.0", 0))), EncodeError)
        self.see_all_forgotten()

    def test_bind(self) -> None:
        """LRQs leave from the configured port; one that is taken is replaced, and had again once it is free."""
        self.use([LCF], bind=(OURS, 1719))
        taken = self.host.listen(OURS, 1719, Recorder())
        self.ask()
        self.assertNotEqual(self.network.transcript[0].source[1], 1719)
        taken.stop()
        self.clock.run(LINGER - 0.1)
        self.ask()
        self.assertNotEqual(self.network.transcript[2].source[1], 1719)
        self.clock.run(LINGER + 0.1)
        self.ask()
        self.assertEqual(self.network.transcript[4].source, (OURS, 1719))
        self.clock.run(LINGER + 0.1)
        self.host.listen(OURS, 1719, Recorder())

    def test_no_way(self) -> None:
        """A gatekeeper that no address of ours leads to is passed over, whatever its name says beside."""
        self.use([LCF], names={"gk.example.org": ["2001:db8::1", "10.1.1.1"]}, bind=(OURS, 0))
        self.assertEqual(self.ask().gatekeeper, "gk.example.org:1719")
        self.names.known["gk.example.org"] = ["2001:db8::1"]
        self.assertIn("does not lead to 2001:db8::1", self.ask().exchanges[0].outcome)
        self.use([LCF], names={"gk.example.org": ["2001:db8::1", "10.1.1.1"]})
        self.assertEqual(self.ask().exchanges[0].outcome, ":: is not an address of this host")

    def test_states(self) -> None:
        """State, reason and response times are kept; going away and coming back are logged with their cluster."""
        self.use([LCF])
        events: list[LogEvent] = []
        observer: Any = events.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        (state,) = self.client.states
        self.assertEqual((state.state, state.last, state.mean, state.longest), ("unasked", None, None, None))
        self.ask()
        self.peers["10.1.1.1"].script = [(0.09, "LCF")]
        self.ask()
        (state,) = self.client.states
        self.assertEqual((state.cluster, state.gatekeeper, state.state), (1, "10.1.1.1:1719", "up"))
        self.assertEqual([round(each or 0.0, 3) for each in state[6:9]], [0.09, 0.02, 0.09])
        self.peers["10.1.1.1"].script = []
        self.ask()
        self.ask()
        (state,) = self.client.states
        self.assertEqual((state.state, state.reason, round(state.since, 3)), ("away", "no answer in time", 0.4))
        self.assertEqual(self.client.gatekeepers[0].away_since, state.since)
        self.peers["10.1.1.1"].script = LCF
        self.ask()
        self.assertEqual((self.client.states[0].state, self.client.gatekeepers[0].away_since), ("up", None))
        told = [event["log_format"].format(**event) for event in events if event["log_namespace"] == "mod_sip_ras"]
        self.assertEqual(
            told,
            [
                "gatekeeper 10.1.1.1:1719 of cluster 1 is away: no answer in time",
                "gatekeeper 10.1.1.1:1719 of cluster 1 answers again",
            ],
        )

    def test_lost_one_question(self) -> None:
        """A gatekeeper that has answered others since is not away for one question that it lost."""
        self.use([[]])
        first = self.client.ask(REQUEST)
        self.clock.run(0.1)
        self.peers["10.1.1.1"].script = LCF
        self.ask()
        self.assertIsNone(self.finish(first).confirm)
        self.assertEqual(self.client.states[0].state, "up")
