"""What all commands share: which server is meant, and the way to it."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sipproxy.cli.failure import Failure, NoConfigurationError, ServerDownError, note

if TYPE_CHECKING:
    from sipproxy.cli.transport import ITransport
    from sipproxy.config import ConfigError, Settings
    from sipproxy.control import Json

VARIABLE = "SIPPROXY_CONF"
PLACES = ("sipd.conf", "/etc/sipproxy/sipd.conf")


class Session:
    """One call of C{sipproxyctl}.

    @param chosen: the configuration file of C{-c}, None without
    @param places: where it is looked for when nothing names it
    """

    # The server's modules are imported where they are needed: completion in a shell does without them.

    def __init__(self, chosen: str | None, environ: Mapping[str, str], places: Sequence[str] = PLACES) -> None:
        self._named = chosen or environ.get(VARIABLE)
        self._places = places
        self._stack = ExitStack()

    @property
    def configuration(self) -> str:
        """The configuration file."""
        if self._named:
            return self._named
        return next((place for place in self._places if os.path.exists(place)), self._places[-1])

    @cached_property
    def _loaded(self) -> "Settings | ConfigError":
        from sipproxy.app import load_settings
        from sipproxy.config import ConfigError

        try:
            return load_settings(self.configuration)
        except ConfigError as error:
            return error

    @property
    def settings(self) -> "Settings":
        """The configuration of the server.

        @raise click.exceptions.Exit: it is wrong; all that is wrong has been said
        """
        from sipproxy.config import ConfigError

        if isinstance(self._loaded, ConfigError):
            click.echo(str(self._loaded), err=True)
            raise click.exceptions.Exit(1)
        return self._loaded

    @cached_property
    def server(self) -> "ITransport":
        """The running server.

        @raise NoConfigurationError: nothing says which one
        @raise ServerDownError: it is down
        """
        from sipproxy.cli.transport import SocketTransport

        transport = SocketTransport(self._socket)
        self._stack.callback(transport.close)
        return transport

    @cached_property
    def _socket(self) -> Path:
        from sipproxy.app import control_socket_in
        from sipproxy.config import ConfigError
        from sipproxy.control.settings import CONTROL_SOCKET

        if not self._named and not os.path.exists(self.configuration):
            places = " or ".join(self._places)
            raise NoConfigurationError(f"there is no configuration file: neither -c nor ${VARIABLE}, nor {places}")
        if isinstance(self._loaded, ConfigError):
            # Whoever breaks the file of a running server must not lose sight of it.
            place = control_socket_in(self.configuration)
            if place is not None and place.is_socket():
                note(f"{self.configuration} is wrong, as 'check' tells; asking a server that began with another one")
                return place
        return self.settings[CONTROL_SOCKET]

    @cached_property
    def registry(self) -> "ITransport":
        """The registry: by way of the server, or where that is down its file. Which way is said.

        @raise Failure: there is no way
        """
        return self._way_to("REGISTRY")

    @cached_property
    def routes(self) -> "ITransport":
        """The routing database, and the routes of the configuration; the same ways.

        @raise Failure: there is no way
        """
        return self._way_to("ROUTING")

    @cached_property
    def numbers(self) -> "ITransport":
        """The number-services database, and the number services of the configuration; the same ways.

        @raise Failure: there is no way
        """
        return self._way_to("NUMBERS")

    @cached_property
    def subscribers(self) -> "ITransport":
        """The subscriber database; the same ways, or where the server is down its table in MySQL.

        @raise Failure: there is no way
        """
        return self._way_to("SUBSCRIBERS")

    def _way_to(self, name: str) -> "ITransport":
        """Open a database.

        @param name: what L{sipproxy.cli.direct} calls it
        """
        try:
            server = self.server
        except ServerDownError:
            from sipproxy.cli import direct

            database: direct.Database = getattr(direct, name)
            opened = direct.open_direct(self.settings, database)
            self._stack.callback(opened.close)
            note(f"the server is down: working on {opened.place}")
            return opened
        note(f"asking the server at {self._socket}")
        return server

    def close(self) -> None:
        """Let go of what was opened."""
        self._stack.close()


def ask(
    transport: "ITransport",
    method: str,
    path: str,
    query: Mapping[str, object] | None = None,
    body: "Json | None" = None,
    switch: str = "",
) -> "Json":
    """Ask something, and give the answer.

    @param switch: the directive that the server knows the path by, where it may be Off
    @raise Failure: it is refused, or there is no answer
    """
    status, content = transport.request(method, path, query or {}, body)
    if status < 300:
        return content
    message = content["error"]["message"]
    raise Failure(f"{switch} is Off" if switch and message == f"there is no /v1{path}" else message)


pass_session = click.make_pass_decorator(Session)
