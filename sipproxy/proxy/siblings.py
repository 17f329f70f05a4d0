"""Other processes that serve the same ports, and what comes here though it is theirs.

Each has a port of its own, which its Via names. An element that answers to
where a request came from (RFC 3581, though we did not ask for it), not to where
its Via says, answers to the port that all share; and there too the kernel tells
of ICMP errors. Whose it is shows in the port of the topmost Via.
"""

import re
from collections.abc import Callable, Iterable

from sipproxy.interfaces import Address

_VIA_PORT = re.compile(rb"\r\nVia: SIP/2\.0/UDP [^;\r\n]*:(\d{1,5});").search
# Where a wildcard address is reached on this machine.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Siblings:
    """The other processes."""

    def __init__(self, places: Iterable[Address], tell_failure: Callable[[int, bytes, str], object]) -> None:
        """
        @param places: the address that is listened at, and the port that one of them alone has there
        @param tell_failure: tells the one with a port of a datagram of its own that did not arrive, and why
        """
        self._homes = {(host, port): (_LOOPBACK.get(host, host), port) for host, port in places}
        self._ports = {port for _, port in self._homes}
        self._tell_failure = tell_failure

    def home(self, host: str, port: int | None) -> Address | None:
        """Tell where the process is reached that has sent a request.

        @param host: the address that its response came to
        @param port: that of its Via
        @return: None where it is none of them
        """
        return None if port is None else self._homes.get((host, port))

    def tell_failure(self, datagram: bytes, reason: str) -> None:
        """Pass on that a datagram was refused, where it is of one of them."""
        found = _VIA_PORT(datagram)
        if found is not None and int(found[1]) in self._ports:
            self._tell_failure(int(found[1]), datagram, reason)
