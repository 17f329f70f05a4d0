"""Control requests to a running server: HTTP over its Unix socket, with the standard library's client."""

import json
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from sipproxy.cli.failure import Failure, ServerDownError
from sipproxy.control.declarations import Json
from sipproxy.control.openapi import PREFIX
from sipproxy.control.unix_socket import connect

#: How long the server may say nothing, seconds.
PATIENCE = 30.0


class ITransport(Protocol):
    """Takes control requests."""

    def request(self, method: str, path: str, query: Mapping[str, object], body: Json | None) -> tuple[int, Json]:
        """Ask, and give the status and the JSON object of the answer.

        @param path: path and query
        @raise Failure: there is no answer
        """

    def close(self) -> None:
        """Ask no more."""


class _UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock: socket.socket = connect(self._path, PATIENCE)


class SocketTransport:
    """A running server."""

    def __init__(self, path: Path) -> None:
        """Connect.

        @param path: the control socket
        @raise ServerDownError: no server answers
        @raise Failure: it may not be used
        """
        self._path = path
        self._connection = _UnixConnection(path)
        try:
            self._connection.connect()
        except PermissionError:
            raise Failure(f"{path} may not be used: it is the server's user's, and root's") from None
        except OSError as error:
            raise ServerDownError(f"the server is down: nobody answers at {path} ({error.strerror})") from None

    def request(self, method: str, path: str, query: Mapping[str, object], body: Json | None) -> tuple[int, Json]:
        """Ask, and give the status and the JSON object of the answer.

        @raise Failure: there is no answer
        """
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            self._connection.request(method, target(path, query), data, headers)
            response = self._connection.getresponse()
            content: Any = json.loads(response.read())
        except (OSError, HTTPException) as error:
            raise Failure(f"no answer from {self._path}: {error or type(error).__name__}") from None
        except ValueError:
            raise Failure(f"what answers at {self._path} is no server of ours") from None
        return response.status, content

    def close(self) -> None:
        """Ask no more."""
        self._connection.close()


def target(path: str, query: Mapping[str, object]) -> str:
    """Write path and query; what is None is left out."""
    given = {name: value for name, value in query.items() if value is not None}
    return PREFIX + path + (f"?{urlencode(given)}" if given else "")
