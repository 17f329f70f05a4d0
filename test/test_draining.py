"""A process that is drained: when it ends."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.draining import DrainedService
from sipproxy.simulation import Simulation, rings


class DrainedTests(SynchronousTestCase):
    """A server on a network in memory, and who looks after its end."""

    def setUp(self) -> None:
        self.simulation = Simulation(Path(self.mktemp()))
        self.server = self.simulation.server("192.0.2.1", {"ProxyDomain": "example.com", "DrainTimeoutInS": "100"})
        self.addCleanup(self.simulation.stop)
        self.alice = self.simulation.agent(b"sip:alice@example.com", "10.0.0.1", proxy="192.0.2.1")
        self.bob = self.simulation.agent(b"sip:bob@example.com", "10.0.0.2", proxy="192.0.2.1")
        registration = self.bob.register()
        self.simulation.run_until(lambda: registration.is_over)
        self.ends: list[float] = []
        service = DrainedService(self.server, self.simulation.clock, self.end)
        service.startService()
        self.addCleanup(service.stopService)

    def end(self) -> None:
        """Note when the process would end."""
        self.ends.append(self.simulation.clock.seconds() - self.begun)

    def drain(self, on: bool = True) -> None:
        """Drain the server."""
        self.begun = self.simulation.clock.seconds()
        self.server.sip.core.draining = on

    def test_not_drained(self) -> None:
        """A server that serves goes on for ever."""
        self.simulation.run(200)
        self.assertEqual(self.ends, [])

    def test_idle(self) -> None:
        """Without a call it ends after 64*T1, and is ended once."""
        self.drain()
        self.simulation.run(200)
        self.assertEqual(len(self.ends), 1)
        self.assertTrue(32 <= self.ends[0] <= 34, self.ends)

    def test_taken_back(self) -> None:
        """What is taken back does not count; drained again, it has its time again."""
        self.drain()
        self.simulation.run(20)
        self.drain(False)
        self.simulation.run(20)
        self.drain()
        self.simulation.run(30)
        self.assertEqual(self.ends, [])
        self.simulation.run(10)
        self.assertEqual(len(self.ends), 1)

    def test_call(self) -> None:
        """A call that rings holds it up; once it is answered its ACK can still pass."""
        self.bob.behaviour = rings
        call = self.alice.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.drain()
        self.simulation.run(50)
        self.assertEqual((self.ends, call.is_over), ([], False))
        call.cancel()
        self.simulation.run(45)
        self.assertEqual(len(self.ends), 1)
        self.assertEqual(call.final, 487)

    def test_refused(self) -> None:
        """Calls that are refused meanwhile do not hold it up, though their ACKs may be seen again."""
        self.drain()
        for _ in range(40):
            call = self.alice.invite(b"sip:bob@example.com")
            self.simulation.run(1)
            self.assertEqual(call.final, 503)
        self.assertEqual(len(self.ends), 1)
        self.assertLessEqual(self.ends[0], 34)

    def test_timeout(self) -> None:
        """A call that rings longer than DrainTimeoutInS does not hold it up any more."""
        self.bob.behaviour = rings
        self.alice.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.drain()
        self.simulation.run(99)
        self.assertEqual(self.ends, [])
        self.simulation.run(3)
        self.assertEqual(len(self.ends), 1)
