"""C{sipproxyctl} and bare control requests to a server that runs."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sipproxy.cli.transport import SocketTransport
from sipproxy.control.unix_socket import connect
from test.interop.harness import PATIENCE
from test.interop.proxy import Proxy, environment

_RUN = "from sipproxy.cli.main import main; main()"


def socket_of(proxy: Proxy) -> Path:
    """Give the control socket of a server."""
    return proxy.folder / "run" / "control.sock"


def run_control(
    proxy: Proxy, *words: str, more: Mapping[str, str] | None = None, timeout: float = PATIENCE
) -> "subprocess.CompletedProcess[str]":
    """Run C{sipproxyctl} to its end, in a folder where it finds the server's configuration by itself.

    @param more: what is different in its environment
    """
    return subprocess.run(
        [sys.executable, "-c", _RUN, *words],
        cwd=proxy.folder,
        env={**os.environ, **environment(), **(more or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def asked(proxy: Proxy, path: str, **query: object) -> dict[str, Any]:
    """Ask a server for a resource."""
    return _answered(proxy, "GET", path, query, None)


def posted(proxy: Proxy, path: str, **body: object) -> dict[str, Any]:
    """Let a server do something with a body."""
    return _answered(proxy, "POST", path, {}, body)


def _answered(
    proxy: Proxy, method: str, path: str, query: Mapping[str, object], body: dict[str, Any] | None
) -> dict[str, Any]:
    transport = SocketTransport(socket_of(proxy))
    try:
        status, content = transport.request(method, path, query, body)
    finally:
        transport.close()
    assert status == 200, content
    return content


def sent_raw(proxy: Proxy, head: bytes, size: int) -> tuple[int, bytes]:
    """Send a request with a body of any size, as far as the server takes it.

    @return: how many octets of the body it took, and its answer
    """
    taken, answer = 0, b""
    block = bytes(1 << 16)
    with connect(socket_of(proxy), PATIENCE) as opened:
        opened.sendall(head)
        try:
            while taken < size:
                taken += opened.send(block)
            opened.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it takes no more
        try:
            while piece := opened.recv(1 << 16):
                answer += piece
        except ConnectionResetError:
            pass
    return taken, answer


def listed(proxy: Proxy, *words: str) -> list[dict[str, Any]]:
    """Give what C{sipproxyctl registrations list} lists."""
    done = run_control(proxy, "registrations", "list", "--json", *words)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
