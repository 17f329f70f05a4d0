"""Registrations at a farm: three members, three servers of etcd, and how soon each REGISTER is answered."""

import os
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.loads import Load
from bench.processes import Process, end, free_ports, processors, start, usage
from bench.servers import PATIENCE, Running, StartError, ours

MEMBERS = "abc"
# Elections that fit one machine; no fsync, as the disk of all three is the same one.
_ETCD = ("--heartbeat-interval", "50", "--election-timeout", "500", "--unsafe-no-fsync", "--log-level", "error")
_WARM_UP = 2


class Registered(NamedTuple):
    """What became of one run.

    @ivar failed: registrations that were not answered 200
    @ivar resent: requests that were sent again
    @ivar us: CPU time of one registration, in all members together
    @ivar times: from REGISTER to its answer, milliseconds, in order
    """

    failed: int
    resent: int
    us: float
    times: list[float]


def farm(rate: int, seconds: int, rounds: int) -> dict[str, Any]:
    """Register at three members at once, and print a line for each run.

    @param rate: registrations in one second, at all three together
    """
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        endpoints = stack.enter_context(_etcd(folder))
        members = [stack.enter_context(_member(each, folder, endpoints)) for each in MEMBERS]
        loads = [Load(each.port, folder / letter) for each, letter in zip(members, MEMBERS, strict=True)]
        _round(loads, members, rate, _WARM_UP)
        runs = []
        for _ in range(rounds):
            run, busy = _round(loads, members, rate, seconds), os.getloadavg()[0]
            runs.append({**_figures(run), "load_average": round(busy, 1)})
            print(f"{rate} registrations a second: {_told(runs[-1])}", flush=True)
    return {"rate": rate, "p99_ms": median(run["p99_ms"] for run in runs), "runs": runs}


def _figures(run: Registered) -> dict[str, Any]:
    times = run.times or [float("inf")]
    return {
        "median_ms": round(times[len(times) // 2], 1),
        "p99_ms": round(times[len(times) * 99 // 100], 1),
        "us_each": round(run.us),
        "failed": run.failed,
        "resent": run.resent,
    }


def _told(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in figures.items())


def _round(loads: list[Load], members: list[Running], rate: int, seconds: int) -> Registered:
    """Let all members have their part of the load at once."""
    before = sum(usage(each.process.pid).cpu for each in members)
    each_rate = max(1, rate // len(loads))
    runs = [load.begin_registrations(each_rate, each_rate * seconds, f"{at}") for at, load in enumerate(loads)]
    found = [run.wait() for run in runs]
    spent = sum(usage(each.process.pid).cpu for each in members) - before
    done = sum(result.done for result, _ in found)
    times = sorted(time for _, times in found for time in times)
    return Registered(
        sum(result.failed for result, _ in found),
        sum(result.resent for result, _ in found),
        spent / max(1, done) * 1e6,
        times,
    )


@contextmanager
def _member(name: str, folder: Path, endpoints: list[str]) -> Iterator[Running]:
    own = folder / name
    own.mkdir()
    addresses = "\nFarmEndpoint ".join(endpoints)
    with ours("register", own, Farm="On", FarmMember=name, FarmEndpoint=addresses) as server:
        os.sched_setaffinity(server.process.pid, processors())  # three of them are not for one processor
        yield server


@contextmanager
def _etcd(folder: Path) -> Iterator[list[str]]:
    """Run three servers that are one cluster, and give their URLs.

    @raise StartError: they do not become healthy, or are not installed
    """
    if shutil.which("etcd") is None:
        raise StartError("etcd is not installed")
    ports = free_ports(6)
    clients = [f"http://127.0.0.1:{port}" for port in ports[:3]]
    peers = [f"http://127.0.0.1:{port}" for port in ports[3:]]
    cluster = ",".join(f"e{at}={peer}" for at, peer in enumerate(peers))
    processes: list[Process] = []
    try:
        for at, (client, peer) in enumerate(zip(clients, peers, strict=True)):
            command = ["etcd", "--name", f"e{at}", "--data-dir", f"e{at}", "--initial-cluster", cluster, *_ETCD]
            command += ["--listen-client-urls", client, "--advertise-client-urls", client]
            command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
            processes.append(start(processors()[at % 2], command, folder))
        for client in clients:
            _wait_for(client)
        yield clients
    finally:
        for process in processes:
            end(process)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
                if b"true" in answer.read():
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise StartError(f"{url} is not healthy")
        time.sleep(0.1)
