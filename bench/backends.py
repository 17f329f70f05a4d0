"""Registrations whose passwords are in a backend: a database that nobody has asked yet, and a slow RADIUS server."""

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from bench.loads import Load, Result
from bench.processes import usage
from bench.radius import SECRET, HoldingServer, holding_server
from bench.servers import ours
from bench.subscribers import import_subscribers
from test.interop.mysql import DATABASE, PASSWORD, USER, MariaDb

_DIGEST = {"Authentication": "On", "AuthAlgorithms": "MD5"}
REGISTRATION_RATE = 200
"""Registrations begun in a second."""
_CALL_RATE = 100
_LOG_DELAY = 2.0
"""Seconds after which all lines are in the access log."""
_ANSWERED_INVITE = re.compile(rb'"INVITE [^"]*" 200 \S+ (\d+) ')
_PATIENCE = 20.0
"""Seconds in which all registrations must have reached the RADIUS server."""


class Latency(NamedTuple):
    """Milliseconds from the reception of an INVITE to sending its 200.

    @ivar p50: the median
    @ivar p99: of a hundred calls one took longer
    @ivar failed: calls that did
    """

    p50: float
    p99: float
    failed: int


# Subscribers


def cold_subscribers(count: int) -> dict[str, Any]:
    """Let each of many subscribers in MariaDB register once, then once more; at first none of them is known.

    @param count: subscribers
    """
    with _mariadb() as database, tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        folder = Path(name)
        with ours("register", folder, **_DIGEST, **_mysql(database, folder)) as server:
            import_subscribers(folder / "sipd.conf", count)
            load = Load(server.port, folder)
            found: dict[str, Any] = {"count": count, "rate": REGISTRATION_RATE}
            for what in ("cold", "known"):
                before = usage(server.process.pid).cpu
                result = load.run("register-auth", REGISTRATION_RATE, count, range(count))
                us = (usage(server.process.pid).cpu - before) / count * 1e6
                found[what] = {"failed": result.failed, "resent": result.resent, "us": round(us)}
                print(
                    f"{count} registrations, {what}: {result.failed} failed, {result.resent} resent, {us:.0f} us each"
                )
    return found


@contextmanager
def _mariadb() -> Iterator[MariaDb]:
    database = MariaDb()
    try:
        database.install()
        yield database
    finally:
        database.remove()


def _mysql(database: MariaDb, folder: Path) -> dict[str, str]:
    return {
        "SubscriberDatabase": "mysql",
        "DB_MySQL_HostName": "127.0.0.1",
        "DB_MySQL_Port": str(database.port),
        "DB_MySQL_DB": DATABASE,
        "DB_MySQL_UserName": USER,
        "DB_MySQL_PasswordFile": _secret(folder / "mysql", PASSWORD.encode()),
    }


def _secret(path: Path, octets: bytes) -> str:
    path.touch(0o600)
    path.write_bytes(octets)
    return str(path)


# RADIUS


def slow_radius(count: int, seconds: int, rounds: int) -> dict[str, Any]:
    """Make calls that nobody asks for credentials, alone and while registrations wait for RADIUS, in turn.

    @param count: registrations that wait
    @param seconds: length of each run of calls
    """
    with holding_server() as radius, tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        folder = Path(name)
        directives = {
            **_DIGEST,
            "AuthScheme": "RADIUS_Digest",
            "AuthMethods": "REGISTER",
            "RadiusServer": f"auth 127.0.0.1:{radius.port} {_secret(folder / 'radius', SECRET)}",
            # So that each is sent once, and waits.
            "RadiusTimeoutInMs": "30000",
        }
        with ours("call", folder, **directives) as server:
            calls = Load(server.port, _made(folder / "calls"))
            registrations = Load(server.port, _made(folder / "registrations"))
            log = folder / "logs" / "access_log"
            with calls.telephone():
                time.sleep(0.5)
                _timed(calls, log, seconds)
                alone, beside = [], []
                failed = 0
                for _ in range(rounds):
                    alone.append(_timed(calls, log, seconds))
                    latency, result = _beside(registrations, count, radius, lambda: _timed(calls, log, seconds))
                    beside.append(latency)
                    failed += result.failed
    found: dict[str, Any] = {"waiting": count, "failed": failed, "alone": _summary(alone), "beside": _summary(beside)}
    print(f"{count} requests at a slow RADIUS server: {failed} failed")
    for what in ("alone", "beside"):
        row = found[what]
        print(f"calls {what}: {row['p50']} ms (median), {row['p99']} ms (p99), {row['failed']} failed", flush=True)
    return found


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _beside(
    registrations: Load, count: int, radius: HoldingServer, calls: Callable[[], Latency]
) -> tuple[Latency, Result]:
    """Make calls while registrations wait, then let these in."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        registering = pool.submit(registrations.run, "register-auth", REGISTRATION_RATE * 2, count)
        deadline = time.monotonic() + _PATIENCE
        while radius.held < count and time.monotonic() < deadline:
            time.sleep(0.05)
        if radius.held < count:
            raise RuntimeError(f"only {radius.held} of {count} requests have reached the RADIUS server")
        latency = calls()
        radius.accept_all()
        return latency, registering.result()


def _timed(load: Load, log: Path, seconds: int) -> Latency:
    """Make calls and take their times from the access log."""
    before = log.stat().st_size
    result = load.run("call", _CALL_RATE, _CALL_RATE * seconds)
    time.sleep(_LOG_DELAY)
    took = [int(microseconds) / 1000 for microseconds in _ANSWERED_INVITE.findall(log.read_bytes()[before:])]
    cut = quantiles(took, n=100)
    return Latency(cut[49], cut[98], result.failed)


def _summary(found: list[Latency]) -> dict[str, float]:
    return {
        "p50": round(median(each.p50 for each in found), 2),
        "p99": round(median(each.p99 for each in found), 2),
        "failed": sum(each.failed for each in found),
    }
