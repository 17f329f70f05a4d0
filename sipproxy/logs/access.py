"""The access log: one line for each finished server transaction, or forwarded stateless request."""

from twisted.logger import Logger
from zope.interface import implementer

from sipproxy.interfaces import IOutcome, IOutcomeObserver
from sipproxy.logs.files import LogFile
from sipproxy.logs.format import Renderer

#: Outcomes that wait for their lines at most, beside the time that the file gives them.
_AT_ONCE = 256

_log = Logger(namespace=__name__)


@implementer(IOutcomeObserver)
class AccessLog:
    """Writes the line of each outcome to a file.

    The lines of some milliseconds are made in one go when the file is written. At 800
    a second that takes half of what it takes to make each between two datagrams:
    there all that makes a line has to come into the processor's caches anew.

    @param file: takes the lines
    @param render: makes an outcome's line: L{sipproxy.logs.format.text_renderer}, or C{json_renderer}
    """

    def __init__(self, file: LogFile, render: Renderer) -> None:
        self._file = file
        self._render = render
        self._outcomes: list[IOutcome] = []

    def finished(self, outcome: IOutcome) -> None:
        """Have its line written; it must not change any more."""
        outcomes = self._outcomes
        outcomes.append(outcome)
        if len(outcomes) == 1:
            self._file.expect(self._lines)
        elif len(outcomes) >= _AT_ONCE:
            self._file.write(self._lines())

    def _lines(self) -> bytes:
        outcomes, self._outcomes = self._outcomes, []
        render = self._render
        lines = []
        for outcome in outcomes:
            try:
                lines.append(render(outcome))
            except Exception:  # noqa: BLE001 - a mistake of ours costs its own line only
                _log.failure("an outcome cannot be written")
        return b"".join(lines)
