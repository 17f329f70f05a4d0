"""The parts of C{bench/run.py large}: registrations, transactions, growth and damage; the others have files."""

import gc
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.alone import alone
from bench.backends import cold_subscribers, slow_radius
from bench.burst import burst
from bench.flat import flat, pauses
from bench.fuzz import Outcome, fuzz
from bench.inprocess import BATCH, Driver, Unmeasured
from bench.latency import latency
from bench.loads import Load
from bench.memory import MemoryServer
from bench.overload import overload
from bench.processes import free_ports, usage
from bench.registrations import make_database
from bench.servers import ours
from bench.soak import soak
from bench.workers import workers

_FEW = 1000
_CALLED = 5000
"""Users that are called, evenly among all that are registered."""
_TRANSACTION_CALLS = 10_000
_RATE_OF_EACH = 250
"""Calls per second for each process, with a sipp that opens a port for each call."""


class Chosen(NamedTuple):
    """How much of each.

    @ivar registrations: how many are many
    @ivar rate: calls per second
    @ivar seconds: length of a run
    @ivar rounds: runs with few and with many registrations
    @ivar calls: calls after which memory must not have grown
    @ivar datagrams: damaged datagrams
    @ivar subscribers: in MariaDB
    @ivar waiting: registrations that wait for RADIUS
    @ivar invites: sent at once
    @ivar seed: of their damage
    """

    registrations: int = 1_000_000
    rate: int = 800
    seconds: int = 8
    rounds: int = 3
    calls: int = 100_000
    datagrams: int = 200_000
    subscribers: int = 10_000
    waiting: int = 1000
    invites: int = 5000
    seed: int = 1


class Started(NamedTuple):
    """A server with registrations.

    @ivar start: seconds until it answered
    @ivar resident: octets of memory then
    @ivar us: microseconds of CPU time for a call to a registered user; None where one failed
    """

    start: float
    resident: int
    us: float | None


def large(parts: Sequence[str], chosen: Chosen) -> dict[str, Any]:
    """Measure and print.

    @param parts: of L{PARTS}
    @return: the figures, by part
    """
    return {part: _MEASURES[part](chosen) for part in parts}


# Registrations


def _registrations(chosen: Chosen) -> dict[str, Any]:
    """Compare a server with few registrations and one with many, in turn."""
    few: list[Started] = []
    many: list[Started] = []
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        folders = {_FEW: Path(name) / "few", chosen.registrations: Path(name) / "many"}
        for count, folder in folders.items():
            make_database(folder / "data" / "registry.db", count, port)
        for _ in range(chosen.rounds):
            few.append(_start(folders[_FEW], _FEW, port, chosen))
            many.append(_start(folders[chosen.registrations], chosen.registrations, port, chosen))
    more = chosen.registrations - _FEW
    grown = median(each.resident for each in many) - median(each.resident for each in few)
    found: dict[str, Any] = {
        "count": chosen.registrations,
        "start_seconds": round(median(each.start for each in many), 1),
        "start_seconds_few": round(median(each.start for each in few), 1),
        "resident_mib": round(median(each.resident for each in many) / 2**20),
        "octets_each": round(grown / more),
    }
    pairs = [(one.us, other.us) for one, other in zip(few, many, strict=True) if one.us and other.us]
    if pairs:
        found["us_few"] = round(median(one for one, _ in pairs), 1)
        found["us_many"] = round(median(other for _, other in pairs), 1)
        found["ratio"] = round(median(other / one for one, other in pairs), 3)
    print(f"{chosen.registrations} registrations: {found['octets_each']} octets each, start {found['start_seconds']} s")
    print(f"call at {_FEW} and at {chosen.registrations} registrations: {_calls_told(found)}", flush=True)
    return found


def _calls_told(found: dict[str, Any]) -> str:
    if "ratio" not in found:
        return "no figure, calls failed"
    return f"{found['us_few']} us and {found['us_many']} us, ratio {found['ratio']}"


def _start(folder: Path, count: int, port: int, chosen: Chosen) -> Started:
    """Start on a database and call some of those in it."""
    with ours("registered-call", folder) as server:
        resident = usage(server.process.pid).resident
        load = Load(server.port, folder, port)
        with load.telephone():
            time.sleep(0.5)
            users = range(0, count, max(1, count // _CALLED))
            load.run("registered-call", 300, 300, users)
            before = usage(server.process.pid).cpu
            result = load.run("registered-call", chosen.rate, chosen.rate * chosen.seconds, users)
            spent = usage(server.process.pid).cpu - before
    return Started(server.start, resident, None if result.failed else spent / result.done * 1e6)


# Transactions


def _transactions(_: Chosen) -> dict[str, Any]:
    """Measure the memory of live transactions, in a process of its own."""
    found: dict[str, Any] = alone(_hold_transactions)
    print(f"{found['count']} live transactions: {found['octets_each']} octets each", flush=True)
    return found


def _hold_transactions() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as folder:
        server = MemoryServer("call", Path(folder))
        driver = Driver(server, "call")
        driver.batch(BATCH, Unmeasured())
        gc.collect()
        before, already = _resident(), server.transactions
        # Virtual time for all of them is less than 64*T1, after which the first would end.
        for _ in range(_TRANSACTION_CALLS // BATCH):
            driver.batch(BATCH, Unmeasured())
        gc.collect()
        count = server.transactions - already
        octets = (_resident() - before) / count
        server.stop()
    return {"count": count, "octets_each": round(octets), "calls": _TRANSACTION_CALLS}


def _resident() -> int:
    return usage(os.getpid()).resident


# Growth


def _growth(chosen: Chosen) -> dict[str, Any]:
    """See what is left of many calls."""
    return soak(chosen.calls, chosen.rate, max(1, chosen.calls // 5))


# Damaged datagrams


def _fuzz(chosen: Chosen) -> dict[str, Any]:
    """Feed damaged datagrams without and with the garbage collector."""
    quiet = alone(fuzz, chosen.datagrams, chosen.seed, False)
    collecting = alone(fuzz, chosen.datagrams, chosen.seed, True)
    _print_fuzz("garbage collected between datagrams", quiet)
    _print_fuzz("garbage collector on", collecting)
    watch = collecting.collections
    print(f"  {watch.count} collections, longest {watch.longest / 1e3:.0f} us, {watch.spent / 1e9:.2f} s in all")
    return {
        "count": quiet.datagrams,
        "mean_us": round(quiet.mean, 1),
        "slowest": [
            {"us": round(slow.us), "again_us": round(slow.again), "octets": len(slow.datagram)}
            for slow in quiet.slowest
        ],
        "slowest_datagram": quiet.slowest[0].datagram.decode("latin-1"),
        "slowest_collecting_us": round(collecting.slowest[0].us),
        "longest_collection_us": round(watch.longest / 1000),
        "faults": [
            {"traceback": fault.traceback, "datagram": fault.datagram.decode("latin-1")} for fault in quiet.faults
        ],
    }


def _print_fuzz(what: str, outcome: Outcome) -> None:
    slowest = outcome.slowest[0]
    worst = max(slow.again for slow in outcome.slowest)
    print(
        f"{outcome.datagrams} damaged datagrams, {what}: mean {outcome.mean:.0f} us, slowest {slowest.us:.0f} us"
        f" (the slowest again in fresh servers: {worst:.0f} us), {len(outcome.faults)} kinds of fault\n"
        f"  the slowest, {len(slowest.datagram)} octets: {slowest.datagram[:200]!r}",
        flush=True,
    )
    for fault in outcome.faults:
        print(f"{fault.traceback}  at {fault.datagram[:300]!r}")


_MEASURES: dict[str, Callable[[Chosen], dict[str, Any]]] = {
    "registrations": _registrations,
    "transactions": _transactions,
    "growth": _growth,
    "fuzz": _fuzz,
    "subscribers": lambda chosen: cold_subscribers(chosen.subscribers),
    "radius": lambda chosen: slow_radius(chosen.waiting, chosen.seconds, chosen.rounds),
    "latency": lambda chosen: latency(chosen.seconds, chosen.rounds),
    "burst": lambda chosen: burst(chosen.invites),
    "overload": lambda chosen: overload(chosen.seconds),
    "flat": lambda chosen: flat(chosen.rounds),
    "pauses": lambda _: pauses(),
    "workers": lambda chosen: workers(min(chosen.rate, _RATE_OF_EACH), chosen.seconds, chosen.rounds),
}
PARTS = tuple(_MEASURES)
