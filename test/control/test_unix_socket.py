"""The Unix socket itself."""

import os
import socket
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.control import unix_socket
from sipproxy.errors import ListenError


class ListenTests(SynchronousTestCase):
    """Opening it."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.path = self.folder / "control.sock"

    def opened(self) -> socket.socket:
        """Open it until the test ends."""
        found = unix_socket.listen(self.path)
        self.addCleanup(found.close)
        return found

    def test_open(self) -> None:
        """Whoever may connects; its mode is 0600 whatever the umask, and nothing else is left in the folder."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        opened = self.opened()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(list(self.folder.iterdir()), [self.path])
        with unix_socket.connect(self.path) as client:
            connection, _ = opened.accept()
            with connection:
                connection.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")

    def test_stale(self) -> None:
        """One that nobody listens on is replaced."""
        unix_socket.listen(self.path).close()
        self.assertTrue(self.path.exists())
        self.assertRaises(ConnectionRefusedError, unix_socket.connect, self.path)
        self.opened()
        unix_socket.connect(self.path).close()

    def test_in_use(self) -> None:
        """One that somebody listens on is left to them."""
        first = self.opened()
        error = self.assertRaises(ListenError, unix_socket.listen, self.path)
        self.assertEqual(str(error), f"cannot open the control socket {self.path}: another server has it")
        first.setblocking(True)
        unix_socket.connect(self.path).close()

    def test_no_socket(self) -> None:
        """A file that is no socket is left alone."""
        self.path.write_text("precious")
        error = self.assertRaises(ListenError, unix_socket.listen, self.path)
        self.assertIn("what is there is no socket", str(error))
        self.assertEqual(self.path.read_text(), "precious")

    def test_long_path(self) -> None:
        """A path may be longer than the address of a socket."""
        self.path = self.folder / ("d" * 200) / "control.sock"
        self.path.parent.mkdir()
        self.opened()
        unix_socket.connect(self.path).close()

    def test_no_folder(self) -> None:
        """A folder that there is not is told in one line."""
        self.path = self.folder / "none" / "control.sock"
        error = self.assertRaises(ListenError, unix_socket.listen, self.path)
        self.assertEqual(str(error), f"cannot open the control socket {self.path}: No such file or directory")
