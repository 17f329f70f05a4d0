"""Answers that are often at hand: a value, or a Deferred of one.

The fast path (a registration in memory, a literal address) goes through
without a Deferred and without waiting for the reactor.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")
U = TypeVar("U")


def then(answer: "T | Deferred[T]", use: "Callable[[T], U | Deferred[U]]") -> "U | Deferred[U]":
    """Use an answer now if it is there, else when it comes."""
    if isinstance(answer, Deferred):
        later: Deferred[Any] = answer.addCallback(use)
        return later
    return use(answer)
