"""A server with or without accounting, in one process: calls through it, and the RADIUS server that it tells.

The server is that of L{bench.memory}, the spool the real one: its file is on
the disk, and has its thread. Time is virtual, but a commit is waited for, so
that a run is the same each time.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from twisted.internet.testing import MemoryReactorClock

from bench.flows import FLOWS, Step
from bench.inprocess import RATE, TIMERS, Meter
from bench.memory import MemoryServer, NullPort
from bench.radius_responder import SECRET, acknowledgement
from sipproxy.accounting.service import AccountingService
from sipproxy.accounting.spool import LINGER

RADIUS = ("127.0.0.1", 1813)
_SPOKEN = frozenset({"180", "ACK", "200 BYE"})
"""Steps after which time passes: there nobody waits for an answer."""
_PAUSE = 3 * LINGER


class ThreadedClock(MemoryReactorClock):
    """A virtual clock to which threads can give their results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.results: SimpleQueue[tuple[Any, tuple[Any, ...]]] = SimpleQueue()

    def callWhenRunning(self, call: Any, *arguments: Any) -> None:
        """See IReactorCore: it runs."""
        call(*arguments)

    def callFromThread(self, call: Any, *arguments: Any) -> None:
        """See IReactorFromThreads; it is called by L{run_result}."""
        self.results.put((call, arguments))

    def run_result(self) -> None:
        """Wait for a result of a thread, and take it."""
        call, arguments = self.results.get()
        call(*arguments)


class Accounted:
    """A server, calls through it, and the RADIUS server that it tells.

    @ivar server: the server
    @ivar accounting: its accounting, None where that is off
    @ivar records: Accounting-Requests that it has sent
    """

    def __init__(self, folder: Path, accounts: bool) -> None:
        self.records = 0
        self._next = 0
        self._clock = ThreadedClock()
        others = dict(TIMERS)
        if accounts:
            secret = folder / "secret"
            secret.write_bytes(SECRET)
            secret.chmod(0o600)
            (folder / "data").mkdir()
            others |= {"Accounting": "On", "RadiusServer": f"acct {RADIUS[0]}:{RADIUS[1]} {secret}"}
        self.server = MemoryServer("call", folder, self._clock, **others)
        self.accounting: AccountingService | None = self.server.server.parts.accounting
        self._settle()

    def batch(self, count: int, meters: Mapping[str, Meter]) -> None:
        """Make some calls.

        @raise bench.flows.FlowError: the server failed one
        """
        flow = FLOWS["call"](range(self._next, self._next + count))
        self._next += count
        step = next(flow, None)
        while step is not None:
            with metered(meters[step.name]):
                self.deliver(step)
            sent = self.server.port.take()
            if step.name in _SPOKEN:
                self._pass(_PAUSE, meters[step.name])
            try:
                step = flow.send(sent)
            except StopIteration:
                step = None
        self._pass(max(0.0, count / RATE - 3 * _PAUSE), meters["timers"])

    def deliver(self, step: Step) -> None:
        """Let the datagrams of a step arrive."""
        deliver = self.server.port.deliver
        for datagram, source in step.datagrams:
            deliver(datagram, source)

    def _pass(self, seconds: float, meter: Meter) -> None:
        """Let time pass, and the RADIUS server answer."""
        end = self._clock.seconds() + seconds
        while self._clock.seconds() < end:
            with metered(meter):
                self._clock.advance(min(LINGER / 2, end - self._clock.seconds()))
                self._settle()
            while answers := self._answers():
                with metered(meter):
                    for port, answer in answers:
                        port.deliver(answer, RADIUS)
                    self._settle()

    def _settle(self) -> None:
        """Wait for the spool's thread."""
        while self.accounting is not None and self.accounting.spool.is_writing:
            self._clock.run_result()

    def _answers(self) -> list[tuple[NullPort, bytes]]:
        answers = [(port, acknowledgement(data)) for port in self.server.network.ports[1:] for data, _ in port.take()]
        self.records += len(answers)
        return answers

    def stop(self) -> None:
        """Stop the server."""
        stopped: list[object] = []
        self.server.server.stopService().addBoth(stopped.append)
        while not stopped:
            self._clock.run_result()
        self.server.stop()


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Measure, and let the garbage collector run within what is measured only."""
    gc.enable()
    meter.enable()
    try:
        yield
    finally:
        meter.disable()
        gc.disable()
