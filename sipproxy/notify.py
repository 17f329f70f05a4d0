"""What systemd is told of the process: sd_notify(3), by datagrams to NOTIFY_SOCKET; nothing where there is none.

READY=1 once the server serves, RELOADING=1 and READY=1 around a reload,
STOPPING=1 as it ends, WATCHDOG=1 at half of WATCHDOG_USEC for as long as the
reactor turns, STATUS= with the line that C{systemctl status} shows. The business
of a process of its own; who embeds the server has its own ideas of it.

Not here: sockets of AF_VSOCK, and file descriptors that are passed.
"""

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

log = Logger(namespace="mod_sip")

#: Seconds between two looks at whether there is another line for C{systemctl status}.
LOOK_AGAIN = 5.0


class Notifier:
    """Sends datagrams to whoever started us.

    @param address: path of the socket, with an C{@} before an abstract one; None where nobody wants to know
    @ivar watchdog: seconds within which a sign of life is expected, None where it is not
    """

    def __init__(self, address: str | None, watchdog: float | None = None) -> None:
        self.watchdog = watchdog
        self._address = address if address is None or address[0] != "@" else "\0" + address[1:]
        self._socket: socket.socket | None = None
        self._has_failed = False

    @property
    def is_heard(self) -> bool:
        """Whether somebody wants to know."""
        return self._address is not None

    def send(self, **assignments: object) -> None:
        """Send one datagram of assignments; where it cannot be sent the log says so once, and all else goes on."""
        if self._address is None:
            return
        lines = "\n".join(f"{name}={_one_line(value)}" for name, value in assignments.items())
        try:
            self._open().sendto(lines.encode("utf-8", "backslashreplace"), self._address)
        except OSError as error:
            if not self._has_failed:
                log.warn("systemd cannot be told {lines}: {error}", lines=lines, error=error.strerror)
            self._has_failed = True

    def _open(self) -> socket.socket:
        if self._socket is None:
            # systemd reads at its leisure; a full socket must not hold up calls.
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        return self._socket

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _one_line(value: object) -> str:
    return str(value).replace("\n", " ")


def notifier_of(environ: Mapping[str, str], pid: int) -> Notifier:
    """Make what the environment describes (sd_notify(3), sd_watchdog_enabled(3)).

    @param pid: our process; a watchdog may be another's
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return Notifier(None)
    period = environ.get("WATCHDOG_USEC", "")
    is_ours = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
    watched = is_ours and period.isascii() and period.isdigit() and int(period) > 0
    return Notifier(address, int(period) / 1e6 if watched else None)


class NotifyingService(MultiService):
    """The services of a process, whose life is told.

    @param line: gives what the server does, in one line
    """

    def __init__(self, notifier: Notifier, clock: IReactorTime, line: Callable[[], str]) -> None:
        super().__init__()
        self._notifier = notifier
        self._line = line
        self._told = ""
        self._is_ready = False
        self._signs = LoopingCall(notifier.send, WATCHDOG=1)
        self._looks = LoopingCall(self._look)
        self._signs.clock = self._looks.clock = clock

    def startService(self) -> None:
        """Start them, and give signs of life."""
        super().startService()
        if self._notifier.watchdog is not None:
            self._signs.start(self._notifier.watchdog / 2)

    def is_ready(self, _: object = None) -> None:
        """Tell that the server serves."""
        self._is_ready = True
        self._told = self._line()
        self._notifier.send(READY=1, STATUS=self._told)
        if self._notifier.is_heard and not self._looks.running:
            self._looks.start(LOOK_AGAIN, now=False)

    def reloads(self) -> None:
        """Tell that another configuration is read; L{has_reloaded} follows, whatever comes of it."""
        if self._is_ready:
            self._notifier.send(RELOADING=1)

    def has_reloaded(self) -> None:
        """Tell that the server serves again; before it did so for the first time there is nothing to tell."""
        if self._is_ready:
            self.is_ready()

    def stopService(self) -> "Deferred[Any]":
        """Tell that it ends, and end them; signs of life are given until they have ended."""
        self._notifier.send(STOPPING=1, STATUS="stopping")
        if self._looks.running:
            self._looks.stop()
        ended: Deferred[Any] = super().stopService()
        return ended.addBoth(self._ended)

    def _ended(self, result: Any) -> Any:
        if self._signs.running:
            self._signs.stop()
        self._notifier.close()
        return result

    def _look(self) -> None:
        line = self._line()
        if line != self._told:
            self._told = line
            self._notifier.send(STATUS=line)


def notifying_service(clock: IReactorTime, line: Callable[[], str]) -> NotifyingService:
    """Make the service of this process."""
    return NotifyingService(notifier_of(os.environ, os.getpid()), clock, line)
