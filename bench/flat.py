"""What a call costs, and how long a collection of garbage takes, with few and with many live transactions.

In process, on a virtual clock, as bench/inprocess.py does it.
"""

import gc
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

from bench.alone import alone
from bench.collector import CollectorWatch
from bench.inprocess import Driver, Stopwatch, Unmeasured
from bench.memory import MemoryServer

_CALLS = 3
"""Calls in a batch."""
_LEFT = 3
"""Transactions that a call leaves behind, for 64*T1; one more ends after T4."""
_LIFETIME = 32.0
"""Seconds of virtual time for which they are live: 64*T1."""
_BATCHES = 1000
_FEW, _MANY = 10, 20_000
_LIVE = (20_000, 200_000)
_PORTIONS = 100


class Cost(NamedTuple):
    """What calls cost beside transactions that are live.

    @ivar live: how many are, after the last call
    @ivar us: microseconds of CPU time per call, timers and garbage collector included, median of the batches
    @ivar mean: the same, mean
    """

    live: int
    us: float
    mean: float


class Pauses(NamedTuple):
    """What the garbage collector takes beside transactions that are live.

    @ivar live: how many are, after the last call
    @ivar growing: collections while they became so many
    @ivar longest: milliseconds of the longest of these
    @ivar steady: collections in as many calls again, when as many transactions end as begin
    @ivar whole: milliseconds of one that looks at all objects, which the server itself hardly ever makes
    """

    live: int
    growing: int
    longest: float
    steady: int
    whole: float


def flat(rounds: int) -> dict[str, Any]:
    """Compare the cost of a call with few and with many live transactions, in turn, and print it.

    @param rounds: processes for each
    """
    costs: dict[int, list[Cost]] = {_FEW: [], _MANY: []}
    for _ in range(rounds):
        for live, measured in costs.items():
            measured.append(alone(_cost, live))
    found: dict[str, Any] = {}
    for live, measured in costs.items():
        found[str(live)] = {
            "live": measured[0].live,
            "us": round(median(cost.us for cost in measured), 1),
            "mean_us": round(median(cost.mean for cost in measured), 1),
        }
    few, many = found[str(_FEW)], found[str(_MANY)]
    found["ratio"] = round(median(b.us / a.us for a, b in zip(*costs.values(), strict=True)), 3)
    print(
        f"call with {few['live']} live transactions {few['us']} us (mean {few['mean_us']}),"
        f" with {many['live']} {many['us']} us (mean {many['mean_us']}), ratio {found['ratio']}",
        flush=True,
    )
    return found


def pauses() -> dict[str, Any]:
    """Measure collections of garbage with many live transactions and print them."""
    found: dict[str, Any] = {}
    for live in _LIVE:
        seen: Pauses = alone(_pauses, live)
        found[str(live)] = seen._asdict()
        print(
            f"{seen.live} live transactions: {seen.growing} collections until there were so many, the longest"
            f" {seen.longest:.1f} ms; {seen.steady} in as many calls again; one of all objects {seen.whole:.1f} ms",
            flush=True,
        )
    return found


def _driver(server: MemoryServer, live: int) -> Driver:
    """Give calls at such a rate that as many transactions are live, or a batch where it is less."""
    return Driver(server, "call", max(live / _LEFT, 0.5) / _LIFETIME)


def _cost(live: int) -> Cost:
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as folder:
        server = MemoryServer("call", Path(folder))
        driver = _driver(server, live)
        for _ in range(max(100, live // _LEFT // _CALLS + 100)):
            driver.batch(_CALLS, Unmeasured())
        spent: list[float] = []
        for _ in range(_BATCHES):
            watches: dict[str, Stopwatch] = defaultdict(Stopwatch)
            driver.batch(_CALLS, watches)
            spent.append(sum(watch.spent for watch in watches.values()) / _CALLS / 1000)
        found = Cost(server.transactions, median(spent), mean(spent))
        server.stop()
    return found


def _pauses(live: int) -> Pauses:
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as folder:
        server = MemoryServer("call", Path(folder), MaxTransactions="1000000")
        driver = _driver(server, live)
        batch = max(1, live // _LEFT // _PORTIONS)
        with CollectorWatch() as growing:
            for _ in range(_PORTIONS):
                driver.batch(batch, Unmeasured())
        with CollectorWatch() as steady:
            for _ in range(_PORTIONS):
                driver.batch(batch, Unmeasured())
        begun = time.thread_time_ns()
        gc.collect()
        whole = time.thread_time_ns() - begun
        found = Pauses(server.transactions, growing.count, growing.longest / 1e6, steady.count, whole / 1e6)
        server.stop()
    return found
