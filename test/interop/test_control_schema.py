"""The control socket judged by schemathesis, which asks whatever its OpenAPI document allows, and what it does not."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.control.unix_socket import connect
from test.interop.control import asked, socket_of
from test.interop.harness import LOOPBACK, PATIENCE
from test.interop.proxy import start_proxy

# A text may be no address of record, or none of ours; 422 says that what the document asks for was given.
_SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "422"]
"""
_SEED = "7"


def schemathesis() -> Path:
    """Give the schemathesis that belongs to the Python that runs the tests."""
    found = Path(sys.executable).parent / "schemathesis"
    if not found.exists():
        raise SkipTest("schemathesis is not installed (pip install 'sipproxy[test]')")
    return found


class _Relay(StreamRequestHandler):
    """Takes a TCP connection to the control socket, as schemathesis knows no Unix sockets."""

    server: "_Relays"

    def handle(self) -> None:
        """Pass octets on, both ways, until the server closes."""
        with connect(self.server.path) as upstream:
            Thread(target=_copy, args=(self.connection, upstream), daemon=True).start()
            _copy(upstream, self.connection)


class _Relays(ThreadingTCPServer):
    """All relays of a test."""

    daemon_threads = True
    path: Path


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return  # one side has closed; so will the other


class SchemaTests(SynchronousTestCase):
    """A server that runs."""

    def relay(self, path: Path) -> str:
        """Open the control socket to TCP on the loopback, and give its URL."""
        relays = _Relays((LOOPBACK, 0), _Relay)
        relays.path = path
        thread = Thread(target=relays.serve_forever)
        thread.start()
        for ending in (thread.join, relays.server_close, relays.shutdown):  # they run last to first
            self.addCleanup(ending)
        return f"http://{LOOPBACK}:{relays.server_address[1]}"

    def test_document(self) -> None:
        """Right requests are accepted, wrong ones refused, and every answer is as the document says."""
        command = schemathesis()
        proxy = start_proxy(self)
        document = proxy.folder / "openapi.json"
        document.write_text(json.dumps(asked(proxy, "/openapi.json")))
        (proxy.folder / "schemathesis.toml").write_text(_SETTINGS)
        done = subprocess.run(
            [
                command, "run", document, "--url", self.relay(socket_of(proxy)),
                "--checks", "all", "--seed", _SEED, "--max-examples", "40", "--request-timeout", f"{PATIENCE:.0f}",
            ],
            cwd=proxy.folder,
            capture_output=True,
            text=True,
            timeout=200,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])
        self.assertTrue(asked(proxy, "/status")["healthy"])
