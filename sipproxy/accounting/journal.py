"""What has changed since the last commit, on the disk before anything else happens.

A commit waits for company and for the disk. Until then each change stands as a
line in a file here, written with one system call at once: the end of the
process, of whatever kind, loses nothing. (The end of the machine may lose what
is not committed, as nobody waits for the disk.)

Files are numbered. When a commit begins, the changes after it go to the next
one; when it is done, the numbers that it covers are written with it, so that
they count no more, and their files are removed.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
# Who called whom is not for everybody on the machine.
_MODE = 0o640


class Change(NamedTuple):
    """What a line says.

    @ivar radius: the records that wait for RADIUS, as bits
    @ivar file: the records that wait for the file
    @ivar state: what changes of the call, as JSON; empty where nothing of that has
    @ivar invite: what does not, as JSON; empty where the spool has it already
    """

    number: int
    radius: int
    file: int
    is_open: bool
    state: str
    invite: str


class Journal:
    """The files beside a spool.

    @ivar problem: why nothing can be written, empty while all is well
    @param path: the path of the spool
    """

    def __init__(self, path: Path) -> None:
        self.problem = ""
        self._path = path
        self._descriptor = -1
        self._number = 0
        self._closed: list[int] = []
        self._is_torn = False

    def start(self) -> int:
        """Begin a new file.

        @return: the number of the last file that is there already
        """
        self._closed = sorted(_files(self._path))
        last = self._number = max(self._closed, default=0)
        self.turn()
        return last

    @property
    def told(self) -> int:
        """The number of the last file to which nothing is added any more."""
        return self._number - 1

    def write(self, change: Change) -> None:
        """Write a change down; where it cannot be written it is not."""
        number, radius, file, is_open, state, invite = change
        line = f"{number}\t{radius}\t{file}\t{is_open:d}\t{invite}\t{state}\n".encode("ascii")
        if self._is_torn:
            line = b"\n" + line
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            self.problem = error.strerror or str(error)
        else:
            self._is_torn = written < len(line)
            self.problem = "short of space" if self._is_torn else ""

    def turn(self) -> int:
        """Let what follows go to the next file; where there can be none, to the same.

        @return: the number of the last file whose changes have all been told
        """
        try:
            descriptor = os.open(_file(self._path, self._number + 1), _FLAGS, _MODE)
        except OSError as error:
            self.problem = error.strerror or str(error)
            return self._number - 1
        if self._descriptor >= 0:
            self.close()
            self._closed.append(self._number)
        self._descriptor = descriptor
        self._is_torn = False
        self._number += 1
        return self._number - 1

    def forget(self, last: int) -> None:
        """Remove files up to a number: what stands in them is committed."""
        for number in [number for number in self._closed if number <= last]:
            try:
                os.unlink(_file(self._path, number))
            except FileNotFoundError:
                pass
            except OSError as error:
                self.problem = error.strerror or str(error)
                continue
            self._closed.remove(number)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_changes(path: Path, after: int, last: int) -> Iterator[Change]:
    """Give what the files say, in order; a line that was not finished is left out.

    @param path: the path of the spool
    @param after: the number behind which the files count
    @param last: the number of the last that does
    @raise OSError: one cannot be read
    """
    for number, file in sorted(_files(path).items()):
        if after < number <= last:
            for line in file.read_bytes().split(b"\n"):
                change = _read(line)
                if change is not None:
                    yield change


def _read(line: bytes) -> Change | None:
    fields = line.split(b"\t")
    # JSON ends with its bracket: without, the line is not whole.
    if len(fields) != 6 or not all(field.isdigit() for field in fields[:4]) or fields[5][-1:] != b"]":
        return None
    number, radius, file, is_open = map(int, fields[:4])
    invite, state = fields[4].decode("ascii"), fields[5].decode("ascii")
    return Change(number, radius, file, bool(is_open), state, invite)


def _file(path: Path, number: int) -> str:
    return f"{path}-changes.{number}"


def _files(path: Path) -> dict[int, Path]:
    """Give the files beside a spool by their numbers."""
    pattern = re.compile(re.escape(path.name) + r"-changes\.([0-9]{1,18})\Z")
    found: dict[int, Path] = {}
    try:
        names = os.listdir(path.parent)
    except FileNotFoundError:
        return found
    for name in names:
        match = pattern.match(name)
        if match is not None:
            found[int(match[1])] = path.parent / name
    return found
