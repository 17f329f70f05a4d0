"""What all tests with real programs need: free ports, processes that end with their test, and patience.

Everything stays on the loopback. A process is known by its handle; none is looked up by name.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from typing import IO, TypeVar
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent.parent
LOOPBACK = "127.0.0.1"
PATIENCE = 10.0
"""Seconds that anything may take which takes a fraction of one where all is well."""
LEEWAY = 5.0
"""Seconds that a busy machine may be late where something is to be over in time."""
_LOOK_AGAIN = 0.02
# Below the range that the kernel chooses ports from: nobody gets one of these by chance.
_PORTS = range(10_000, 32_000)


def program(name: str, package: str) -> str:
    """Give the path of a program.

    @param package: the Debian package that has it
    @raise SkipTest: it is not installed
    """
    # Daemons are in folders that an ordinary user's PATH does not have.
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin")))
    if found is None:
        raise SkipTest(f"{name} is not installed (Debian: {package})")
    return found


def free_port(count: int = 1, host: str = LOOPBACK) -> int:
    """Give the first of some neighbouring ports that are free, for UDP and TCP."""
    random = SystemRandom()
    while True:
        first = random.randrange(_PORTS.start, _PORTS.stop - count)
        if all(_is_free(host, port) for port in range(first, first + count)):
            return first


def free_host(port: int) -> str:
    """Give a loopback address on which a port is free."""
    random = SystemRandom()
    while True:
        host = f"127.{random.randrange(2, 255)}.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        if _is_free(host, port):
            return host


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(family, kind) as opened:
            try:
                opened.bind((host, port))
            except OSError:
                return False
    return True


def wait_until(condition: Callable[[], T | None], what: str, timeout: float = PATIENCE) -> T:
    """Wait until a condition holds.

    @param what: the condition in words, for the failure
    @return: what the condition gave
    """
    end = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() >= end:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(_LOOK_AGAIN)


def make_folder(test: SynchronousTestCase, name: str = "") -> Path:
    """Make a folder of the test's own."""
    folder = Path(test.mktemp()).resolve() / name
    folder.mkdir(parents=True)
    return folder


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and awaits its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


class Process:
    """A program that runs until its test ends, at the latest.

    @ivar output: the file with what it prints
    @ivar command: its command line
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        command: Sequence[str | Path],
        folder: Path,
        name: str = "",
        environment: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
    ) -> None:
        """Start it.

        @param folder: its working directory
        @param name: what the file with its output is called, by default like the program
        @param environment: what is different in its environment
        @param stdout: C{subprocess.PIPE}, where its standard output is read as it comes
        """
        self.command = [str(word) for word in command]
        self.output = folder / f"{name or Path(command[0]).name}.out"
        with open(self.output, "ab") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=stdin,
                stdout=output if stdout is None else stdout,
                stderr=output,
                start_new_session=True,
            )
        self._stopped = False
        test.addCleanup(self.stop)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll()

    @property
    def stdin(self) -> IO[bytes]:
        """Its standard input, where that is a pipe."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """Its standard output, where that is a pipe."""
        assert self._process.stdout is not None
        return self._process.stdout

    def text(self) -> str:
        """Give what it has printed."""
        return self.output.read_text(errors="replace")

    def see_alive(self) -> None:
        """Fail where it has ended."""
        if self.status is not None:
            raise AssertionError(f"{self.output.stem} has ended with {self.status}: {self.text()[-2000:]}")

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait until it ends, and give its exit status."""
        return self._process.wait(timeout)

    def stop(self) -> None:
        """End it, in earnest where it does not listen, and what it has started with it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if not self._stopped:  # once: the number may be another's later
            # Kamailio leaves its workers behind where it is told to end while it starts.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._stopped = True
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
