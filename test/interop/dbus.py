"""A bus of D-Bus of the tests' own, and the clients that come with Debian to ask on it."""

import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import escape

from twisted.trial.unittest import TestCase

from test.interop.embedded import Done, run
from test.interop.harness import Process, program, wait_until

_CONFIGURATION = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  {more}
</busconfig>
"""


class Bus:
    """A bus that ends with its test; it may be stopped and started again.

    @ivar address: where it is
    """

    def __init__(self, test: TestCase, folder: Path, more: str = "") -> None:
        """Start it.

        @param folder: where its files are
        @param more: further lines of its configuration
        """
        self._test = test
        self._daemon = program("dbus-daemon", "dbus-daemon")
        self._folder = folder
        # The name of a Unix socket is of 107 octets at most, and folders of tests lie deep.
        short = TemporaryDirectory(prefix="sipproxy-bus")
        test.addCleanup(short.cleanup)
        os.chmod(short.name, 0o755)  # for other users
        self._socket = Path(short.name) / "bus"
        self.address = f"unix:path={self._socket}"
        self._configuration = folder / "bus.conf"
        self._configuration.write_text(_CONFIGURATION.format(path=escape(str(self._socket)), more=more))
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [self._daemon, f"--config-file={self._configuration}", "--nofork", "--nopidfile", "--nosyslog"]
        self._process = Process(self._test, command, self._folder)
        wait_until(self._socket.exists, "the bus listens")

    def stop(self) -> None:
        """Stop it."""
        self._process.stop()
        self._socket.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Let it read nothing."""
        self._process.send_signal(signal.SIGSTOP)
        self._test.addCleanup(self.thaw)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process.status is None:
            self._process.send_signal(signal.SIGCONT)

    async def busctl(self, *words: str) -> Done:
        """Run busctl on it."""
        return await run(program("busctl", "systemd"), [f"--address={self.address}", "--timeout=5", *words])

    async def gdbus(self, command: str, *words: str) -> Done:
        """Run gdbus on it."""
        return await run(program("gdbus", "libglib2.0-bin"), [command, f"--address={self.address}", *words])

    async def dbus_send(self, *words: str) -> Done:
        """Run dbus-send on it, and wait for the reply."""
        return await run(program("dbus-send", "dbus-bin"), [f"--bus={self.address}", "--print-reply=literal", *words])
