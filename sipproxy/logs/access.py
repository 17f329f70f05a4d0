"""The access log: one line for each finished server transaction, or forwarded stateless request."""

from zope.interface import implementer

from sipproxy.interfaces import IOutcome, IOutcomeObserver
from sipproxy.logs.files import LogFile
from sipproxy.logs.format import Renderer


@implementer(IOutcomeObserver)
class AccessLog:
    """Writes the line of each outcome to a file.

    @param file: takes the lines
    @param render: makes an outcome's line: L{sipproxy.logs.format.text_renderer}, or C{json_renderer}
    """

    def __init__(self, file: LogFile, render: Renderer) -> None:
        self._write = file.write
        self._render = render

    def finished(self, outcome: IOutcome) -> None:
        """Write its line."""
        self._write(self._render(outcome))
