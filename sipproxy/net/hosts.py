"""The hosts file (hosts(5)): addresses of names without a question.

The file is looked at again, at most once a second, and read again when it has
changed.  The look is a stat() on the reactor's thread: of a local file, it does
not wait.  Names are compared without regard to case and to a trailing dot.
"""

import os
from collections.abc import Callable, Iterable

from twisted.logger import Logger

from sipproxy.net.sockets import family_of

_log = Logger()

_LOOK_INTERVAL = 1.0

_Stamp = tuple[int, int, int]


class HostsFile:
    """The names of one hosts file, as it is on the disk."""

    def __init__(self, path: str, seconds: Callable[[], float]) -> None:
        """
        @param path: the file; one that does not exist has no names, and may come into being
        @param seconds: the clock (IReactorTime.seconds)
        """
        self._path = path
        self._seconds = seconds
        self._looked: float | None = None
        self._stamp: _Stamp | None = None
        self._names: dict[str, list[str]] = {}

    def find(self, name: str) -> list[str]:
        """Give the addresses of a name, IPv4 first, else in the file's order; none when it is not there."""
        now = self._seconds()
        if self._looked is None or not 0 <= now - self._looked < _LOOK_INTERVAL:
            self._looked = now
            self._refresh()
        return self._names.get(name.lower().removesuffix("."), [])

    def _refresh(self) -> None:
        try:
            found = os.stat(self._path)
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == self._stamp:
                return
            with open(self._path, encoding="ascii", errors="surrogateescape") as lines:
                self._names = parse_hosts(lines)
        except FileNotFoundError:
            self._stamp, self._names = None, {}
        except OSError as error:
            _log.warn("cannot read {path}, its last known names stay: {error}", path=self._path, error=error.strerror)
        else:
            self._stamp = stamp


def parse_hosts(lines: Iterable[str]) -> dict[str, list[str]]:
    """Read the lines of a hosts file: an address, its names, C{#} comments; lines without a literal address count not.

    @return: addresses by lower-case name without trailing dot, IPv4 first
    """
    names: dict[str, list[str]] = {}
    for line in lines:
        address, *its_names = line.partition("#")[0].split() or [""]
        if family_of(address) is None:
            continue
        for name in its_names:
            addresses = names.setdefault(name.lower().removesuffix("."), [])
            if address not in addresses:
                addresses.append(address)
    for addresses in names.values():
        addresses.sort(key=lambda address: ":" in address)
    return names
