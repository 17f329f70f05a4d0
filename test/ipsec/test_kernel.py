"""The server's side of the process that changes the kernel's tables."""

import json
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ProcessTerminated
from twisted.internet.process import reapAllProcesses
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.ipsec.kernel import DEADLINE, RESTART, STOP_TIMEOUT, Kernel, KernelError, Request, helper_command
from test.ipsec.fake_ip import FakeIp
from test.net.fixtures import close, spin

BLOCK: Request = {"what": "block", "direction": "in", "peer": "192.0.2.1", "port": 5060}


class FakeProcess:
    """A process that the test plays."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.written: list[dict[str, Any]] = []
        self.signals: list[str] = []
        self.is_closed = False

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """Take a request."""
        self.written.append(json.loads(data))

    def closeStdin(self) -> None:
        """Take the end."""
        self.is_closed = True

    def signalProcess(self, name: str) -> None:
        """Refuse: it is root's."""
        self.signals.append(name)
        raise PermissionError(1, "Operation not permitted")

    def answer(self, text: str) -> None:
        """Write to its standard output."""
        self.protocol.outReceived(text.encode())

    def end(self) -> None:
        """End."""
        self.protocol.processEnded(Failure(ProcessTerminated(1)))


class SpawningClock(Clock):
    """A clock that starts processes."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []
        self.error: OSError | None = None

    def spawnProcess(self, protocol: Any, executable: str, args: Any, env: Any) -> FakeProcess:
        """See IReactorProcess."""
        if self.error is not None:
            raise self.error
        self.processes.append(FakeProcess(protocol))
        return self.processes[-1]


class KernelTests(SynchronousTestCase):
    """Requests, and a process that does not do as it should."""

    def setUp(self) -> None:
        """Start the process."""
        self.clock = SpawningClock()
        self.kernel = Kernel(self.clock)
        self.told: list[str] = []
        self.kernel.subscribe(self.told.append)
        self.kernel.start()
        self.kernel.start()
        (self.process,) = self.clock.processes

    def test_request(self) -> None:
        """Each answer is for its request, in whatever pieces it comes."""
        first, second = self.kernel.add(BLOCK), self.kernel.remove(BLOCK)
        self.assertEqual([request["do"] for request in self.process.written], ["add", "remove"])
        self.process.answer('{"id": 2, "error": "it was not ad')
        self.process.answer('ded here"}\n{"id": 1}\n')
        self.assertIsNone(self.successResultOf(first))
        self.assertEqual(str(self.failureResultOf(second, KernelError).value), "it was not added here")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_deadline(self) -> None:
        """Without an answer requests fail, the process is told to end, and a late answer does no harm."""
        asked = [self.kernel.add(BLOCK), self.kernel.remove(BLOCK), self.kernel.add(BLOCK)]
        self.clock.advance(DEADLINE - 1)
        self.process.answer('{"id": 1}\n')
        self.clock.advance(DEADLINE - 1)
        self.assertIsNone(self.successResultOf(asked[0]))
        self.assertNoResult(asked[1])
        self.clock.advance(1)
        for answer in asked[1:]:
            self.failureResultOf(answer, KernelError)
        self.assertEqual((self.process.signals, self.process.is_closed), (["KILL"], True))
        self.process.answer('{"id": 2}\n')
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nonsense(self) -> None:
        """What is no answer is logged and no more."""
        for text in ("\n", "[]\n", "{}\n", "x\n", '{"id": [1]}\n'.replace("[1]", "null"), "y" * 70_000):
            self.process.answer(text)
        self.assertEqual(self.told, [])

    def test_ended(self) -> None:
        """When it ends what waits fails, followers know, and it is started again."""
        asked = self.kernel.add(BLOCK)
        self.process.end()
        self.failureResultOf(asked, KernelError)
        self.failureResultOf(self.kernel.add(BLOCK), KernelError)
        self.clock.advance(RESTART)
        self.assertEqual(len(self.clock.processes), 2)
        self.assertEqual([bool(reason) for reason in self.told], [True, False])

    def test_not_started(self) -> None:
        """A process that cannot be started is tried again."""
        self.process.end()
        self.clock.error = FileNotFoundError(2, "No such file or directory")
        self.clock.advance(RESTART)
        self.clock.error = None
        self.clock.advance(RESTART)
        self.assertEqual(self.told[1:], ["it cannot be started: No such file or directory", ""])

    def test_stop(self) -> None:
        """Stopping closes its input and waits for its end."""
        stopped = self.kernel.stop()
        self.assertTrue(self.process.is_closed)
        self.assertNoResult(stopped)
        self.process.end()
        self.successResultOf(stopped)
        self.assertEqual((self.told, self.clock.getDelayedCalls()), ([], []))

    def test_stop_stuck(self) -> None:
        """One that does not end, and may not be killed, is given up."""
        stopped = self.kernel.stop()
        self.clock.advance(STOP_TIMEOUT)
        self.successResultOf(stopped)
        self.assertEqual(self.process.signals, ["KILL"])
        self.process.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_ended(self) -> None:
        """Stopping one that has ended starts none."""
        self.process.end()
        self.successResultOf(self.kernel.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_real(self) -> None:
        """The real process does what it is asked, and takes all away in the end."""
        reactor = EPollReactor()
        self.addCleanup(close, reactor)
        program = FakeIp(self)
        kernel = Kernel(reactor, (*helper_command(), str(program.path)))
        kernel.start()
        done: list[object] = []
        kernel.add(BLOCK).addBoth(done.append)
        spin(reactor, lambda: done, 20)
        self.assertEqual((done, len(program.entries)), ([None], 1))
        kernel.stop().addBoth(done.append)

        def stopped() -> bool:
            reapAllProcesses()
            return len(done) == 2

        spin(reactor, stopped, 20)
        self.assertEqual(program.entries, {})
