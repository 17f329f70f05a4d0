"""PJSUA2 as a telephone: its Python extension in an environment of its own, behind C{pjsua_agent.py}."""

import json
import os
import select
import subprocess
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import LOOPBACK, ROOT, Process, make_folder
from test.interop.phones import Watch, aor
from test.interop.telephone import Address, host_port

_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
_AGENT = ROOT / "test" / "interop" / "pjsua_agent.py"


class Pjsua:
    """One PJSUA2 with one account."""

    REFUSAL = 486

    def __init__(self, test: SynchronousTestCase, user: str, proxy: Address, password: str = "") -> None:
        """Start and register it.

        @param password: answers challenges
        """
        if not _PYTHON.exists():
            raise SkipTest("pjsua2-python is not installed (make .venv-peers/made.stamp)")
        self.user = user
        self._rest = b""
        self._events: list[dict[str, Any]] = []
        folder = make_folder(test, "pjsua")
        command: list[str | Path] = [
            _PYTHON,
            _AGENT,
            LOOPBACK,
            aor(user, proxy),
            f"sip:{host_port(proxy)}",
            user,
            password,
        ]
        self._process = Process(test, command, folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._wait("registered")

    # Phone.

    def dial(self, uri: str) -> None:
        """Begin a call."""
        self._tell(f"dial {uri}")

    def wait_called(self) -> None:
        """Wait until a call comes in."""
        self._wait("called")

    def wait_ringing(self) -> None:
        """Wait until the other end rings."""
        self._wait("ringing")

    def answer(self) -> None:
        """Take the call."""
        self._tell("answer")

    def refuse(self) -> None:
        """Refuse the call."""
        self._tell("refuse")

    def hang_up(self) -> None:
        """End the call."""
        self._tell("hang_up")

    def wait_established(self) -> None:
        """Wait until the call is established."""
        self._wait("established")

    def wait_closed(self) -> None:
        """Wait until the call is over."""
        self._wait("closed")

    # The agent.

    def _tell(self, command: str) -> None:
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()

    def _wait(self, kind: str) -> None:
        """Wait for an event; those before it are forgotten."""
        watch = Watch(f"{kind} of pjsua")
        seen: list[object] = []
        while True:
            while self._events:
                event = self._events.pop(0)
                if event["event"] == kind:
                    return
                seen.append(event)
            self._read(watch.left(seen))

    def _read(self, timeout: float) -> None:
        output = self._process.stdout.fileno()
        if select.select([output], [], [], min(timeout, 0.5))[0]:
            *lines, self._rest = (self._rest + os.read(output, 65_536)).split(b"\n")
            self._events += [json.loads(line) for line in lines]
        self._process.see_alive()
