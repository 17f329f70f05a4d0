"""Unpredictable numbers for branches and tags, many for one question to the system."""

import os
from random import SystemRandom

_POOL_SIZE = 4096


class PooledSystemRandom(SystemRandom):
    """The system's random numbers, drawn 4096 octets at a time: a call costs several, a system call each is too many.

    A child process never sees what its parent has drawn.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pool = b""
        self._at = 0
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._pool = b""
        self._at = 0

    def getrandbits(self, k: int) -> int:
        """Give C{k} random bits; 64 of them come from the pool."""
        if k != 64:
            return super().getrandbits(k)
        at = self._at
        if at >= len(self._pool):
            self._pool = os.urandom(_POOL_SIZE)
            at = 0
        self._at = at + 8
        return int.from_bytes(self._pool[at : at + 8], "big")
