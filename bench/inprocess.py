"""CPU time of each work in one process, without sockets and without a peer's cost.

    python -m bench.inprocess [--work call,redirect] [--calls 4000] [--profile [--top 40]]

The server is the real one (C{make_service}) on a virtual clock; only its port
is a list. Datagrams are made beforehand, in batches, and only the time in which
the server deals with them, or with its timers, is taken. What a socket costs is
not in it: bench/run.py has that.
"""

import argparse
import cProfile
import gc
import pstats
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple, Protocol

from bench.collector import CollectorWatch
from bench.flows import FLOWS, register_request
from bench.memory import MemoryServer
from bench.works import NEED_REGISTRATIONS, USERS, WORKS
from sipproxy.databases.registry import LINGER

BATCH = 200
RATE = 800.0
"""Calls per second of virtual time."""
# A transaction lives 64*T1: so it ends, and its end is counted, within the run.
TIMERS = {"SIPT1InMs": "50", "SIPT2InMs": "400", "SIPT4InMs": "500"}
WARM_UP = 16
"""Batches before the first that counts: more virtual time than a transaction lives."""


class Meter(Protocol):
    """Measures what happens between enable and disable."""

    def enable(self) -> None:
        """Begin."""

    def disable(self) -> None:
        """End."""


class Stopwatch:
    """CPU time of this process.

    @ivar spent: nanoseconds in all
    """

    def __init__(self) -> None:
        self.spent = 0
        self._begun = 0

    def enable(self) -> None:
        """Begin."""
        self._begun = time.process_time_ns()

    def disable(self) -> None:
        """End."""
        self.spent += time.process_time_ns() - self._begun


class Unmeasured(dict[str, Meter]):
    """Meters for calls that do not count."""

    def __missing__(self, step: str) -> Meter:
        return Stopwatch()


class Figure(NamedTuple):
    """What a work costs.

    @ivar work: its name
    @ivar us: microseconds of CPU time per call, median of the batches
    @ivar best: the same of the cheapest batch
    @ivar mean: the same of all; rare and long collections of garbage are only here
    @ivar steps: microseconds per call of each step, in order, median of the batches
    @ivar collector: how much of it the garbage collector took, mean of all calls
    @ivar calls: calls that were measured
    """

    work: str
    us: float
    best: float
    mean: float
    steps: dict[str, float]
    collector: float
    calls: int


class Driver:
    """Drives one work through a server, batch after batch."""

    def __init__(self, server: MemoryServer, work: str, rate: float = RATE) -> None:
        """
        @param rate: calls per second of virtual time
        """
        self._server = server
        self._rate = rate
        self._flow = FLOWS[work]
        self._next = 0
        if work in NEED_REGISTRATIONS:
            for number in range(USERS):
                server.port.deliver(register_request(number), ("127.0.0.1", 5091))
            server.clock.advance(0.1)
            server.port.take()

    def batch(self, count: int, meters: Mapping[str, Meter]) -> None:
        """Make some calls.

        @param meters: by step, each made when its step is first met
        @raise bench.flows.FlowError: the server failed one
        """
        port = self._server.port
        flow = self._flow(range(self._next, self._next + count))
        self._next += count
        step = next(flow, None)
        while step is not None:
            with _metered(meters[step.name]):
                for datagram, source in step.datagrams:
                    port.deliver(datagram, source)
                if not step.datagrams:
                    self._server.clock.advance(LINGER)
            try:
                step = flow.send(port.take())
            except StopIteration:
                step = None
        with _metered(meters["timers"]):
            self._server.clock.advance(count / self._rate)


@contextmanager
def _metered(meter: Meter) -> Iterator[None]:
    """Measure, and let the garbage collector run within what is measured only: there its work comes from."""
    gc.enable()
    meter.enable()
    try:
        yield
    finally:
        meter.disable()
        gc.disable()


def measure(work: str, calls: int) -> Figure:
    """Measure a work.

    @raise bench.flows.FlowError: a call failed
    """
    batches: list[dict[str, Stopwatch]] = []
    collected = 0
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as folder:
        server = MemoryServer(work, Path(folder), **TIMERS)
        driver = Driver(server, work)
        for number in range(WARM_UP + max(1, calls // BATCH)):
            watches: dict[str, Stopwatch] = defaultdict(Stopwatch)
            with CollectorWatch() as collections:
                driver.batch(min(BATCH, calls), watches)
            if number >= WARM_UP:
                batches.append(watches)
                collected += collections.spent
        server.stop()
    gc.enable()
    size = min(BATCH, calls) * 1000
    totals = [sum(watch.spent for watch in watches.values()) / size for watches in batches]
    steps = {name: median(watches[name].spent / size for watches in batches) for name in batches[0]}
    return Figure(
        work,
        median(totals),
        min(totals),
        mean(totals),
        steps,
        collected / len(batches) / size,
        len(batches) * min(BATCH, calls),
    )


def profile(work: str, calls: int, top: int) -> None:
    """Print where the time of a work goes; the profiler itself makes all slower, small functions most."""
    profiler = cProfile.Profile()
    meters: dict[str, Meter] = defaultdict(lambda: profiler)
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as folder:
        server = MemoryServer(work, Path(folder), **TIMERS)
        driver = Driver(server, work)
        for number in range(WARM_UP + max(1, calls // BATCH)):
            driver.batch(min(BATCH, calls), meters if number >= WARM_UP else Unmeasured())
        server.stop()
    gc.enable()
    print(f"{work}: {calls} calls")
    pstats.Stats(profiler, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(top)


def main(arguments: Sequence[str]) -> None:
    """Measure, or profile, the works named, and print."""
    parser = argparse.ArgumentParser(prog="bench.inprocess", description="CPU time per call without sockets.")
    parser.add_argument("--work", default=",".join(WORKS), help="works, with commas (%(default)s)")
    parser.add_argument("--calls", type=int, default=4000, help="calls of each work (%(default)s)")
    parser.add_argument("--profile", action="store_true", help="print a profile instead of figures")
    parser.add_argument("--top", type=int, default=40, help="lines of the profile (%(default)s)")
    chosen = parser.parse_args(arguments)
    for work in chosen.work.split(","):
        if chosen.profile:
            profile(work, chosen.calls, chosen.top)
        else:
            figure = measure(work, chosen.calls)
            steps = "  ".join(f"{name} {us:.1f}" for name, us in figure.steps.items())
            print(
                f"{work:16} {figure.us:6.1f} us/call (best batch {figure.best:.1f}, mean {figure.mean:.1f},"
                f" of which the garbage collector {figure.collector:.1f})\n    {steps}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
