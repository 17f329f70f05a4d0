"""The server as its operator runs it: C{twistd sipproxy} with a configuration, in a folder of its own."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import LOOPBACK, PATIENCE, ROOT, Process, free_port, make_folder, wait_until
from test.interop.telephone import Address, Telephone, host_port

_SETTINGS = """
ServerRoot .
ProxyDomain example.test
DNSServers 127.0.0.1:9
LogFormat "%r %>s" short
CustomLog logs/access_log short
"""
# What the error log may hold where nothing is wrong with the server.
_BAD_LINE = re.compile(
    r"^\[[^]]*\] \[[a-z_0-9]+:(emerg|alert|crit|error|warn)\].*|Traceback.*|^    \| .*", re.MULTILINE
)


def twistd() -> Path:
    """Give the twistd that belongs to the Python that runs the tests."""
    found = Path(sys.executable).parent / "twistd"
    if not found.exists():
        raise SkipTest(f"twistd is not installed beside {sys.executable}")
    return found


def environment() -> dict[str, str]:
    """Give what the server's environment has to say: where the package is."""
    return {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}


class Proxy:
    """One server, its configuration and what it leaves behind; it may be started several times.

    @ivar folder: its ServerRoot
    @ivar address: the first place that it listens at
    @ivar process: the process that runs, or ran last
    """

    process: Process

    def __init__(
        self, test: SynchronousTestCase, settings: str = "", listen: Sequence[str] = (), port: int = 0
    ) -> None:
        """Write the configuration.

        @param settings: directives beyond the usual ones
        @param listen: literal addresses, by default 127.0.0.1
        @param port: the port on all of them, by default a free one
        """
        hosts = listen or [LOOPBACK]
        port = port or free_port()
        self.address: Address = (hosts[0], port)
        self.folder = make_folder(test, "proxy")
        self.configuration = self.folder / "sipd.conf"
        self._listen = [f"Listen {host_port((host, port))}" for host in hosts]
        self.configure(settings)
        self._test = test
        self._starts = 0

    def configure(self, settings: str) -> None:
        """Write the configuration anew; a server that runs does not know of it yet.

        @param settings: directives beyond the usual ones
        """
        self.configuration.write_text("\n".join([*self._listen, _SETTINGS.strip(), settings, ""]))

    @property
    def domain(self) -> str:
        """Host and port as they stand in a URI at this server."""
        return host_port(self.address)

    def command(self, *options: str) -> list[str | Path]:
        """Give a command line for the foreground.

        @param options: those of C{sipproxy}
        """
        return [twistd(), "--nodaemon", "--pidfile=", "sipproxy", "--config", self.configuration, *options]

    def run(self, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run it to its end, as it has one by itself."""
        return subprocess.run(
            self.command(*options),
            cwd=self.folder,
            env={**os.environ, **environment()},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def start(self, patience: float = PATIENCE) -> None:
        """Start it in the foreground and wait until it answers.

        @param patience: seconds in which it must
        """
        self.begin()
        self.wait_for_answer(patience)

    def begin(self) -> None:
        """Start it in the foreground."""
        self._starts += 1
        self.process = Process(self._test, self.command(), self.folder, f"twistd{self._starts}", environment())

    def wait_for_answer(self, patience: float = PATIENCE) -> None:
        """Wait until it answers OPTIONS.

        @param patience: seconds in which it must
        """
        telephone = Telephone(self._test, self.address, "probe", self.address[0])

        def answers() -> bool:
            if hasattr(self, "process"):
                self.process.see_alive()
            try:
                return telephone.ask("OPTIONS", f"sip:{self.domain}", timeout=0.5).status == 200
            except (TimeoutError, ConnectionRefusedError):
                return False

        wait_until(answers, "the server answers OPTIONS", patience)

    def stop(self) -> None:
        """End it and see that it ends as it was told."""
        self.process.send_signal(signal.SIGTERM)
        # twistd ends by the signal that it was told to end by, after all is closed.
        self._test.assertEqual(self.process.wait(), -signal.SIGTERM, self.process.text())

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    # What it leaves behind.

    def error_log(self) -> str:
        """Give the error log."""
        path = self.folder / "logs" / "error_log"
        return path.read_text() if path.exists() else ""

    def access_log(self) -> list[str]:
        """Give the lines of the access log, each the request line and the status."""
        return (self.folder / "logs" / "access_log").read_text().splitlines()

    def wait_for_access(self, request: str, status: str, count: int = 1) -> None:
        """Wait until the access log has exactly so many lines of a request with a status.

        @param request: how its request line begins
        """

        def found() -> int:
            lines = self.access_log()
            return sum(line.startswith(request) and line.endswith(f" SIP/2.0 {status}") for line in lines)

        try:
            wait_until(lambda: found() >= count, f"{count} lines {request} ... {status} in the access log")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.access_log()[-20:]}") from None
        self._test.assertEqual(found(), count, self.access_log()[-20:])

    def bindings_on_disk(self) -> list[str]:
        """Give the addresses of record that the database has, in order."""
        with closing(sqlite3.connect(self.folder / "data" / "registry.db", timeout=PATIENCE)) as database:
            rows = database.execute("SELECT aor FROM registry ORDER BY aor").fetchall()
        return [aor.decode() for (aor,) in rows]

    def see_no_complaint(self, expected: str = "") -> None:
        """Fail where the error log, or what was printed, has an error of any kind.

        @param expected: a regular expression of what lines may say all the same
        """
        log = self.error_log()
        printed = [path.read_text() for path in self.folder.glob("twistd*.out")]
        bad = [found[0] for found in _BAD_LINE.finditer(log)]
        if expected:
            bad = [line for line in bad if not re.search(expected, line)]
        self._test.assertEqual(bad, [], log[-3000:])
        complaints = [text for text in map(_without_others, printed) if re.search("Traceback|Warning|Unhandled", text)]
        self._test.assertEqual(complaints, [])


def _without_others(printed: str) -> str:
    """Leave out what Python says of other people's packages when twistd looks at their plugins."""
    return re.sub(r"^.*/site-packages/.*Warning: .*\n(  .*\n)?", "", printed, flags=re.MULTILINE)


def start_proxy(
    test: SynchronousTestCase,
    settings: str = "",
    listen: Sequence[str] = (),
    port: int = 0,
    clean: bool = True,
    expected: str = "",
) -> Proxy:
    """Start a server that ends with the test.

    @param clean: whether its logs are to be without complaint in the end
    @param expected: a regular expression of what may be complained of
    """
    proxy = Proxy(test, settings, listen, port)
    if clean:
        test.addCleanup(proxy.see_no_complaint, expected)
    proxy.start()
    return proxy
