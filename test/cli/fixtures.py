"""Runs commands without a server, for tests: the control requests of a registry in memory."""

from collections.abc import Mapping
from typing import Any

from click.testing import CliRunner, Result
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.cli.failure import Failure, ServerDownError
from sipproxy.cli.main import cli
from sipproxy.cli.session import Session
from sipproxy.cli.transport import target
from sipproxy.control import Api, Json
from sipproxy.control.api import JSON_TYPE, encode
from sipproxy.databases.registry import LINGER


class ApiTransport:
    """Control requests to an L{Api} in this process."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self.asked: list[str] = []

    def request(self, method: str, path: str, query: Mapping[str, object], body: Json | None) -> tuple[int, Json]:
        """Ask."""
        self.asked.append(f"{method} {target(path, query)}")
        replies: list[Any] = []
        data = b"" if body is None else encode(body)
        self._api.handle(method, target(path, query), JSON_TYPE if data else "", data).addCallback(replies.append)
        self._clock.advance(LINGER)
        (reply,) = replies
        return reply.status, reply.content

    def close(self) -> None:
        """Nothing is open."""


class ApiSession(Session):
    """A session with a server in this process."""

    def __init__(self, transport: ApiTransport) -> None:
        super().__init__(None, {})
        self.server = transport
        self.registry = transport


class DownSession(Session):
    """A session without a server."""

    @property
    def server(self) -> Any:
        """There is none."""
        raise ServerDownError("the server is down: nobody answers")

    @property
    def registry(self) -> Any:
        """There is none either."""
        raise Failure("the server is down, and its registry with it")


class CommandTestCase(SynchronousTestCase):
    """Runs commands.

    @ivar session: the session that they have
    """

    session: Session = DownSession(None, {})

    def run_command(self, *words: str) -> Result:
        """Run a command to its end."""
        return CliRunner().invoke(cli, words, obj=self.session, catch_exceptions=False)

    def succeed(self, *words: str) -> str:
        """Run a command that succeeds, and give its standard output."""
        result = self.run_command(*words)
        self.assertEqual(result.exit_code, 0, result.output)
        return result.stdout

    def fail_command(self, *words: str, status: int = 1) -> str:
        """Run a command that fails, and give its standard error."""
        result = self.run_command(*words)
        self.assertEqual(result.exit_code, status, result.output)
        return result.stderr
