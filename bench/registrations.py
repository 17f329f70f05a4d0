"""A registry database with many registrations, written by the package's own store.

    python -m bench.registrations FILE COUNT PORT

registers u0, u1, ... at PORT of 127.0.0.1. It is a program of its own as it
needs the reactor, which runs only once in a process.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from bench.works import DOMAIN
from sipproxy.databases.feed import Change
from sipproxy.databases.registry_sqlite import SqliteStore
from sipproxy.registrar.bindings import Binding

_AT_ONCE = 10_000
_DAY = 86_400


def make_database(path: Path, count: int, port: int) -> None:
    """Write a database.

    @param path: the file, which is not there yet
    @param count: addresses of record, with one contact each
    @param port: UDP port of all contacts
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    project = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "bench.registrations", str(path), str(count), str(port)]
    subprocess.run(command, check=True, cwd=project)


def _changes(count: int, port: int, now: float) -> Iterator[Change]:
    for number in range(count):
        binding = Binding(
            contact=b"sip:u%d@127.0.0.1:%d" % (number, port),
            expires=now + _DAY + number % 3600,
            updated=now,
            call_id=b"%d-4711@127.0.0.1" % number,
            cseq=1,
        )
        yield Change(number + 1, b"u%d@%b" % (number, DOMAIN.encode("ascii")), (binding,))


async def _write(reactor: Any, path: Path, count: int, port: int) -> None:
    store = SqliteStore(path, reactor)
    now = time.time()
    await store.load(lambda aor, bindings: None, now)
    batch: list[Change] = []
    for change in _changes(count, port, now):
        batch.append(change)
        if len(batch) == _AT_ONCE:
            await store.commit(batch)
            batch = []
    if batch:
        await store.commit(batch)
    await store.close()


if __name__ == "__main__":
    file, how_many, where = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    react(lambda reactor: Deferred.fromCoroutine(_write(reactor, file, how_many, where)))
