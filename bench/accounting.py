"""What accounting costs: CPU time of a call in one process, with Accounting On and Off.

    python -m bench.accounting [--calls 8000] [--profile [--top 40]]

Two servers, one with accounting and one without, make batches of calls in turn,
so that what else the machine does meets both. There is time between INVITE, 200
and BYE: each record is committed, sent, acknowledged and removed by itself, as
it is with calls in which somebody speaks. The time of the spool's thread
counts; what the RADIUS server does, and what sockets cost, does not.
"""

import argparse
import cProfile
import gc
import pstats
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.accounted import Accounted
from bench.inprocess import BATCH, Meter, Stopwatch, Unmeasured

WARM_UP = 20
"""Batches of each server before the first that counts."""


def measure(calls: int) -> dict[bool, list[float]]:
    """Measure calls with and without accounting.

    @return: microseconds for a call, batch by batch, by whether Accounting is On
    """
    costs: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        servers = {accounts: _begin(Path(name), accounts) for accounts in costs}
        for number in range(WARM_UP + max(1, calls // BATCH)):
            for accounts, server in servers.items():
                watches: dict[str, Stopwatch] = defaultdict(Stopwatch)
                server.batch(BATCH, watches)
                if number >= WARM_UP:
                    costs[accounts].append(sum(watch.spent for watch in watches.values()) / BATCH / 1000)
        _check(servers[True], (WARM_UP + max(1, calls // BATCH)) * BATCH)
        for server in servers.values():
            server.stop()
    gc.enable()
    return costs


def profile(calls: int, top: int) -> None:
    """Print where the time goes with Accounting On; the spool's thread is not in it."""
    profiler = cProfile.Profile()
    meters: dict[str, Meter] = defaultdict(lambda: profiler)
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        server = _begin(Path(name), True)
        for number in range(WARM_UP + max(1, calls // BATCH)):
            server.batch(BATCH, meters if number >= WARM_UP else Unmeasured())
        server.stop()
    gc.enable()
    pstats.Stats(profiler, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(top)


def _begin(folder: Path, accounts: bool) -> Accounted:
    root = folder / ("on" if accounts else "off")
    root.mkdir()
    return Accounted(root, accounts)


def _check(server: Accounted, calls: int) -> None:
    """See that all records were told and none is left: else the figure is of something else."""
    assert server.accounting is not None
    left = server.accounting.waiting, server.accounting.open_calls
    if server.records != 3 * calls or left != (0, 0):
        raise SystemExit(f"{server.records} records of {calls} calls were sent; waiting and open: {left}")


def main(arguments: Sequence[str]) -> None:
    """Measure, or profile, and print."""
    parser = argparse.ArgumentParser(prog="bench.accounting", description="CPU time of accounting for a call.")
    parser.add_argument("--calls", type=int, default=8000, help="calls of each server (%(default)s)")
    parser.add_argument("--profile", action="store_true", help="print a profile instead of figures")
    parser.add_argument("--top", type=int, default=40, help="lines of the profile (%(default)s)")
    chosen = parser.parse_args(arguments)
    if chosen.profile:
        profile(chosen.calls, chosen.top)
        return
    costs = measure(chosen.calls)
    for name, of in (("best batch", min), ("median", median)):
        off, on = of(costs[False]), of(costs[True])
        print(f"{name:12} Off {off:6.1f} us/call   On {on:6.1f}   more {on - off:6.1f}, {(on / off - 1) * 100:.1f} %")


if __name__ == "__main__":
    main(sys.argv[1:])
