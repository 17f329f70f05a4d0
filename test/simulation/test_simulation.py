"""Simulations as a whole: one seed, one run; and what the watcher finds."""

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import NameNotFoundError, ResolverTimeoutError
from sipproxy.simulation import (
    BrokenInvariantError,
    Faults,
    Names,
    Sent,
    Simulation,
    UserAgent,
    VirtualClock,
    answers,
    rejects,
)

BAD = Faults(latency=0.01, jitter=0.2, loss=0.3, duplication=0.2)
ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


class SimulationTests(SynchronousTestCase):
    """The pieces together."""

    def begin(self, seed: int) -> tuple[Simulation, UserAgent, UserAgent]:
        """Give a simulation on a bad network with alice, bob, and a server that knows bob."""
        simulation = Simulation(Path(self.mktemp()), seed, BAD)
        static = "bob@example.com sip:bob@10.0.0.2"
        simulation.server("192.0.2.1", {"ProxyDomain": "example.com", "StaticRegistration": static})
        self.addCleanup(simulation.stop)
        alice = simulation.agent(b"sip:alice@example.com", "10.0.0.1", "192.0.2.1")
        return simulation, alice, simulation.agent(b"sip:bob@example.com", "10.0.0.2", "192.0.2.1")

    def run_once(self, seed: int) -> list[Sent]:
        """Play two calls on a bad network, and give all that was sent."""
        simulation, alice, bob = self.begin(seed)
        for behaviour in (answers(after=1.0), rejects(486)):
            bob.behaviour = behaviour
            call = alice.invite(b"sip:bob@example.com")
            simulation.run_until(lambda call=call: call.is_over)  # type: ignore[misc]
        simulation.finish()
        return simulation.network.transcript

    def test_determinism(self) -> None:
        """The same seed gives the same octets at the same moments, from server and telephones alike."""
        first, again, other = self.run_once(7), self.run_once(7), self.run_once(8)
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_documentation(self) -> None:
        """The example of docs/simulation.md does what it says."""
        (code,) = EXAMPLE.findall((ROOT / "docs/simulation.md").read_text())
        names: dict[str, object] = {"folder": self.mktemp()}
        exec(compile(code, "docs/simulation.md", "exec"), names)
        self.assertEqual(names["outcome"], 200)


class WatcherTests(SynchronousTestCase):
    """Each invariant is found broken where it is."""

    def begin(self) -> Simulation:
        """Give a simulation in which an INVITE is on its way from 10.0.0.1 to 10.0.0.2."""
        simulation = Simulation(Path(self.mktemp()))
        simulation.server("192.0.2.1")
        self.addCleanup(simulation.stop)
        alice, bob = simulation.endpoint("alice", "10.0.0.1"), simulation.endpoint("bob", "10.0.0.2")
        alice.send(alice.make_request(b"INVITE", bob.uri), ("192.0.2.1", 5060))
        simulation.run(1)
        return simulation

    def broken(self, data: bytes, destination: tuple[str, int] = ("10.0.0.1", 5060)) -> str:
        """Let the server's port send something, behind the back of its core; give what the watcher says."""
        simulation = self.begin()
        lines = data.replace(b"VIA", b"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK-alice-1").replace(
            b"CALL-ID", b"alice-1"
        )
        simulation.servers["192.0.2.1"].sip.core.points.all[0].write(lines.replace(b"\n", b"\r\n"), destination)
        return str(self.assertRaises(BrokenInvariantError, simulation.run, 1))

    RESPONSE = b"SIP/2.0 %s\nVia: VIA\nFrom: <sip:a>;tag=1\nTo: <sip:b>\nCall-ID: CALL-ID\nCSeq: %s\n\n"

    def test_responses(self) -> None:
        """Responses that should not have been sent."""
        for status, cseq, complaint in (
            (b"100 Trying\nServer: x", b"1 INVITE", "a 100 that came from elsewhere"),
            (b"200 OK", b"7 INVITE", "to no request"),
        ):
            self.assertIn(complaint, self.broken(self.RESPONSE % (status, cseq)))
        astray = self.broken(self.RESPONSE % (b"180 Ringing", b"1 INVITE"), ("10.0.0.2", 5060))
        self.assertIn("where no Via asked for it", astray)

    def test_requests(self) -> None:
        """Requests that are no proper copies of what came in."""
        request = (
            b"INVITE sip:bob@10.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=%s%s\n"
            b"Max-Forwards: %d\n%sFrom: <sip:a>;tag=1\nTo: <sip:b>\nCall-ID: CALL-ID\nCSeq: 1 INVITE\n\n"
        )
        below, breadth = b"\nVia: VIA", b"Max-Breadth: 1\n"
        for parts, complaint in (
            ((b"z9hG4bKx", b"", 69, breadth), "without any Via but ours"),
            ((b"z9hG4bKx", below, 70, breadth), "Max-Forwards did not fall"),
            ((b"z9hG4bKx", below, 69, b""), "no Max-Breadth"),
            ((b"1", below, 69, breadth), "without the magic cookie"),
            ((b"z9hG4bKx", below + below, 69, breadth), "not exactly one more Via"),
            ((b"z9hG4bKx", b"\nVia: SIP/2.0/UDP pc;branch=z9hG4bK1", 69, breadth), "that nobody sent"),
        ):
            self.assertIn(complaint, self.broken(request % parts, ("10.0.0.2", 5060)))

    def test_left_behind(self) -> None:
        """A timer that runs when all is over."""
        simulation = self.begin()
        simulation.servers["192.0.2.1"].sip.core.wheel.start(10_000, lambda _: None, None)
        self.assertIn("'timers': 1", str(self.assertRaises(BrokenInvariantError, simulation.finish)))


class NamesTests(SynchronousTestCase):
    """The resolver that asks nobody."""

    def test_names(self) -> None:
        """Literal addresses as they are, known names at once, unknown ones not; a delay makes a Deferred."""
        clock = VirtualClock()
        names = Names(clock)
        names.known = {"a.example": ["10.0.0.1", "10.0.0.2"], "mute.example": []}
        self.assertEqual(names.addresses("[2001:db8::1]"), ["2001:db8::1"])
        self.assertEqual(names.addresses("A.example"), ["10.0.0.1", "10.0.0.2"])
        self.assertRaises(NameNotFoundError, names.addresses, "b.example")
        mute = names.addresses("mute.example")
        names.delay = 1.0
        later = names.addresses("a.example")
        assert not isinstance(mute, list) and not isinstance(later, list)
        clock.run(0.5)
        self.failureResultOf(mute, ResolverTimeoutError)
        self.assertNoResult(later)
        clock.run(0.5)
        self.assertEqual(self.successResultOf(later), ["10.0.0.1", "10.0.0.2"])
