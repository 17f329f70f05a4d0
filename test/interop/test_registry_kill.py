"""A registry whose process is killed at any moment."""

import random
import subprocess
import sys
import time
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from sipproxy.databases.registry_sqlite import SqliteStore
from sipproxy.registrar.bindings import Bindings

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 4


class KillTests(TestCase):
    """What was acknowledged is there when the process comes back."""

    timeout = 60

    async def test_nothing_acknowledged_is_lost(self) -> None:
        """After kill -9 at a random moment the file holds each registration that was told to be durable."""
        path = Path(self.mktemp()).absolute()
        moments = random.Random(7)
        acknowledged: list[bytes] = []
        for number in range(ROUNDS):
            told = self.register_until_killed(path, number * 1_000_000, moments.uniform(0.05, 0.5))
            self.assertGreater(len(told), 20)
            acknowledged += told
            stored = await self.stored(path)
            self.assertEqual([aor for aor in acknowledged if aor not in stored], [])

    def register_until_killed(self, path: Path, first: int, seconds: float) -> list[bytes]:
        """Run the process for some seconds from its first registration and kill it.

        @return: what it told; a line that was cut off counts for nothing
        """
        command = [sys.executable, "-m", "test.interop.registering", str(path), str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, bufsize=0) as process:
            assert process.stdout is not None
            begun = process.stdout.read(1)
            end = time.monotonic() + seconds
            told = [begun]
            while time.monotonic() < end:
                told.append(process.stdout.read(4096))
            process.kill()
            told.append(process.stdout.read())
        return [line for line in b"".join(told).splitlines(keepends=True) if line.endswith(b"\n")]

    async def stored(self, path: Path) -> set[bytes]:
        """Give the addresses of record in the file, as lines."""
        from twisted.internet import reactor

        found: set[bytes] = set()

        def accept(aor: bytes, bindings: Bindings) -> None:
            found.add(aor + b"\n")

        store = SqliteStore(path, reactor)  # type: ignore[arg-type]
        loaded: Deferred[int] = store.load(accept, time.time())
        await loaded
        await store.close()
        return found
