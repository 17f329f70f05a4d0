"""Runs the commands of a table without a server, for tests."""

from pathlib import Path

import click
from click.testing import CliRunner, Result

from sipproxy.cli.failure import Failure
from test.cli.fixtures import ApiSession, ApiTransport, CommandTestCase, DownSession


class TablesSession(ApiSession):
    """A session with a server in this process that has routes and number services."""

    def __init__(self, transport: ApiTransport) -> None:
        super().__init__(transport)
        self.routes = transport
        self.numbers = transport


class NowhereSession(DownSession):
    """A session whose server is down, and that has no file to work on."""

    @property
    def routes(self) -> "ApiTransport":
        """There is none."""
        raise Failure("the server is down, and its routing database with it: RoutingDatabase is memory")

    numbers = routes


class TableTestCase(CommandTestCase):
    """Runs the commands of one group.

    @ivar group: it
    """

    group: click.Group

    def run_command(self, *words: str) -> Result:
        """Run a command of the group to its end."""
        return CliRunner().invoke(self.group, words, obj=self.session, catch_exceptions=False)

    def run_with(self, text: str, *words: str) -> Result:
        """Run a command whose standard input is a text."""
        return CliRunner().invoke(self.group, words, obj=self.session, catch_exceptions=False, input=text)

    def written(self, text: str | bytes, name: str = "rows.csv") -> str:
        """Write a file, and give its path."""
        folder = Path(self.mktemp())
        folder.mkdir()
        path = folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)
