"""What every telephone of the tests can do, whatever program it is."""

import time
from typing import Protocol

from test.interop.harness import PATIENCE
from test.interop.telephone import Address, host_port


class Phone(Protocol):
    """A telephone that is registered at the server.

    @cvar REFUSAL: the status that it refuses a call with
    @ivar user: user part of its address of record
    """

    REFUSAL: int
    user: str

    def dial(self, uri: str) -> None:
        """Begin a call."""

    def wait_called(self) -> None:
        """Wait until a call comes in and rings."""

    def wait_ringing(self) -> None:
        """Wait until the other end of the call that was begun rings."""

    def answer(self) -> None:
        """Take the call that rings."""

    def refuse(self) -> None:
        """Refuse the call that rings, as it does for its user."""

    def hang_up(self) -> None:
        """End the call, or the attempt."""

    def wait_established(self) -> None:
        """Wait until the call is established."""

    def wait_closed(self) -> None:
        """Wait until there is no call any more."""


class Watch:
    """A deadline for something that is looked for again and again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._end = time.monotonic() + PATIENCE

    def left(self, seen: object) -> float:
        """Give the seconds that are left.

        @param seen: what was there instead, for the failure
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise AssertionError(f"not within {PATIENCE:g} s: {self._what}; seen: {seen}")
        return left


def aor(user: str, proxy: Address) -> str:
    """Write a user's address of record at a server."""
    return f"sip:{user}@{host_port(proxy)}"
