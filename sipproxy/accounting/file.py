"""Delivery of records to a file, a JSON object a line (AccountingFile).

A record is done when its line is in the file. What is in the file is never
taken back: where a write ends in the middle, the next one goes on there.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from sipproxy.accounting.backlog import Backlog
from sipproxy.accounting.call import FILE, KINDS, Call
from sipproxy.accounting.delivery import Ledger, State
from sipproxy.accounting.records import as_json
from sipproxy.wire.radius import Attribute

log = Logger(namespace="mod_sip_radius")

#: How long after a failure the file is tried again, seconds.
RETRY = 1.0
#: Calls whose records are written at a time.
_MOST_CALLS = 200


class IAppendFile(Protocol):
    """What is needed of L{sipproxy.logs.appending.AppendFile}."""

    @property
    def path(self) -> str:
        """Where it is."""

    @property
    def opened(self) -> bool:
        """Whether there is a file to write to."""

    def open(self, now: float) -> None:
        """Open the path afresh."""

    def write(self, data: bytes) -> int:
        """Append once, and tell how many octets went in."""

    def close(self) -> None:
        """Close it."""


class RecordFile:
    """Appends records."""

    def __init__(
        self,
        file: IAppendFile,
        clock: IReactorTime,
        now: Callable[[], float],
        backlog: Backlog,
        ledger: Ledger,
        nas: Sequence[Attribute],
    ) -> None:
        """
        @param now: gives the time in seconds since 1970
        @param nas: who writes it, see L{sipproxy.wire.radius.nas_attributes}
        """
        self._file = file
        self._clock = clock
        self._now = now
        self._backlog = backlog
        self._ledger = ledger
        self._nas = tuple(nas)
        self._rest = b""
        self._batch: list[tuple[Call, int]] = []
        self._is_stale = True
        self._away_since: float | None = None
        self._reason = ""
        self._timer: IDelayedCall | None = None
        self._is_pumping = False
        backlog.more = self._pump

    @property
    def state(self) -> State:
        """How the file is, as far as is known."""
        return State("accounting file", self._away_since, self._reason)

    def reopen(self) -> None:
        """Go over to the file that the path names now."""
        self._is_stale = True

    def retry(self) -> None:
        """Try at once, if it was to be tried later."""
        if self._timer is not None:
            self._timer.cancel()
            self._resume()

    def stop(self) -> None:
        """Close the file."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._backlog.more = _nothing
        self._file.close()
        self._is_stale = True

    def _pump(self) -> None:
        """Write what waits."""
        if self._is_pumping or self._timer is not None:
            return
        self._is_pumping = True
        try:
            while self._batch or self._gather():
                self._write()
        except OSError as error:
            self._failed(error)
        finally:
            self._is_pumping = False

    def _gather(self) -> bool:
        """Make the next lines.

        @return: whether there are some
        """
        lines = []
        while len(self._batch) < _MOST_CALLS and (call := self._backlog.next()) is not None:
            kinds = call.waiting[FILE] & call.written
            lines += [as_json(call, kind, self._nas) for kind in KINDS if kind & kinds]
            self._batch.append((call, kinds))
        self._rest = "".join(f"{line}\n" for line in lines).encode("ascii")
        return bool(self._batch)

    def _write(self) -> None:
        """Write the lines, and note it.

        @raise OSError: not all of them could be
        """
        # A line is ended in the file that it was begun in.
        if not self._file.opened or (self._is_stale and not self._is_begun()):
            self._file.open(self._now())
            self._is_stale = False
        while self._rest:
            self._rest = self._rest[self._file.write(self._rest) :]
        if self._away_since is not None:
            log.info("{path} is written again", path=self._file.path, severity="notice")
            self._away_since, self._reason = None, ""
        batch, self._batch = self._batch, []
        for call, kinds in batch:
            for kind in KINDS:
                if kind & kinds:
                    self._ledger.delivered(call, FILE, kind)
            self._backlog.done(call)

    def _is_begun(self) -> bool:
        return self._rest[:1] != b"{"

    def _failed(self, error: OSError) -> None:
        self._reason = f"{self._file.path}: {error.strerror or error}"
        if self._away_since is None:
            self._away_since = self._now()
            log.error("accounting records wait: {reason}", reason=self._reason)
        self._timer = self._clock.callLater(RETRY, self._resume)

    def _resume(self) -> None:
        self._timer = None
        self._pump()


def _nothing() -> None:
    """The file is closed."""
