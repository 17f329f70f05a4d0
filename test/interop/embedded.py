"""A server inside the process that runs the tests, on the reactor that they run on, for what looks at it from outside.

Whoever asks it something must not block that reactor: programs are run by it, telephones in a thread.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from sipproxy.app import Server, make_service, settings_of
from sipproxy.interfaces import INetwork, IOutcomeObserver
from test.interop.harness import LOOPBACK, free_port
from test.interop.telephone import Address

T = TypeVar("T")

#: What a program printed, what it complained of, and its exit status.
Done = tuple[str, str, int]


def the_reactor() -> Any:
    """Give the reactor that the tests run on."""
    from twisted.internet import reactor

    return reactor


class Embedded:
    """A server that ends with its test.

    @ivar folder: its ServerRoot
    @ivar address: where it listens
    @ivar server: itself
    """

    def __init__(
        self, test: TestCase, observers: Sequence[IOutcomeObserver] = (), network: INetwork | None = None
    ) -> None:
        """Make it; L{start} starts it.

        @param network: where its ports come from, by default the operating system's UDP
        """
        self.folder = Path(test.mktemp()).resolve()
        self.address: Address = (LOOPBACK, free_port())
        settings = settings_of(
            {
                "ServerRoot": str(self.folder),
                "Listen": f"{LOOPBACK}:{self.address[1]}",
                "ProxyDomain": "example.test",
                "DNSServers": f"{LOOPBACK}:9",
                "RegistryDatabase": "memory",
                "RoutingDatabase": "memory",
                "NumbersDatabase": "memory",
            }
        )
        self.server: Server = make_service(settings, the_reactor(), network, observers=observers)
        self._test = test

    def add(self, part: IService) -> None:
        """Add a part that starts and stops with the server."""
        part.setServiceParent(self.server)

    def start(self) -> None:
        """Start it."""
        self._test.addCleanup(self.server.stopService)
        self.server.startService()

    def error_log(self) -> str:
        """Give the error log, with what waits to be written."""
        self.server.logs.flush()
        return (self.folder / "logs" / "error_log").read_text()


def aside(function: Callable[..., T], *arguments: object) -> "Deferred[T]":
    """Do something that blocks in a thread, and give what it gives."""
    done: Deferred[T] = deferToThread(function, *arguments)
    return done


async def run(program: str, arguments: Sequence[str | Path], stdin: str = "") -> Done:
    """Run a program to its end.

    @param stdin: what it reads
    """
    out, complaints, status = await getProcessOutputAndValue(
        program, [str(word) for word in arguments], env=None, stdinBytes=stdin.encode()
    )
    return out.decode("utf-8", "replace"), complaints.decode("utf-8", "replace"), status


async def until(reached: Callable[[], object]) -> None:
    """Let the reactor work until something is so; the timeout of the test bounds it."""
    while not reached():
        waited: Deferred[None] = Deferred()
        the_reactor().callLater(0.02, waited.callback, None)
        await waited
