"""The health of gateways, on a clock."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipproxy.interfaces import IGateways
from sipproxy.routing import NextHop
from sipproxy.routing.gateways import (
    HOLD_DOWN,
    LONGEST_REST,
    MAX_KNOWN,
    MEMORY,
    PROBE_DEADLINE,
    PROBE_INTERVAL,
    Gateways,
)
from sipproxy.routing.health import MAX_EVENTS, Gateway, Health
from sipproxy.routing.states import DOWN, PROBING, SUSPECT, TRANSITIONS, UP

ONE = Gateway("192.0.2.1", 5060, "udp", "gw1.test")
TWO = Gateway("192.0.2.2", 5060, "udp", "gw2.test")
THREE = NextHop("2001:db8::3", 5070, "udp", "other.test")


class Peers:
    """Whom probes are sent to; they answer when a test says so."""

    def __init__(self) -> None:
        self.probed: list[NextHop] = []
        self.waiting: list[Deferred[bool]] = []

    def probe(self, hop: NextHop) -> "Deferred[bool]":
        """Take a probe."""
        self.probed.append(hop)
        self.waiting.append(Deferred())
        return self.waiting[-1]


class GatewaysTestCase(SynchronousTestCase):
    """What the cases below share."""

    def setUp(self) -> None:
        """Make gateways with the defaults."""
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.gateways = Gateways(self.clock, 30.0)

    def health(self, hop: NextHop = ONE) -> Health:
        """Give what is known of a next hop."""
        return next(health for health in self.gateways.states() if health.hop[:3] == hop[:3])

    def state(self, hop: NextHop = ONE) -> str:
        """Give the state of a next hop."""
        return self.health(hop).state

    def known(self) -> list[NextHop]:
        """Give the next hops that are remembered."""
        return [health.hop for health in self.gateways.states()]


class OrderTests(GatewaysTestCase):
    """Who is passed over."""

    def test_interface(self) -> None:
        """It is what the proxy asks."""
        self.assertTrue(verifyObject(IGateways, self.gateways))

    def test_nothing_held(self) -> None:
        """Usually the very list that was given."""
        hops = [ONE, TWO]
        self.assertIs(hops, self.gateways.in_order(hops))

    def test_passed_over(self) -> None:
        """One that failed goes behind the others; the name and user do not matter."""
        self.gateways.failed(ONE, "timeout")
        alias = NextHop("192.0.2.1", 5060, "udp", "alias.test", b"9")
        self.assertEqual([TWO, THREE, alias], self.gateways.in_order([alias, TWO, THREE]))
        self.assertEqual([TWO, THREE], self.gateways.in_order([TWO, THREE]))
        other_port = ONE._replace(port=5061)
        self.assertEqual([other_port, TWO], self.gateways.in_order([other_port, TWO]))

    def test_all_held(self) -> None:
        """Where all are held down they are tried in order; the only one too."""
        for hop in (TWO, ONE):
            self.gateways.failed(hop, "timeout")
        self.assertEqual([ONE, TWO], self.gateways.in_order([ONE, TWO]))
        self.assertEqual([ONE], self.gateways.in_order([ONE]))
        self.assertEqual((), self.gateways.in_order(()))

    def test_hold_down(self) -> None:
        """It ends after its time; then the next hop is suspect until it answers."""
        self.gateways.failed(ONE, "timeout")
        self.assertEqual((DOWN, 1000.0, 1030.0), self.health()[1:4])
        self.clock.advance(29.9)
        self.assertEqual([TWO, ONE], self.gateways.in_order([ONE, TWO]))
        self.clock.advance(0.5)
        self.assertEqual([ONE, TWO], self.gateways.in_order([ONE, TWO]))
        self.assertEqual((SUSPECT, None), (self.state(), self.health().until))
        self.gateways.answered(ONE)
        self.assertEqual(UP, self.state())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_again(self) -> None:
        """A further failure holds it down anew; a suspect one goes down at once."""
        self.gateways.failed(ONE, "timeout")
        self.clock.advance(20.0)
        self.gateways.failed(ONE, "Connection refused")
        self.assertEqual(1050.0, self.health().until)
        self.clock.advance(31.0)
        self.assertEqual(SUSPECT, self.state())
        self.gateways.failed(ONE, "timeout")
        self.assertEqual(DOWN, self.state())

    def test_answer(self) -> None:
        """An answer ends the hold-down."""
        self.gateways.failed(ONE, "timeout")
        self.gateways.answered(ONE)
        self.assertEqual(UP, self.state())
        self.assertEqual([ONE, TWO], self.gateways.in_order([ONE, TWO]))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_no_hold_down(self) -> None:
        """NextHopHoldDownInS 0: suspect at once."""
        self.gateways = Gateways(self.clock, 0.0)
        self.gateways.failed(ONE, "timeout")
        self.clock.advance(0.0)
        self.assertEqual(SUSPECT, self.state())


class OverloadTests(GatewaysTestCase):
    """503."""

    def test_retry_after(self) -> None:
        """What the 503 asks for replaces the hold-down, shorter or longer, up to five minutes."""
        for asked, until in ((5.0, 1005.0), (200.0, 1200.0), (9999.0, 1000.0 + LONGEST_REST), (0.0, 1000.0)):
            self.gateways = Gateways(self.clock, 30.0)
            self.gateways.failed(ONE, "503", asked)
            self.assertEqual(until, self.health().until)
        self.gateways.failed(TWO, "503")
        self.assertEqual(1030.0, self.health(TWO).until)

    def test_answers(self) -> None:
        """Answers to what it had accepted do not end the rest that it asked for."""
        self.gateways.failed(ONE, "503", 100.0)
        self.gateways.answered(ONE)
        self.assertEqual(DOWN, self.state())
        self.clock.advance(101.0)
        self.assertEqual(SUSPECT, self.state())
        self.gateways.answered(ONE)
        self.assertEqual(UP, self.state())

    def test_silence_meanwhile(self) -> None:
        """A timeout does not shorten it; a newer 503 may."""
        self.gateways.failed(ONE, "503", 100.0)
        self.gateways.failed(ONE, "timeout")
        self.assertEqual(1100.0, self.health().until)
        self.gateways.answered(ONE)
        self.assertEqual(DOWN, self.state())
        self.gateways.failed(ONE, "503", 10.0)
        self.assertEqual(1010.0, self.health().until)


class MemoryTests(GatewaysTestCase):
    """What is remembered."""

    def test_events(self) -> None:
        """The last ten, with time, state and reason; repeats are counted."""
        self.gateways.failed(ONE, "timeout")
        self.clock.advance(1.0)
        self.gateways.failed(ONE, "timeout")
        self.gateways.failed(ONE, "503")
        self.assertEqual(
            [(1001.0, DOWN, "timeout", 2), (1001.0, DOWN, "503", 1)], [tuple(event) for event in self.health().events]
        )
        for n in range(20):
            self.gateways.failed(ONE, f"reason {n}")
        self.assertEqual(MAX_EVENTS, len(self.health().events))
        self.assertEqual("reason 19", self.health().events[-1].reason)

    def test_healthy(self) -> None:
        """One that answers has no events, and is known by its last use."""
        self.gateways.answered(ONE)
        self.clock.advance(5.0)
        self.gateways.answered(ONE)
        self.assertEqual(Health(ONE, UP, 1000.0, None, 1005.0, ()), self.health())

    def test_forgotten(self) -> None:
        """After an hour without use nothing is left."""
        self.gateways.answered(ONE)
        self.gateways.failed(TWO, "timeout")
        self.clock.advance(MEMORY - 1)
        self.gateways.answered(ONE)
        self.clock.advance(1)
        self.assertEqual([ONE], self.known())

    def test_bounded(self) -> None:
        """Strangers cannot fill the memory: the one longest unused goes, and its timer with it."""
        for n in range(MAX_KNOWN + 5):
            hop = NextHop(f"10.0.{n // 250}.{n % 250}", 5060)
            self.gateways.failed(hop, "timeout")
        self.assertEqual(MAX_KNOWN, len(self.gateways.states()))
        self.assertEqual(MAX_KNOWN, len(self.clock.getDelayedCalls()))
        self.assertNotIn("10.0.0.4", [hop.host for hop in self.known()])
        self.gateways.stop()
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual([ONE, hop], self.gateways.in_order([ONE, hop]))

    def test_why(self) -> None:
        """A next hop is found by name, address, or address and port."""
        for hop in (ONE, TWO, THREE, ONE._replace(port=5061)):
            self.gateways.failed(hop, "timeout")
        for name, found in (
            ("GW1.test", [5060, 5061]),
            ("192.0.2.1", [5060, 5061]),
            ("192.0.2.1:5061", [5061]),
            ("[2001:db8::3]:5070", [5070]),
            ("2001:db8::3", [5070]),
            ("nobody", []),
        ):
            self.assertEqual(found, [health.hop.port for health in self.gateways.why(name)], name)

    def test_name_of_a_gateway(self) -> None:
        """The operator's name for a place comes before a caller's, which never replaces it."""
        caller = NextHop("192.0.2.1", 5060, "udp", "192.0.2.1")
        for hop in (caller, ONE, caller):
            self.gateways.answered(hop)
        self.assertEqual([ONE], self.known())


class ProbeTests(GatewaysTestCase):
    """OPTIONS."""

    def setUp(self) -> None:
        """Probe every ten seconds."""
        super().setUp()
        self.gateways = Gateways(self.clock, 30.0, 10.0)
        self.peers = Peers()
        self.gateways.start(self.peers.probe)

    def answer(self, answered: bool = True) -> None:
        """Answer the last probe, or let it fail."""
        self.peers.waiting[-1].callback(answered)

    def test_interval(self) -> None:
        """The next probe is due ten seconds after the last one was answered."""
        self.gateways.answered(ONE)
        self.clock.advance(9.9)
        self.assertEqual([], self.peers.probed)
        self.clock.advance(0.1)
        self.assertEqual([ONE], self.peers.probed)
        self.clock.advance(20.0)
        self.assertEqual([ONE], self.peers.probed)
        self.answer()
        self.clock.advance(10.0)
        self.assertEqual([ONE, ONE], self.peers.probed)
        self.assertEqual(UP, self.state())

    def test_only_gateways(self) -> None:
        """A host of a caller's choice is not probed, until the operator names it too."""
        self.gateways.answered(NextHop(*ONE[:3]))
        self.clock.pump([10.0] * 5)
        self.assertEqual([], self.peers.probed)
        self.gateways.answered(ONE)
        self.clock.advance(10.0)
        self.assertEqual([ONE], self.peers.probed)

    def test_lost(self) -> None:
        """One lost probe makes it suspect, a second one takes it down, before any call finds out."""
        self.gateways.answered(ONE)
        self.clock.advance(10.0)
        self.answer(False)
        self.assertEqual(SUSPECT, self.state())
        self.clock.advance(10.0)
        self.clock.advance(PROBE_DEADLINE)  # says nothing at all
        self.assertEqual(DOWN, self.state())
        self.assertEqual([TWO, ONE], self.gateways.in_order([ONE, TWO]))
        self.assertEqual(["probe failed"] * 2, [event.reason for event in self.health().events])

    def test_recovery(self) -> None:
        """An answer brings it back before its hold-down is over."""
        self.gateways.failed(ONE, "timeout")
        self.clock.advance(10.0)
        self.assertEqual(PROBING, self.state())
        self.assertEqual([TWO, ONE], self.gateways.in_order([ONE, TWO]))
        self.answer()
        self.assertEqual(UP, self.state())
        self.assertEqual(["timeout", "probe answered"], [event.reason for event in self.health().events])

    def test_stays_out(self) -> None:
        """One that answers no probe stays out, no call is lost on it; how it began is still told after hours."""
        self.gateways.failed(ONE, "timeout")
        for _ in range(60):
            self.clock.advance(10.0)
            self.assertEqual([TWO, ONE], self.gateways.in_order([ONE, TWO]))
            self.answer(False)
            self.assertEqual(DOWN, self.state())
        self.assertEqual([("timeout", 1), ("probe failed", 60)], [event[2:] for event in self.health().events])

    def test_hold_down_ends_while_probing(self) -> None:
        """The end of the hold-down waits for the probe."""
        self.gateways.failed(ONE, "timeout")
        self.clock.advance(10.0)
        self.clock.advance(25.0)
        self.assertEqual(PROBING, self.state())
        self.assertEqual([TWO, ONE], self.gateways.in_order([ONE, TWO]))
        self.answer(False)
        self.assertEqual((DOWN, 1065.0), (self.state(), self.health().until))

    def test_old_news(self) -> None:
        """What a probe found out that left before a failure proves nothing."""
        for answered in (True, False):
            self.gateways.answered(ONE)
            self.clock.advance(10.0)
            self.gateways.failed(ONE, "timeout")
            self.answer(answered)
            self.assertEqual(DOWN, self.state())
            self.gateways.answered(ONE)

    def test_rest(self) -> None:
        """Who asked for rest is not probed before that is over."""
        self.gateways.failed(ONE, "503", 100.0)
        self.clock.pump([10.0] * 9)
        self.assertEqual([], self.peers.probed)
        self.clock.pump([10.0] * 2)
        self.assertEqual([ONE], self.peers.probed)

    def test_forgotten(self) -> None:
        """Nobody uses it any more: the probes end."""
        self.gateways.answered(ONE)
        for _ in range(400):
            self.clock.advance(10.0)
            if self.peers.waiting and not self.peers.waiting[-1].called:
                self.answer()
        self.assertEqual([], self.known())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_broken_probe(self) -> None:
        """A fault of ours in one probe is logged and ends neither it nor the others."""
        self.gateways.answered(ONE)
        self.clock.advance(10.0)
        self.peers.waiting[-1].errback(ZeroDivisionError())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual(SUSPECT, self.state())
        self.clock.advance(10.0)
        self.assertEqual(2, len(self.peers.probed))

    def test_stop(self) -> None:
        """Stopping leaves neither timers nor probes."""
        for hop in (ONE, TWO):
            self.gateways.answered(hop)
        self.gateways.failed(TWO, "timeout")
        self.clock.advance(10.0)
        self.gateways.stop()
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertTrue(all(waiting.called for waiting in self.peers.waiting))
        self.assertEqual([], self.known())

    def test_configure(self) -> None:
        """New values count from now on; a hold-down goes on as it was meant, a probe on its way too."""
        for hop in (ONE, TWO):
            self.gateways.answered(hop)
        self.gateways.failed(TWO, "timeout")
        self.clock.advance(5.0)
        self.gateways.configure(60.0, 2.0)
        self.assertEqual(1030.0, self.health(TWO).until)
        self.gateways.failed(ONE, "timeout")
        self.assertEqual(1065.0, self.health(ONE).until)
        self.clock.advance(2.0)
        self.assertEqual([ONE, TWO], self.peers.probed)
        self.gateways.configure(60.0, 0.0)
        self.answer()
        self.clock.pump([10.0] * 5)
        self.assertEqual([ONE, TWO], self.peers.probed)
        self.assertEqual([UP], [self.state(TWO)])
        self.gateways.configure(60.0, 3.0)
        self.clock.advance(3.0)
        self.assertEqual([ONE, TWO], sorted(self.peers.probed[2:]))

    def test_known_before_start(self) -> None:
        """What is known when probes begin is probed too."""
        self.gateways = Gateways(self.clock, 30.0, 10.0)
        self.gateways.answered(ONE)
        self.gateways.start(self.peers.probe)
        self.clock.advance(10.0)
        self.assertEqual([ONE], self.peers.probed)


class TableTests(SynchronousTestCase):
    """The state machine as such."""

    def test_directives(self) -> None:
        """Names and defaults."""
        self.assertEqual(("NextHopHoldDownInS", 30.0), (HOLD_DOWN.name, HOLD_DOWN.default))
        self.assertEqual(("NextHopProbeInS", 0.0), (PROBE_INTERVAL.name, PROBE_INTERVAL.default))

    def test_rows(self) -> None:
        """Every row leads to a state that has rows; what is passed over was held, what is not was released."""
        states = {state for state, _ in TRANSITIONS}
        for (state, _), (actions, following) in TRANSITIONS.items():
            self.assertIn(following, states)
            if state in (UP, SUSPECT) and following == DOWN:
                self.assertEqual(("hold",), actions)
            if state in (DOWN, PROBING) and following in (UP, SUSPECT):
                self.assertEqual(("release",), actions)

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("failed"), st.sampled_from(["timeout", "503"]), st.sampled_from([None, 0.0, 45.0])),
                st.tuples(st.just("answered")),
                st.tuples(st.just("advance"), st.sampled_from([1.0, 10.0, 31.0, 3600.0])),
                st.tuples(st.just("probe"), st.booleans()),
            ),
            max_size=40,
        )
    )
    @settings(max_examples=200, deadline=None)
    def test_any_sequence(self, steps: list[tuple[object, ...]]) -> None:
        """Whatever happens in whatever order: no fault, order as the state says, and no timer when all is over."""
        clock, peers = Clock(), Peers()
        gateways = Gateways(clock, 30.0, 10.0)
        gateways.start(peers.probe)
        for step in steps:
            if step[0] == "failed":
                gateways.failed(ONE, *step[1:])  # type: ignore[arg-type]
            elif step[0] == "answered":
                gateways.answered(ONE)
            elif step[0] == "advance":
                clock.advance(step[1])  # type: ignore[arg-type]
            elif peers.waiting and not peers.waiting[-1].called:
                peers.waiting[-1].callback(bool(step[1]))
            held = [health.state in (DOWN, PROBING) for health in gateways.states()] == [True]
            self.assertEqual([TWO, ONE] if held else [ONE, TWO], gateways.in_order([ONE, TWO]))
        gateways.stop()
        self.assertEqual([], clock.getDelayedCalls())
