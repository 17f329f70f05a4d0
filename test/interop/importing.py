"""A process that imports many subscribers, to be killed: C{python -m test.interop.importing sqlite|mysql PATH|PORT}."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from sipproxy.databases.mysql import MysqlAddress
from sipproxy.databases.passwords import HASHED, password_fields
from sipproxy.databases.subscribers import ISubscriberStore, Subscriber
from sipproxy.databases.subscribers_mysql import MysqlStore
from sipproxy.databases.subscribers_sqlite import SqliteStore
from test.interop.harness import LOOPBACK, PATIENCE, ROOT
from test.interop.mysql import DATABASE, PASSWORD, USER

MANY = 100_000


def some_subscribers(count: int) -> list[Subscriber]:
    """Give subscribers as an operator would have them: a number, a name, a hashed password, a mailbox."""
    fields = password_fields("bob@example.com", "secret", "example.com", HASHED)
    return [
        Subscriber(
            str(5_000_000 + number),
            "example.com",
            f"Subscriber {number}",
            busy=f"sip:voicemail+{number}@vm.example.com",
            **fields,  # type: ignore[arg-type]
        )
        for number in range(count)
    ]


def kill_import(arguments: Sequence[str], seconds: float) -> None:
    """Run the process, and kill it so long after it has begun to import."""
    command = [sys.executable, "-m", "test.interop.importing", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, bufsize=0) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        told += process.stdout.read()
        process.wait(PATIENCE)
    if told != b"begun\n":
        raise AssertionError(f"it was not killed in the middle: {told!r}")


def main(reactor: Any, engine: str, place: str) -> "Deferred[None]":
    """Import."""
    store: ISubscriberStore
    if engine == "sqlite":
        store = SqliteStore(Path(place), reactor)
    else:
        address = MysqlAddress(LOOPBACK, int(place), DATABASE, USER, PASSWORD.encode())
        store = MysqlStore(address, "subscribers", reactor, 4, 5.0)
    many = some_subscribers(MANY)

    def add(_: None) -> "Deferred[int]":
        print("begun", flush=True)
        return store.add(many, False, time.time())

    return store.open().addCallback(add).addCallback(lambda _: print("done", flush=True))


if __name__ == "__main__":
    react(main, sys.argv[1:])
