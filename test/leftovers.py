"""Find and end the processes that a test run left behind.

Every process that is started below us inherits our environment, also one that became a daemon and has another parent.
So a variable with a value of this run's own tells ours from all others, where names and parents do not.
Needs Linux's /proc; elsewhere nothing is found.
"""

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

VARIABLE = "SIPPROXY_TEST_RUN"
GRACE = 2.0
"""Seconds between asking a process to end and killing it."""


class Process(NamedTuple):
    """A running process."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid})"


def mark_children() -> bytes:
    """Mark all processes that are started from now on.

    @return: the mark, for L{end_leftovers}
    """
    os.environ[VARIABLE] = f"{os.getpid()}.{time.monotonic_ns()}"
    return f"{VARIABLE}={os.environ[VARIABLE]}".encode()


def find_leftovers(mark: bytes) -> list[Process]:
    """Give the marked processes that run. One that has ended and only awaits its parent has no environment left."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # ended meanwhile, or another user's
            continue
        if mark in environment and int(folder.name) != os.getpid():
            found.append(Process(int(folder.name), command))
    return found


def end_leftovers(mark: bytes) -> list[Process]:
    """End the marked processes that run, first politely.

    @return: those that there were
    """
    left = find_leftovers(mark)
    _signal(left, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while find_leftovers(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(find_leftovers(mark), signal.SIGKILL)
    return left


def _signal(processes: list[Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            continue
