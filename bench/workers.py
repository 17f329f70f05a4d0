"""What several worker processes cost: a call with two of them against one server, and how they share the calls.

The caller is sipp with a UDP port for each call (C{-t un}), as telephones have
ports of their own; the telephone is L{bench.via_callee}, which answers to where
Via says. Each worker has a processor of its own as far as there are any, and as
many calls a second as the one process: with fewer, each wakes up for fewer
datagrams, and what that costs says nothing of workers.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.loads import Load
from bench.processes import below, end, processors, start, usage
from bench.servers import ours

WORKERS = 2
_CALLEE = Path(__file__).with_name("via_callee.py")
_PORTS = ("-t", "un", "-max_socket", "2000")
_FIRST = 300
"""Calls before those that are counted."""


class Cost(NamedTuple):
    """What a run has cost.

    @ivar us: microseconds of CPU time for a call, of all processes
    @ivar shares: seconds of CPU time of each worker
    @ivar owner: share of the process that owns the ports, of the time of all
    @ivar failed: calls that failed
    """

    us: float
    shares: list[float]
    owner: float
    failed: int


def workers(rate: int, seconds: int, rounds: int) -> dict[str, Any]:
    """Measure one process and several, in turn, and print.

    @param rate: calls per second for each process
    @param seconds: length of a run
    @param rounds: runs of each
    """
    alone: list[Cost] = []
    several: list[Cost] = []
    for number in range(rounds):
        # Whoever comes first in one round comes second in the next.
        for count, costs in ((1, alone), (WORKERS, several))[:: 1 if number % 2 else -1]:
            costs.append(_run(count, count * rate, count * rate * seconds))
    pairs = list(zip(alone, several, strict=True))
    found = {
        "us_one": round(median(each.us for each in alone), 1),
        "us_several": round(median(each.us for each in several), 1),
        "ratio": round(median(other.us / one.us for one, other in pairs), 3),
        "smallest_share": round(median(min(each.shares) / sum(each.shares) for each in several), 3),
        "owner": round(median(each.owner for each in several), 3),
        "failed": sum(each.failed for each in (*alone, *several)),
        "rate": rate,
    }
    print(
        f"call with one process {found['us_one']} us, with {WORKERS} workers {found['us_several']} us,"
        f" ratio {found['ratio']}; the smallest share of a worker {found['smallest_share']}, the owner's part"
        f" {found['owner']}; {found['failed']} calls failed",
        flush=True,
    )
    return found


def _run(count: int, rate: int, calls: int) -> Cost:
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        folder = Path(name)
        with ours("call", folder, StartServers=str(count)) as server:
            load = Load(server.port, folder)
            callee = start(processors()[1], [sys.executable, str(_CALLEE), str(load.callee)], folder)
            try:
                time.sleep(2)  # for workers that answer later than the first
                load.run("call", rate, _FIRST, options=_PORTS)
                pids = below(server.process.pid)
                for at, pid in enumerate(pids):
                    os.sched_setaffinity(pid, {processors()[at % 2]})
                before, each_before = usage(server.process.pid).cpu, [usage(pid).cpu for pid in pids]
                result = load.run("call", rate, calls, options=_PORTS)
                spent = usage(server.process.pid).cpu - before
                shares = [usage(pid).cpu - was for pid, was in zip(pids, each_before, strict=True)]
            finally:
                end(callee)
    return Cost(spent / result.done * 1e6, shares, 1 - sum(shares) / spent, result.failed)
