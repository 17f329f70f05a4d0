"""Many calls, and whether memory grows: samples after each portion, and after the last transaction has ended."""

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.loads import Load
from bench.processes import Usage, usage
from bench.servers import Running, ours
from bench.works import USERS

# 64*T1 is 12.8 s: so long a transaction lives after its call.
_TIMERS = {"SIPT1InMs": "200", "SIPT2InMs": "1600", "SIPT4InMs": "2000"}
_REST = 15.0
"""Seconds without a call in which all transactions end."""
_FILLING = 20
"""Seconds of calls before those that count: as many transactions live at their end as ever will."""
_HEADING = "   calls   failed   resent   us/call   resident"


def soak(calls: int, rate: int, portion: int) -> dict[str, Any]:
    """Make calls to registered users and print a line for each portion.

    @param calls: those after the first ones, which are there to fill caches and pools
    @param rate: calls per second
    @param portion: calls between two samples
    @return: the samples, and C{growth} in octets: from the rest after the first ones to the rest after the last
    """
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        folder = Path(name)
        with ours("registered-call", folder, LogRotate="50M 2", **_TIMERS) as server:
            load = Load(server.port, folder)
            load.run("register", 500, USERS)
            with load.telephone():
                time.sleep(0.5)
                return _soak(server, load, calls, rate, portion)


def _soak(server: Running, load: Load, calls: int, rate: int, portion: int) -> dict[str, Any]:
    load.run("registered-call", rate, max(portion, rate * _FILLING))
    time.sleep(_REST)
    first = before = usage(server.process.pid)
    print(f"{_HEADING}\n{0:8} {'':27} {_mib(first)}", flush=True)
    samples = []
    made = 0
    while made < calls:
        count = min(portion, calls - made)
        result = load.run("registered-call", rate, count)
        after = usage(server.process.pid)
        made += count
        us = (after.cpu - before.cpu) / count * 1e6
        print(f"{made:8} {result.failed:8} {result.resent:8} {us:9.0f} {_mib(after)}", flush=True)
        samples.append({"calls": made, "failed": result.failed, "us": round(us, 1), "resident": after.resident})
        before = after
    time.sleep(_REST)
    last = usage(server.process.pid)
    print(f"    rest {'':27} {_mib(last)}   growth {(last.resident - first.resident) / 1024:.0f} KiB", flush=True)
    return {"before": first.resident, "samples": samples, "growth": last.resident - first.resident}


def _mib(sample: Usage) -> str:
    return f"{sample.resident / 2**20:6.1f} MiB"
