"""What accounting costs a server under twistd, and what waits meanwhile, with a RADIUS server that is far away.

    python -m bench.accounting_live [--rate 500] [--seconds 10] [--rounds 2] [--delay 0.2]

Servers with Accounting Off and On in turn, each with calls of sipp as
bench/run.py makes them; CPU time of all threads for a finished call. With On
the rows of the spool and the memory are looked at each second: a row is a call
that is open, or of which a record was not acknowledged.
"""

import argparse
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

from bench.loads import Load
from bench.processes import end, free_ports, processors, start, usage
from bench.radius_responder import SECRET
from bench.servers import Running, ours

_WARM_UP = 300
_FAILED = 0.01
"""Share of calls that may fail, as on a machine that does other things; a round with more gives no figure."""
_PATIENCE = 20.0
"""Seconds in which the last record must be acknowledged."""


def measure(rate: int, seconds: int) -> float | None:
    """Measure calls without accounting: microseconds for each, None where too many failed."""
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        folder = Path(name)
        with ours("call", folder) as server:
            return _measure(server, folder, rate, seconds)


def measure_accounted(rate: int, seconds: int, delay: float) -> float | None:
    """Measure calls with accounting, and print what waits.

    @param delay: seconds until the RADIUS server answers
    """
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        folder = Path(name)
        secret = folder / "secret"
        secret.write_bytes(SECRET)
        secret.chmod(0o600)
        with _responder(folder, delay) as port:
            others = {"Accounting": "On", "RadiusServer": f"acct 127.0.0.1:{port} {secret}"}
            with ours("call", folder, **others) as server, _watched(server, folder):
                found = _measure(server, folder, rate, seconds)
                _see_all_told(folder)
                return found


def _measure(server: Running, folder: Path, rate: int, seconds: int) -> float | None:
    load = Load(server.port, folder)
    with load.telephone():
        time.sleep(0.5)
        load.run("call", min(rate, _WARM_UP), _WARM_UP)
        before = usage(server.process.pid)
        result = load.run("call", rate, rate * seconds)
        # What was told last is acknowledged, and its row removed, behind the last call.
        time.sleep(1.0)
        after = usage(server.process.pid)
    if result.failed:
        print(f"  {result.failed} of {rate * seconds} calls failed, {result.resent} requests were sent again")
    return None if result.failed > rate * seconds * _FAILED else (after.cpu - before.cpu) / result.done * 1e6


@contextmanager
def _responder(folder: Path, delay: float) -> Iterator[int]:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "bench.radius_responder", str(port), str(delay)]
    process = start(processors()[1], command, folder)
    try:
        yield port
    finally:
        end(process)


@contextmanager
def _watched(server: Running, folder: Path) -> Iterator[None]:
    """Print rows and memory, second by second, in the end."""
    samples: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1.0):
            resident = usage(server.process.pid).resident / 2**20
            samples.append(f"{_rows(folder)} rows {resident:.1f} MiB")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        print("  " + ", ".join(samples), flush=True)


def _rows(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "data" / "accounting.db")) as database:
        count: int = database.execute("SELECT count(*) FROM calls").fetchone()[0]
    return count


def _see_all_told(folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while _rows(folder):
        if time.monotonic() > deadline:
            raise SystemExit(f"{_rows(folder)} calls are in the spool still")
        time.sleep(0.2)


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.accounting_live", description="Accounting in a running server.")
    parser.add_argument("--rate", type=int, default=500, help="calls per second (%(default)s)")
    parser.add_argument("--seconds", type=int, default=10, help="length of a run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each (%(default)s)")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds of a RADIUS round trip (%(default)s)")
    chosen = parser.parse_args(arguments)
    pairs = []
    for _ in range(chosen.rounds):
        off = measure(chosen.rate, chosen.seconds)
        on = measure_accounted(chosen.rate, chosen.seconds, chosen.delay)
        print(f"Off {off and round(off)} us/call, On {on and round(on)}", flush=True)
        if off is not None and on is not None:
            pairs.append((off, on))
    if pairs:
        print(f"On / Off {median(on / off for off, on in pairs):.3f}, {len(pairs)} of {chosen.rounds} rounds")


if __name__ == "__main__":
    main(sys.argv[1:])
