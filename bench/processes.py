"""Processes that are measured: pinned to a processor, watched through /proc, ended by their number.

Linux only. Nothing is touched but what was started here.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
PATIENCE = 10.0
"""Seconds between asking a process to end and killing it."""

Process = subprocess.Popen[bytes]


class Usage(NamedTuple):
    """What a process and all below it have used.

    @ivar cpu: seconds of user and system time
    @ivar resident: octets of memory
    """

    cpu: float
    resident: int


def processors() -> tuple[int, int]:
    """Give the processors for the server and for its load; the same one where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[1 % len(usable)]


def start(processor: int, command: Sequence[str], folder: Path, log: IO[bytes] | int = subprocess.DEVNULL) -> Process:
    """Start a process on one processor, in a session of its own.

    @param folder: where it runs
    @param log: takes what it says
    """
    return subprocess.Popen(
        ["taskset", "-c", str(processor), *command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=folder,
        start_new_session=True,
    )


def end(process: Process) -> None:
    """End a process that L{start} made, and those below it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(PATIENCE)
            return
        except ProcessLookupError:
            process.wait(PATIENCE)
            return
        except subprocess.TimeoutExpired:
            continue


def usage(pid: int) -> Usage:
    """Tell what a process and all below it have used so far."""
    ticks = pages = 0
    for each in _tree(pid):
        try:
            # proc(5): the name may hold anything, so count from its closing parenthesis; utime, stime, rss.
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        ticks += int(fields[11]) + int(fields[12])
        pages += int(fields[21])
    return Usage(ticks / _TICKS, pages * _PAGE)


def below(pid: int) -> list[int]:
    """Give all processes below one."""
    return [each for each in _tree(pid) if each != pid]


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = children.read_text().split()
        except OSError:
            continue
        for child in below:
            yield from _tree(int(child))


def free_ports(count: int) -> list[int]:
    """Give UDP ports of 127.0.0.1 that nobody has at the moment."""
    probes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
