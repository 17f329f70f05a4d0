"""What somebody in the manhole gets: a terminal, or the run of one command (RFC 4254 6).

To import this chooses a reactor (see L{sipproxy.control.manhole_ssh}).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from twisted.conch.avatar import ConchUser
from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.interfaces import ISession
from twisted.conch.manhole import Manhole
from twisted.conch.manhole_ssh import TerminalSessionTransport
from twisted.conch.ssh.session import SSHSession
from twisted.internet.defer import DeferredList
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.control.manhole_console import Console

log = Logger(namespace="mod_sip_control")

Namespace = Mapping[str, object]


class ManholeUser(ConchUser):
    """Somebody who is logged in.

    @ivar name: his name, for the log
    """

    def __init__(self, name: str, namespace: Namespace, flush: Callable[[], None], clock: IReactorTime) -> None:
        super().__init__()
        self.name = name
        self.clock: Any = clock
        self._namespace = namespace
        self._flush = flush
        self.channelLookup = {b"session": SSHSession}

    def console(self, show: Callable[[str], None]) -> Console:
        """Give him a Python of his own.

        @param show: shows text to him
        """
        return Console(self.name, self._namespace, show, self._flush)

    def __conform__(self, interface: object) -> "_Session | None":
        # Each channel asks for a session and needs one of its own.
        return _Session(self) if interface is ISession else None


@implementer(ISession)
class _Session:
    """A terminal, or one command."""

    def __init__(self, user: ManholeUser) -> None:
        self._user = user
        self._size = (80, 24)
        self._terminal: Any = None

    def getPty(self, term: bytes, windowSize: Any, modes: Any) -> None:
        """Take the size of his terminal."""
        height, width = windowSize[:2]
        self._size = (width, height)

    def windowChanged(self, newWindowSize: Any) -> None:
        """Take another size."""
        height, width = newWindowSize[:2]
        if self._terminal is not None:
            self._terminal.terminalProtocol.terminalSize(width, height)

    def openShell(self, proto: Any) -> None:
        """Give him a prompt."""
        log.info("manhole: {user} has a terminal", user=self._user.name, severity="notice")
        end = partial(proto.processEnded, _ended(0))
        self._terminal = ServerProtocol(_Terminal, self._user.console, end)
        TerminalSessionTransport(proto, self._terminal, self._user, *self._size)

    def execCommand(self, proto: Any, command: bytes) -> None:
        """Run one command, and end once what it gives is there."""
        proto.makeConnection(_NoInput())
        # Not before the client knows that there is a command at all.
        self._user.clock.callLater(0, self._run, proto, text_of(command))

    def _run(self, proto: Any, command: str) -> None:
        def show(text: str) -> None:
            proto.outReceived(text.encode("utf-8", "backslashreplace"))

        console = self._user.console(show)
        try:
            status = 0 if console.run(command) else 1
        except SystemExit:
            console.waiting.clear()
            status = 0
        DeferredList(console.waiting).addCallback(lambda _: proto.processEnded(_ended(status)))

    def eofReceived(self) -> None:
        """Nothing more will be typed; a command still has its say."""
        if self._terminal is not None:
            self._terminal.terminalProtocol.handle_QUIT()

    def closed(self) -> None:
        """The channel is closed."""


def _ended(status: int) -> Failure:
    return Failure(ProcessTerminated(status) if status else ProcessDone(None))


class _NoInput:
    """Where the input of a command goes."""

    def write(self, data: bytes) -> None:
        """Leave it."""

    def loseConnection(self) -> None:
        """There is nothing to lose."""


class _Terminal(Manhole):
    """A prompt with a history and line editing."""

    terminal: Any

    def __init__(self, console: Callable[[Callable[[str], None]], Console], end: Callable[[], object]) -> None:
        """
        @param console: gives what runs the lines
        @param end: ends the session
        """
        super().__init__()
        self._console = console
        self._end = end

    def connectionMade(self) -> None:
        """Begin."""
        super().connectionMade()
        self.interpreter: Any = self._console(self._show)
        self._is_running = False

    def initializeScreen(self) -> None:
        """Say what is most needed, and ask for a line."""
        self.terminal.reset()
        self.terminal.write(b"help() tells what there is.\n")
        self.drawInputLine()
        self.setInsertMode()

    def terminalSize(self, width: int, height: int) -> None:
        """Take another size; Twisted's would empty the screen."""
        self.width, self.height = width, height

    def lineReceived(self, line: bytes) -> None:
        """Run a line."""
        self._is_running = True
        try:
            goes_on = self.interpreter.push(text_of(line))
        except SystemExit:
            self.handle_QUIT()
            return
        finally:
            self._is_running = False
        self.pn = int(goes_on)
        self.terminal.write(self.ps[self.pn])

    def handle_QUIT(self) -> None:
        """End."""
        self.terminal.reset()
        self._end()

    def _show(self, text: str) -> None:
        # What comes later than its command comes while another line may be half typed.
        self.addOutput(text.encode("utf-8", "backslashreplace"), not self._is_running)


def text_of(octets: bytes) -> str:
    """Give what a client sent as text."""
    return octets.decode("utf-8", "backslashreplace")
