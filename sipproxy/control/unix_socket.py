"""Unix sockets by path, of any length, for one user only (unix(7)).

Plain functions over the socket module, for the server and for its clients.
"""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sipproxy.errors import ListenError

_BACKLOG = 64


@contextmanager
def _folder(path: Path) -> Iterator[tuple[int, str]]:
    """Give the open folder of a path, and its name.

    A socket's address holds 107 octets, a path may be longer: so sockets are named by way of the open folder.
    """
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor, f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def connect(path: Path, timeout: float | None = None) -> socket.socket:
    """Connect to a Unix socket.

    @param timeout: how long it, and whatever is done with the socket, may take, seconds
    @raise OSError: nobody listens there, or we may not
    """
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.settimeout(timeout)
        with _folder(path) as (_, folder):
            opened.connect(f"{folder}/{path.name}")
    except OSError:
        opened.close()
        raise
    return opened


def listen(path: Path) -> socket.socket:
    """Open a Unix socket that only its user may connect to; one that a dead server has left is replaced.

    @return: the socket, not blocking
    @raise ListenError: somebody listens there, or it cannot be opened
    """
    try:
        _see_free(path)
        return _listen(path)
    except OSError as error:
        raise ListenError(f"cannot open the control socket {path}: {error.strerror or error}") from None


def _see_free(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ListenError(f"cannot open the control socket {path}: what is there is no socket")
        connect(path, timeout=1).close()
    except (FileNotFoundError, ConnectionRefusedError):
        return  # nothing there, or nobody behind it
    raise ListenError(f"cannot open the control socket {path}: another server has it")


def _listen(path: Path) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    temporary = f".{path.name}.{os.getpid()}"
    try:
        with _folder(path) as (descriptor, folder):
            _remove(temporary, descriptor)
            opened.bind(f"{folder}/{temporary}")
            try:
                # It has its mode before anybody can connect, and its name when they can, whatever was there before.
                os.chmod(temporary, 0o600, dir_fd=descriptor)
                opened.listen(_BACKLOG)
                os.rename(temporary, path.name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
            except OSError:
                _remove(temporary, descriptor)
                raise
    except OSError:
        opened.close()
        raise
    opened.setblocking(False)
    return opened


def _remove(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def inode(path: Path) -> int:
    """Give the number of a file, 0 where there is none."""
    try:
        return path.lstat().st_ino
    except OSError:
        return 0
