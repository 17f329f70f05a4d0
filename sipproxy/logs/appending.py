"""A file that several processes append to, found by its path; rotated by one of them, followed by all.

Every operation may raise OSError: what then becomes of the lines is decided in
L{sipproxy.logs.files}. Nothing here blocks longer than the disk does.
"""

import fcntl
import os
import stat
import time

from sipproxy.logs.rotation import Rotation
from sipproxy.logs.times import LocalTime

# O_NONBLOCK: a FIFO without a reader must not stop the server. It does nothing to a regular file.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
# Who called whom is not for everybody on the machine.
_MODE = 0o640


class AppendFile:
    """The file at a path, open for appending.

    @ivar path: where it is
    @param rotation: when it is put aside, or None
    @param local_time: C{time.localtime}, or C{time.gmtime}
    """

    def __init__(self, path: str, rotation: Rotation | None = None, local_time: LocalTime = time.localtime) -> None:
        self.path = path
        self._rotation = rotation
        self._local_time = local_time
        self._descriptor = -1
        self._identity = (0, 0)
        self._period = 0

    @property
    def opened(self) -> bool:
        """Whether there is a file to write to, be it one that has been renamed."""
        return self._descriptor >= 0

    def open(self, now: float) -> None:
        """Open the path afresh, creating file and folders; the file open so far is closed only then.

        @param now: seconds since 1970
        @raise OSError: it cannot be opened; all stays as it was
        """
        folder = os.path.dirname(self.path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        descriptor = os.open(self.path, _FLAGS, _MODE)
        found = os.fstat(descriptor)
        self.close()
        self._descriptor = descriptor
        self._identity = (found.st_dev, found.st_ino)
        if self._rotation is not None:
            # Lines of an earlier run count as written when the last of them was.
            since = min(found.st_mtime, now) if found.st_size else now
            self._period = self._rotation.period(since, self._local_time)

    def write(self, data: bytes) -> int:
        """Append once.

        @return: how many octets went in, maybe fewer than there were
        @raise OSError: none did
        """
        return os.write(self._descriptor, data)

    def close(self) -> None:
        """Close it, if it is open."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def rotate_if_due(self, adding: int, now: float) -> None:
        """Rotate before C{adding} octets are written, or follow another process that has done so.

        @param now: seconds since 1970
        @raise OSError: it did not work; the file in use may still be written to
        """
        rotation = self._rotation
        if rotation is None:
            return
        size = self._size_if_ours()
        if size is None:
            self.open(now)
        elif rotation.due(size, adding) or (size and rotation.period(now, self._local_time) > self._period):
            self._rotate(rotation, now)

    def _size_if_ours(self) -> int | None:
        """Give the size of the file at the path, None if it is not the one that is open."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        if (found.st_dev, found.st_ino) != self._identity:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def _rotate(self, rotation: Rotation, now: float) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another process is at it, the next write follows
        try:
            if self._size_if_ours() is not None:
                _shift(self.path, rotation.keep)
        except OSError:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            raise
        self.open(now)  # closes the old descriptor, and that ends the lock


def _shift(path: str, keep: int) -> None:
    """Rename C{path} to C{path.1}, C{path.1} to C{path.2}, ...; the last one goes.

    Only up to the first number that is free: an attempt that failed half way
    and is made again pushes no further file over the end.
    """
    free = next((number for number in range(1, keep) if not os.path.lexists(f"{path}.{number}")), keep)
    for number in range(free, 1, -1):
        os.replace(f"{path}.{number - 1}", f"{path}.{number}")
    os.replace(path, f"{path}.1")
