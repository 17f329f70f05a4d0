"""The way between owner and worker."""

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.control import ControlError
from sipproxy.errors import StoreError
from sipproxy.workers.channel import RefusedError
from test.workers.wire import Wire


class ChannelTests(SynchronousTestCase):
    """Questions, answers and news."""

    def setUp(self) -> None:
        """Connect two ends."""
        self.wire = Wire()

    def test_answers(self) -> None:
        """An answer comes to its question, in whatever order they are given."""
        late: Deferred[str] = Deferred()
        self.wire.serve({"add": lambda a, b: a + b, "late": lambda: late}, {})
        first, second = self.wire.worker.ask("late"), self.wire.worker.ask("add", a=1, b=2)
        self.wire.pump()
        self.assertEqual(self.successResultOf(second), 3)
        late.callback("x")
        self.wire.pump()
        self.assertEqual(self.successResultOf(first), "x")

    def test_order(self) -> None:
        """What is told before an answer arrives before it."""
        heard: list[str] = []

        def ask() -> None:
            self.wire.owner.tell("news", text="before")

        def hear(text: str) -> None:
            heard.append(text)

        self.wire.serve({"ask": ask}, {"news": hear})
        self.wire.worker.ask("ask").addCallback(lambda _: heard.append("answer"))
        self.wire.pump()
        self.assertEqual(heard, ["before", "answer"])

    def test_refusals(self) -> None:
        """A refusal keeps its status, a store that is away is 503, a fault of ours 500 and in the log."""

        def refuse() -> None:
            raise ControlError(404, "there is none")

        def away() -> None:
            raise StoreError("away")

        def fault() -> None:
            raise ZeroDivisionError

        self.wire.serve({"refuse": refuse, "away": away, "fault": fault}, {})
        asked = [self.wire.worker.ask(name) for name in ("refuse", "away", "fault")]
        self.wire.pump()
        found = [self.failureResultOf(each, RefusedError).value for each in asked]
        self.assertEqual([error.status for error in found], [404, 503, 500])
        self.assertEqual(str(found[0]), "there is none")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_fault_in_news(self) -> None:
        """A fault in what is told reaches the log, and what comes next is heard."""
        heard: list[int] = []
        self.wire.serve({"news": lambda number: heard.append(1 // number)}, {})
        self.wire.worker.tell("news", number=0)
        self.wire.worker.tell("news", number=1)
        self.wire.pump()
        self.assertEqual(heard, [1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_end(self) -> None:
        """When the other side is gone, who waits is told, and who asks later too."""
        asked = self.wire.worker.ask("anything")
        self.wire.worker.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(asked, RefusedError)
        self.failureResultOf(self.wire.worker.ask("anything"), RefusedError)
        self.wire.worker.tell("anything")
        self.assertEqual(self.wire.closed, ["worker"])
