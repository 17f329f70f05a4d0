"""The Python that is typed in the manhole: read, logged, run, and shown.

Each line is written to the log, and to its file, before anything of it runs, by way
of this module's own logger: whatever a line does to the namespace or the process,
it cannot keep itself from there. What a command prints goes to who typed it. A
command runs on the reactor's thread, and all calls wait for it; so one that takes
longer than L{PATIENCE} is broken off.

Not here: anything of SSH.
"""

import signal
import sys
import threading
import traceback
from code import InteractiveInterpreter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import TextIOBase
from types import CodeType
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

log = Logger(namespace="mod_sip_control")

#: Seconds that a command may take.
PATIENCE = 3.0
#: Characters of a line, and of what a command shows, at most.
LONGEST_LINE = 4096
LONGEST_OUTPUT = 1 << 18


class TooLongError(BaseException):
    """A command that was broken off; no C{except Exception} of its own holds that up."""

    def __init__(self, patience: float) -> None:
        super().__init__(f"it took longer than {patience:g} seconds, and calls wait meanwhile")


class Console(InteractiveInterpreter):
    """One person's Python.

    @ivar waiting: Deferreds that were to be shown and have not fired
    """

    def __init__(
        self,
        user: str,
        namespace: Mapping[str, object],
        show: Callable[[str], None],
        flush: Callable[[], None],
        patience: float = PATIENCE,
    ) -> None:
        """
        @param user: who types, for the log
        @param namespace: the names that are known; what is assigned stays here
        @param show: shows text to the person
        @param flush: writes what waits in the logs to their files
        @param patience: seconds that a command may take
        """
        super().__init__(dict(namespace))
        self.waiting: list[Deferred[Any]] = []
        self._user = user
        self._show = show
        self._flush = flush
        self._patience = patience
        self._room = 0
        self._lines: list[str] = []
        self._number = 0

    def push(self, line: str) -> bool:
        """Take a line.

        @return: whether the command goes on in the next one
        @raise SystemExit: the person has had enough
        """
        self._say(line)
        if len(line) > LONGEST_LINE:
            self.write(f"a line has {LONGEST_LINE} characters at most\n")
            self.resetBuffer()
            return False
        self._lines.append(line)
        goes_on = False
        try:
            goes_on = self.runsource("\n".join(self._lines), "<manhole>")
        finally:
            if not goes_on:
                self.resetBuffer()
        return goes_on

    def run(self, command: str) -> bool:
        """Take a command as a whole.

        @return: whether it was one
        @raise SystemExit: it says so
        """
        for line in command.splitlines():
            self._say(line)
        if self.runsource(command + "\n", "<manhole>"):
            self.write("the command is not complete\n")
            return False
        return True

    def _say(self, line: str) -> None:
        """Put a line into the log."""
        self._room = LONGEST_OUTPUT
        text = line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}... ({len(line)} characters, refused)"
        log.info("manhole, {user}: {line!a}", user=self._user, line=text, severity="notice")
        self._flush()

    def resetBuffer(self) -> None:
        """Forget lines of a command that is not complete; Twisted's name."""
        self._lines.clear()

    # InteractiveInterpreter.

    def runcode(self, code: CodeType) -> None:
        """Run a command that is complete.

        @raise SystemExit: it says so
        """
        try:
            with redirect_stdout(_Output(self.write)), self._displaying(), _deadline(self._patience):
                exec(code, self.locals)
        except SystemExit:
            raise
        except BaseException:  # noqa: BLE001 - whatever it is, it is the person's, and is shown
            self.showtraceback()

    def write(self, data: str) -> None:
        """Show text, as far as there is room for it."""
        if len(data) > self._room:
            data = f"{data[: self._room]}\n(cut: more than {LONGEST_OUTPUT} characters)\n" if self._room else ""
            self._room = 0
        self._room -= min(len(data), self._room)
        if data:
            self._show(data)

    def showtraceback(self) -> None:
        """Show what has gone wrong, from the person's own lines on."""
        kind, error, entries = sys.exc_info()
        # The first entry is this module's.
        own = None if entries is None else entries.tb_next
        self.write("".join(traceback.format_exception(kind, error, own)))

    def showsyntaxerror(self, filename: str | None = None, **more: object) -> None:
        """Show what is no Python."""
        kind, error, _ = sys.exc_info()
        self.write("".join(traceback.format_exception_only(kind, error)))

    # Values.

    @contextmanager
    def _displaying(self) -> Iterator[None]:
        earlier = sys.displayhook
        sys.displayhook = self._display
        try:
            yield
        finally:
            sys.displayhook = earlier

    def _display(self, value: object) -> None:
        """Show the value of an expression; of a Deferred, that which it fires with."""
        if value is None:
            return
        self.locals["_"] = value
        if not isinstance(value, Deferred):
            self.write(f"{value!r}\n")
            return
        self._number += 1
        mark = f"<Deferred #{self._number}>"
        self.waiting.append(value)
        value.addBoth(self._fired, value, mark)
        if not value.called:
            self.write(f"{mark}\n")

    def _fired(self, value: Any, shown: "Deferred[Any]", mark: str) -> Any:
        self.waiting.remove(shown)
        # It may be long after the command that it belongs to.
        self._room = LONGEST_OUTPUT
        text = value.getErrorMessage() if isinstance(value, Failure) else repr(value)
        self.write(f"{mark}\n{text}\n")
        return value


class _Output(TextIOBase):
    """A file whose text is shown."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def write(self, text: str) -> int:
        """Show text."""
        self._show(text)
        return len(text)


@contextmanager
def _deadline(patience: float) -> Iterator[None]:
    """Break off what takes too long.

    Only the main thread can be told so by a signal; in another one, of an embedding program, there is no end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_running = True

    def over(*_: object) -> None:
        if is_running:
            raise TooLongError(patience)

    earlier = signal.signal(signal.SIGALRM, over)
    try:
        signal.setitimer(signal.ITIMER_REAL, patience)
        try:
            yield
        finally:
            is_running = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
