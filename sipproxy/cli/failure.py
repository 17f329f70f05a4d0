"""How a command fails: one line on the standard error, exit status 1; wrong usage is click's own, status 2."""

from typing import IO, Any

import click

from sipproxy.config.problems import printable

PROGRAM = "sipproxyctl"


class Failure(click.ClickException):
    """A command that cannot do what it is told."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Say why."""
        note(self.message, file)


class ServerDownError(Failure):
    """No server answers at the control socket."""


class NoConfigurationError(Failure):
    """No configuration file is named, and none stands where one is looked for."""


def note(text: str, file: IO[Any] | None = None) -> None:
    """Say something beside the result."""
    click.echo(f"{PROGRAM}: {printable(text)}", file, err=file is None)
