"""The kernel's IPsec tables, as the server changes them: through the process of L{sipproxy.ipsec.helper}.

That process is started while the server still has its rights, and keeps them.
Where it ends it is started again, which helps only a server that has kept its
own rights; whoever has entries in the tables is told, as they may be gone.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.errors import SipproxyError

log = Logger(namespace="mod_sip_ipsec")

#: Seconds from one answer to the next, at most; for one the process may run C{ip} four times, five seconds each.
DEADLINE = 25.0
#: Seconds from its end to the next start.
RESTART = 10.0
#: Seconds that it may take to remove all its entries when it is stopped.
STOP_TIMEOUT = 10.0
#: Octets of an answer, at most.
_LONGEST_ANSWER = 65_536

Request = Mapping[str, str | int]


class KernelError(SipproxyError):
    """An entry that the kernel does not take; the text is one line."""


def helper_command() -> tuple[str, ...]:
    """Give the command of the process: Python without what a user's environment could add to it."""
    return (sys.executable, "-I", str(Path(__file__).with_name("helper.py")))


class _Protocol(ProcessProtocol):
    """The pipes of the process."""

    def __init__(self, take: Callable[[bytes], None], ended: Callable[[str], None]) -> None:
        self._take = take
        self._ended = ended
        self._buffer = b""

    def outReceived(self, data: bytes) -> None:
        """Take answers apart."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._buffer) > _LONGEST_ANSWER:
            self._buffer = b""  # no answer of ours is that long

    def errReceived(self, data: bytes) -> None:
        """Let the log know."""
        log.warn("helper: {text}", text=data.decode("utf-8", "replace").strip()[:1000])

    def processEnded(self, reason: Failure) -> None:
        """It is no more."""
        done = isinstance(reason.value, ProcessDone)
        self._ended("it has ended" if done else reason.getErrorMessage())


class Kernel:
    """The kernel's tables."""

    def __init__(self, reactor: Any, command: Sequence[str] = ()) -> None:
        """
        @param reactor: provider of IReactorProcess and IReactorTime
        @param command: of the process, by default L{helper_command}
        """
        self._reactor = reactor
        self._command = tuple(command) or helper_command()
        self._process: Any = None
        self._waiting: dict[int, Deferred[None]] = {}
        self._expiry: Any = None
        self._number = 0
        self._restart: Any = None
        self._stopped: Deferred[None] | None = None
        self._followers: list[Callable[[str], None]] = []

    def subscribe(self, follower: Callable[[str], None]) -> None:
        """Call C{follower} when the process has ended, with the reason, and with an empty text once it runs again."""
        self._followers.append(follower)

    def start(self) -> None:
        """Start the process; where it runs nothing is done."""
        if self._process is not None:
            return
        self._stopped = None
        protocol = _Protocol(self._answered, self._ended)
        try:
            self._process = self._reactor.spawnProcess(protocol, self._command[0], self._command, env={})
        except OSError as error:
            self._ended(f"it cannot be started: {error.strerror}")

    def stop(self) -> "Deferred[None]":
        """Let the process remove its entries and end."""
        stopped: Deferred[None] = Deferred()
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if self._process is None:
            stopped.callback(None)
            return stopped
        self._stopped = stopped
        self._process.closeStdin()
        late = self._reactor.callLater(STOP_TIMEOUT, self._give_up)

        def end(_: object) -> None:
            if late.active():
                late.cancel()

        return stopped.addCallback(end)

    def _give_up(self) -> None:
        self._kill()
        self._ended("it does not end")

    def _kill(self) -> None:
        try:
            self._process.signalProcess("KILL")
        except (OSError, ProcessExitedAlready):
            pass  # it is root's, and we are no longer; or it has gone

    def add(self, request: Request) -> "Deferred[None]":
        """Add an entry.

        @param request: C{what}, one of L{sipproxy.ipsec.helper.REQUESTS}, and its fields
        @raise KernelError: in the Deferred: it could not be added
        """
        return self._ask("add", request)

    def remove(self, request: Request) -> "Deferred[None]":
        """Remove an entry that was added by the same request.

        @raise KernelError: in the Deferred: it could not be removed
        """
        return self._ask("remove", request)

    def _ask(self, do: str, request: Request) -> "Deferred[None]":
        self._number += 1
        number = self._number
        answer: Deferred[None] = Deferred()
        if self._process is None or self._stopped is not None:
            answer.errback(KernelError("the process for the kernel's tables does not run"))
            return answer
        if not self._waiting:
            self._expiry = self._reactor.callLater(DEADLINE, self._expire)
        self._waiting[number] = answer
        self._process.writeToChild(0, json.dumps({"id": number, "do": do, **request}).encode("ascii") + b"\n")
        return answer

    def _expire(self) -> None:
        self._kill()
        self._process.closeStdin()
        self._fail("it does not answer")

    def _fail(self, reason: str) -> None:
        """Fail all that waits."""
        waiting, self._waiting = self._waiting, {}
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()
        for answer in waiting.values():
            answer.errback(KernelError(f"the process for the kernel's tables: {reason}"))

    def _answered(self, line: bytes) -> None:
        try:
            content = json.loads(line)
            number, error = content["id"], content.get("error")
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warn("helper: {line}", line=line.decode("utf-8", "replace")[:1000])
            return
        if number not in self._waiting:
            return  # its deadline has passed
        answer = self._waiting.pop(number)
        if self._waiting:
            self._expiry.reset(DEADLINE)
        else:
            self._expiry.cancel()
        if error is None:
            answer.callback(None)
        else:
            answer.errback(KernelError(str(error)))

    def _ended(self, reason: str) -> None:
        if self._process is None and self._stopped is not None:
            return  # it was given up
        self._process = None
        self._fail(reason)
        if self._stopped is not None:
            self._stopped.callback(None)
            return
        log.error("the process for the kernel's tables: {reason}", reason=reason)
        self._restart = self._reactor.callLater(RESTART, self._start_again)
        for follower in self._followers:
            follower(reason)

    def _start_again(self) -> None:
        self._restart = None
        self.start()
        if self._process is not None:
            for follower in self._followers:
                follower("")
