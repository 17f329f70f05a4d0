"""Log files that never hurt their writers.

Lines are collected and written with one system call, 20 ms after the first at
the latest. A full disk or a path that cannot be opened raises nothing: lines
wait, up to 1 MiB, then they are counted and dropped; once a minute at most one
line says so elsewhere; as soon as there is space again, what waited is written.

A logger may be called from any thread (database threads are), hence the lock.
Only the thread that made the file uses the reactor; the others write at once.
"""

import os
import threading
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sipproxy.logs.appending import AppendFile

FLUSH_DELAY = 0.02  # seconds a line may wait
RETRY_DELAY = 1.0  # seconds between attempts while the file cannot be written
REPORT_INTERVAL = 60.0  # seconds between two reports of one file
_FLUSH_AT = 64 * 1024  # octets that are worth a system call of their own
_MOST_HELD = 1024 * 1024  # octets that wait at most


class LogFile:
    """A log file with a short buffer.

    @ivar problem: why it cannot be written now, C{""} while all is well
    @ivar lost: lines dropped so far
    @param file: the file; it is opened at once
    @param reactor: for the time, and to be called later
    @param report: takes one line for the operator on lines lost, or no longer lost
    """

    def __init__(self, file: AppendFile, reactor: IReactorTime, report: Callable[[str], None]) -> None:
        self.problem = ""
        self.lost = 0
        self._file = file
        self._reactor = reactor
        self._report = report
        self._reported = ("", 0)
        self._report_after = 0.0
        self._lines: list[bytes] = []
        self._sources: list[Callable[[], bytes]] = []
        self._rest = b""  # what an attempt left over; while there is any, only the clock makes the next attempt
        self._held = 0
        self._call: IDelayedCall | None = None
        self._stale = True
        self._closed = False
        self._flushing = False
        # Reentrant: the garbage collector may log (an unhandled Deferred) while a line is written.
        self._lock = threading.RLock()
        self._thread = threading.get_ident()
        self.flush()

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._file.path

    def write(self, data: bytes) -> None:
        """Take one or more whole lines; they are in the file 20 ms later."""
        with self._lock:
            self._take(data)
            if threading.get_ident() != self._thread or (self._held >= _FLUSH_AT and not self._rest):
                self._flush()
            elif self._call is None and not self._closed:
                self._call = self._reactor.callLater(FLUSH_DELAY, self._on_time)

    def expect(self, source: Callable[[], bytes]) -> None:
        """Take lines that are made only when they are written, 20 ms later; in the thread that made the file.

        @param source: gives the lines, and is asked once
        """
        with self._lock:
            if self._closed:
                self._take(source())
                return
            self._sources.append(source)
            if self._call is None:
                self._call = self._reactor.callLater(FLUSH_DELAY, self._on_time)

    def write_through(self, data: bytes) -> None:
        """Take lines that cannot wait: they are in the file at once, unless it cannot be written just now."""
        with self._lock:
            self.write(data)
            if not self._rest:
                self._flush()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._flush()

    def reopen(self) -> None:
        """Write what waits, and go over to the file that the path names now (SIGUSR1, logrotate)."""
        with self._lock:
            self._flush()
            self._stale = True
            self._flush()

    def close(self) -> None:
        """Write what waits and close the file; what cannot be written, or comes later, is lost."""
        with self._lock:
            if self._closed:
                return
            self._flush()
            self._closed = True
            if self._call is not None:
                self._call.cancel()
                self._call = None
            self.lost += self._rest.count(b"\n")
            self._report_after = 0.0
            self._tell(self._reactor.seconds())
            self._file.close()

    def _on_time(self) -> None:
        self._call = None
        self.flush()

    def _take(self, data: bytes) -> None:
        """Keep lines until they are written, or count them as lost."""
        if self._closed or self._held + len(data) > _MOST_HELD:
            self.lost += data.count(b"\n")
        else:
            self._lines.append(data)
            self._held += len(data)

    def _ask_sources(self) -> None:
        """Have the lines made that are expected."""
        sources, self._sources = self._sources, []
        for source in sources:
            self._take(source())

    def _flush(self) -> None:
        waiting = self._lines or self._sources or self._rest or self._stale or self.problem
        if self._flushing or self._closed or not waiting:
            return
        self._flushing = True
        try:
            if self._sources and threading.get_ident() == self._thread:
                self._ask_sources()
            now = self._reactor.seconds()
            lines, self._lines = self._lines, []
            data = self._rest + b"".join(lines)
            self._rest, self.problem = self._deliver(data, now)
            self._held -= len(data) - len(self._rest)
            self._tell(now)
        finally:
            self._flushing = False
        if self._rest and self._call is None and threading.get_ident() == self._thread:
            self._call = self._reactor.callLater(RETRY_DELAY, self._on_time)

    def _deliver(self, data: bytes, now: float) -> tuple[bytes, str]:
        """Write as much as goes in.

        @return: what did not go in, and the problem, C{""} if there was none
        """
        problem = ""
        try:
            if self._stale:
                self._file.open(now)
                self._stale = False
            if data:
                self._file.rotate_if_due(len(data), now)
        except OSError as error:
            problem = f"cannot be opened or rotated: {_reason(error)}"
        # The file that was open so far still serves.
        if not self._file.opened:
            return data, problem
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            problem = f"cannot be written: {_reason(error)}"
        return data, problem

    def _tell(self, now: float) -> None:
        state = (self.problem, self.lost)
        if state == self._reported or now < self._report_after:
            return
        self._reported = state
        self._report_after = now + REPORT_INTERVAL
        self._report(f"log {self.path}: {self.problem or 'is written again'}; {self.lost} lines lost")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
