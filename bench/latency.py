"""How long each message of a call is in the server, at half load, beside Kamailio."""

import tempfile
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from bench.alone import beside
from bench.compare import Starter
from bench.ends import STEPS, Ends
from bench.processes import usage
from bench.servers import kamailio, ours

_SERVERS: dict[str, Starter] = {"sipproxy": ours, "kamailio": kamailio}
_FIRST_RATE = 200
_FIRST_SECONDS = 3
_APPROACHES = 2
_WARM_UP = 300
_HALF = 0.5


class Round(NamedTuple):
    """One run of one server.

    @ivar p50: median of the microseconds, by step
    @ivar p99: of a hundred messages one was in the server for longer
    @ivar failed: calls that did
    @ivar load: the share of a processor that the server took
    @ivar us: microseconds of CPU time per call
    """

    p50: dict[str, float]
    p99: dict[str, float]
    failed: int
    load: float
    us: float


def latency(seconds: int, rounds: int) -> dict[str, Any]:
    """Measure both servers in turn at the same rate and print a line for each step.

    @param seconds: length of a run
    @param rounds: runs of each server
    """
    rate = _FIRST_RATE
    for _ in range(_APPROACHES):  # a call costs less the more of them there are
        rate = round(_HALF * 1e6 / _round(ours, rate, _FIRST_SECONDS).us)
    runs: dict[str, list[Round]] = {name: [] for name in _SERVERS}
    for _ in range(rounds):
        for name, starter in _SERVERS.items():
            runs[name].append(_round(starter, rate, seconds))
    found: dict[str, Any] = {"rate": rate}
    for name, made in runs.items():
        found[name] = {
            "load": round(median(run.load for run in made), 2),
            "failed": sum(run.failed for run in made),
            "p50": {step: round(median(run.p50[step] for run in made)) for step in STEPS},
            "p99": {step: round(median(run.p99[step] for run in made)) for step in STEPS},
        }
    _print(found, rounds)
    return found


def _print(found: dict[str, Any], rounds: int) -> None:
    loads = ", ".join(f"{name} at {found[name]['load']:.0%}, {found[name]['failed']} failed" for name in _SERVERS)
    print(f"{found['rate']} calls a second, {rounds} rounds: {loads}\n{'us in':12} {'sipproxy':>16} {'kamailio':>16}")
    print(f"{'':12} {'p50':>8}{'p99':>8} {'p50':>8}{'p99':>8}")
    for step in STEPS:
        columns = (f"{found[name]['p50'][step]:8}{found[name]['p99'][step]:8}" for name in _SERVERS)
        print(f"{step:12} {' '.join(columns)}", flush=True)


def _round(starter: Starter, rate: int, seconds: int) -> Round:
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name, starter("call", Path(name)) as server:
        run: Round = beside(_measure, server.port, server.process.pid, rate, seconds)
    return run


def _measure(port: int, pid: int, rate: int, seconds: int) -> Round:
    ends = Ends(port)
    ends.call(min(rate, _WARM_UP), range(_WARM_UP))
    ends.close()
    ends, count = Ends(port), rate * seconds
    before = usage(pid).cpu
    ends.call(rate, range(_WARM_UP, _WARM_UP + count))
    spent = usage(pid).cpu - before
    ends.close()
    cuts = {step: quantiles(times, n=100) for step, times in ends.times.items()}
    return Round(
        {step: cut[49] / 1000 for step, cut in cuts.items()},
        {step: cut[98] / 1000 for step, cut in cuts.items()},
        count - ends.done,
        spent / seconds,
        spent / count * 1e6,
    )
