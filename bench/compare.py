"""The cost of each work beside Kamailio, in one run.

CPU time per finished call, user and system, of all processes of a server: it
holds where others use the machine too, which the clock on the wall does not.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.loads import Load
from bench.processes import usage
from bench.servers import Running, kamailio, ours
from bench.works import NEED_CALLEE, NEED_REGISTRATIONS, USERS

Starter = Callable[[str, Path], AbstractContextManager[Running]]

_WARM_UP = 300
"""Calls before those that count."""


class Run(NamedTuple):
    """One run of one server.

    @ivar us: microseconds of CPU time per call; None where a call failed
    @ivar failed: how many did
    @ivar resent: requests that the caller had to send again
    @ivar resident: octets of memory at the end
    """

    us: float | None
    failed: int
    resent: int
    resident: int


class Row(NamedTuple):
    """A work, measured on both servers in turn.

    @ivar work: its name
    @ivar ours: the runs of ours
    @ivar theirs: those of Kamailio
    """

    work: str
    ours: list[Run]
    theirs: list[Run]

    def pairs(self) -> list[tuple[float, float]]:
        """Give the figures of the rounds in which no call failed."""
        return [
            (one.us, other.us)
            for one, other in zip(self.ours, self.theirs, strict=True)
            if one.us is not None and other.us is not None
        ]

    def summary(self) -> dict[str, Any]:
        """Give it as it stands in the result file; microseconds and the ratio are medians, absent without a figure."""
        pairs = self.pairs()
        found: dict[str, Any] = {
            "rounds": len(self.ours),
            "counted": len(pairs),
            "failed": [run.failed for run in self.ours],
            "resent": [run.resent for run in self.ours],
            "kamailio_failed": [run.failed for run in self.theirs],
            "kamailio_resent": [run.resent for run in self.theirs],
            "resident_mib": round(max(run.resident for run in self.ours) / 2**20, 1),
        }
        if pairs:
            found["us"] = round(median(one for one, _ in pairs), 1)
            found["kamailio_us"] = round(median(other for _, other in pairs), 1)
            found["ratio"] = round(median(one / other for one, other in pairs), 2)
        return found


def compare(works: Sequence[str], rate: int, seconds: int, rounds: int) -> dict[str, Any]:
    """Measure works, print a line for each.

    @param rate: calls per second
    @param seconds: length of each run
    @param rounds: runs of each server
    @return: by work, see L{Row.summary}
    """
    print(f"{'work':16} {'sipproxy':>10} {'kamailio':>10} {'ratio':>6} {'memory':>9}  rounds that count")
    result = {}
    for work in works:
        row = Row(work, [], [])
        for _ in range(rounds):
            row.ours.append(measure(ours, work, rate, seconds))
            row.theirs.append(measure(kamailio, work, rate, seconds))
        summary = result[work] = row.summary()
        print(_line(work, summary), flush=True)
    return result


def _line(work: str, found: dict[str, Any]) -> str:
    if "us" not in found:
        return f"{work:16} no figure: {found['failed']} calls failed, {found['kamailio_failed']} of Kamailio's"
    return (
        f"{work:16} {found['us']:7.0f} us {found['kamailio_us']:7.0f} us {found['ratio']:6.2f}"
        f" {found['resident_mib']:5.0f} MiB  {found['counted']} of {found['rounds']}"
    )


def measure(starter: Starter, work: str, rate: int, seconds: int) -> Run:
    """Start a server, measure one work, end it.

    @raise bench.servers.StartError: it does not answer
    """
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        folder = Path(name)
        with starter(work, folder) as server:
            load = Load(server.port, folder)
            if work in NEED_REGISTRATIONS:
                load.run("register", 500, USERS)
            if work not in NEED_CALLEE:
                return _measure(server, load, work, rate, seconds)
            with load.telephone():
                time.sleep(0.5)
                return _measure(server, load, work, rate, seconds)


def _measure(server: Running, load: Load, work: str, rate: int, seconds: int) -> Run:
    load.run(work, min(rate, _WARM_UP), _WARM_UP)
    before = usage(server.process.pid)
    result = load.run(work, rate, rate * seconds)
    after = usage(server.process.pid)
    us = None if result.failed else (after.cpu - before.cpu) / result.done * 1e6
    return Run(us, result.failed, result.resent, after.resident)
