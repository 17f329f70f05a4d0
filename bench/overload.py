"""Twice the load that can be borne: what of it is served, and whether the rest is refused early."""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.loads import Load
from bench.processes import usage
from bench.servers import ours

_FIRST_RATE = 200
_FIRST_SECONDS = 4
_STEP = 1.15
"""Each rate that is tried, of the one before."""
_STEPS = 8
_ALL = 0.97
"""So much of a rate must be served for a higher one to be tried."""
_SETTLING = 2
"""Seconds at the beginning of a run that do not count."""


class Served(NamedTuple):
    """What a server did in the seconds that count.

    @ivar rate: calls begun in one second
    @ivar goodput: calls in one second that ended as they should
    @ivar refused: calls in one second that were answered 503
    @ivar resent: requests in one second that sipp had to send again
    @ivar wait: milliseconds from INVITE to 200, the mean of each second, their median
    @ivar load: the share of a processor that the server took
    """

    rate: int
    goodput: float
    refused: float
    resent: float
    wait: float
    load: float


def overload(seconds: int) -> dict[str, Any]:
    """Look for the rate of the highest goodput, offer twice of it, and print what is served.

    @param seconds: length of a run
    """
    rate = 1e6 / _cost()
    tried: list[Served] = []
    while len(tried) < _STEPS and (not tried or tried[-1].goodput > _ALL * tried[-1].rate):
        tried.append(_serve(round(rate), seconds))
        rate *= _STEP
    best = max(tried, key=lambda served: served.goodput)
    twice = _serve(round(2 * best.goodput), seconds)
    kept = twice.goodput / best.goodput
    print(f"goodput at twice the rate: {kept:.0%} of the highest", flush=True)
    return {"tried": [served._asdict() for served in tried], "twice": twice._asdict(), "kept": round(kept, 3)}


def _cost() -> float:
    """Measure the microseconds of a call at a low rate."""
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        folder = Path(name)
        with ours("call", folder) as server:
            load = Load(server.port, folder)
            with load.telephone():
                time.sleep(0.5)
                before = usage(server.process.pid).cpu
                result = load.run("call", _FIRST_RATE, _FIRST_RATE * _FIRST_SECONDS)
                return (usage(server.process.pid).cpu - before) / max(1, result.done) * 1e6


def _serve(rate: int, seconds: int) -> Served:
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        folder = Path(name)
        with ours("call", folder) as server:
            load = Load(server.port, folder)
            with load.telephone():
                time.sleep(0.5)
                before = usage(server.process.pid).cpu
                begun = time.monotonic()
                load.run("call", rate, rate * (seconds + _SETTLING), scenario="overload")
                share = (usage(server.process.pid).cpu - before) / (time.monotonic() - begun)
            served = _read(load.seconds(), rate, share)
    print(
        f"{rate:6} calls a second: {served.goodput:6.0f} served, {served.refused:6.0f} refused,"
        f" {served.resent:6.0f} resent, INVITE to 200 {served.wait:6.1f} ms, load {served.load:.0%}",
        flush=True,
    )
    return served


def _read(lines: list[dict[str, str]], rate: int, load: float) -> Served:
    """Read sipp's statistics, a line for each second, of those seconds in which calls began."""
    began = [line for line in lines if int(line["OutgoingCall(P)"])]
    if len(began) <= _SETTLING + 1:
        return Served(rate, 0.0, 0.0, 0.0, 0.0, load)
    first, last = began[_SETTLING], began[-1]
    took = _at(last) - _at(first)

    def each_second(column: str) -> float:
        return (int(last[column]) - int(first[column])) / took

    refused = each_second("refused(C)")
    waits = [_milliseconds(line["ResponseTime1(P)"]) for line in began[_SETTLING + 1 :]]
    goodput = each_second("SuccessfulCall(C)") - refused
    return Served(rate, goodput, refused, each_second("Retransmissions(C)"), median(waits), load)


def _at(line: dict[str, str]) -> float:
    """Read when a line was written: a date, a time and seconds since 1970."""
    return float(line["CurrentTime"].rpartition("\t")[2])


def _milliseconds(text: str) -> float:
    """Read a duration: hours, minutes, seconds and microseconds."""
    hours, minutes, seconds, microseconds = (int(part) for part in text.split(":"))
    return (hours * 3600 + minutes * 60 + seconds) * 1e3 + microseconds / 1e3
