"""Damaged datagrams, many of them, into a real server in this process: is one slow, does one raise?

Each is a valid message (the works', the server's own, those of RFC 4475) with
some octets changed, by a generator with a seed. What is measured is the CPU
time until the server has dealt with it.
"""

import gc
import heapq
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, cast

from twisted.logger import ILogObserver, globalLogPublisher
from twisted.python.failure import Failure

from bench.collector import CollectorWatch
from bench.damage import damaged
from bench.flows import CALLER, FLOWS, Datagram, Flow, FlowError, Step, register_request
from bench.memory import MemoryServer

TORTURE = Path(__file__).resolve().parent.parent / "test" / "message" / "torture"
_BLOCK = 200
"""Datagrams between two steps of the clock."""
_STEP = 0.5
_KEPT = 5
"""Slow datagrams that are looked at again."""
_AGAIN = 3


class Slow(NamedTuple):
    """A datagram that took long.

    @ivar us: microseconds of CPU time
    @ivar again: the same, the least of some fresh servers
    @ivar datagram: its octets
    """

    us: float
    again: float
    datagram: bytes


class Fault(NamedTuple):
    """An exception that reached the log, or the port.

    @ivar traceback: where it was raised
    @ivar datagram: the last one before it
    """

    traceback: str
    datagram: bytes


class Outcome(NamedTuple):
    """What came of it.

    @ivar datagrams: how many there were
    @ivar mean: microseconds for one
    @ivar slowest: the slowest ones, slowest first
    @ivar faults: one for each place that raised
    @ivar collections: what the garbage collector took
    """

    datagrams: int
    mean: float
    slowest: list[Slow]
    faults: list[Fault]
    collections: CollectorWatch


class FaultWatch:
    """Gathers the exceptions that reach the log while it is entered.

    @ivar datagram: what the server is dealing with
    @ivar found: the faults, by the place that raised
    """

    def __init__(self) -> None:
        self.datagram = b""
        self.found: dict[object, Fault] = {}
        # mypy-zope cannot be told that a method provides an interface of one call.
        self._observer = cast(ILogObserver, self._told)

    def __enter__(self) -> "FaultWatch":
        globalLogPublisher.addObserver(self._observer)
        return self

    def __exit__(self, *_: object) -> None:
        globalLogPublisher.removeObserver(self._observer)

    def _told(self, event: dict[str, Any]) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            self.escaped(failure)

    def escaped(self, failure: Failure) -> None:
        """Take an exception that did not reach the log, but the port."""
        place = (failure.type, failure.frames[-1][:3] if failure.frames else None)
        self.found.setdefault(place, Fault(failure.getTraceback(), self.datagram))


def fuzz(count: int, seed: int, collecting: bool) -> Outcome:
    """Feed damaged datagrams.

    @param collecting: whether the garbage collector runs by itself, within the times that are measured;
        if not, it runs between them
    """
    random = Random(seed)
    valid = corpus()
    slow: list[tuple[int, int, bytes]] = []
    spent = 0
    with _server() as server, FaultWatch() as faults, CollectorWatch() as collections, _collector(collecting):
        for number in range(count):
            datagram = faults.datagram = damaged(valid, random)
            took = _time(server, datagram, faults)
            spent += took
            heapq.heappush(slow, (took, number, datagram))
            if len(slow) > _KEPT:
                heapq.heappop(slow)
            if number % _BLOCK == _BLOCK - 1:
                server.clock.advance(_STEP)
                server.port.take()
                if not collecting:
                    gc.collect()
    slowest = [Slow(took / 1000, _again(valid, datagram) / 1000, datagram) for took, _, datagram in sorted(slow)[::-1]]
    return Outcome(count, spent / count / 1000, slowest, list(faults.found.values()), collections)


def corpus() -> list[bytes]:
    """Give valid messages: what both sides of each work send, and those of RFC 4475."""
    found: list[bytes] = [path.read_bytes() for path in sorted(TORTURE.glob("*.dat"))]
    with _server() as server:
        for number in range(10):
            server.port.deliver(register_request(number), CALLER)
        server.clock.advance(0.1)
        server.port.take()
        for flow in FLOWS.values():
            running = flow(range(3))
            step = next(running, None)
            while step is not None:
                for datagram, source in step.datagrams:
                    server.port.deliver(datagram, source)
                    found.append(datagram)
                server.clock.advance(0.02)
                sent = server.port.take()
                found += [data for data, _ in sent]
                step = _following(running, sent)
    return list(dict.fromkeys(found))


def _following(running: Flow, sent: list[Datagram]) -> Step | None:
    """Give the next step; the flow of a redirect ends early, as this server is a proxy."""
    try:
        return running.send(sent)
    except (StopIteration, FlowError):
        return None


@contextmanager
def _server() -> Iterator[MemoryServer]:
    """Run a server whose questions to the DNS, for damaged host names, go to a socket that nobody reads."""
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as folder, socket.socket(type=socket.SOCK_DGRAM) as dns:
        dns.bind(("127.0.0.1", 0))
        name_server = f"127.0.0.1:{dns.getsockname()[1]}"
        server = MemoryServer("registered-call", Path(folder), DNSServers=name_server, DNSTimeoutInMs="100")
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def _collector(enabled: bool) -> Iterator[None]:
    """Let the garbage collector run by itself, or not."""
    if not enabled:
        gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _time(server: MemoryServer, datagram: bytes, faults: FaultWatch) -> int:
    deliver = server.port.deliver
    begun = time.thread_time_ns()
    try:
        deliver(datagram, CALLER)
    except Exception:  # noqa: BLE001 - a real port would log it; here it is one more fault to tell of
        faults.escaped(Failure())  # type: ignore[no-untyped-call]
    return time.thread_time_ns() - begun


def _again(valid: Sequence[bytes], datagram: bytes) -> int:
    """Give the least time, in nanoseconds, of a datagram in fresh servers."""
    times = []
    for _ in range(_AGAIN):
        with _server() as server:
            for other in valid:
                _time(server, other, FaultWatch())
            times.append(_time(server, datagram, FaultWatch()))
    return min(times)
