"""Choosing among servers by priority and weight (RFC 2782, "The format of the SRV RR").

Used for SRV records and, with a rule of their own for weight 0, for static
routes. The random source is an argument: a stateless proxy passes one that is
seeded by the transaction, so that each copy of a request goes the same way
(RFC 3263 4.4); for this the caller passes entries in an order that does not
change from one answer of a name server to the next.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, groupby
from random import Random
from typing import Any, Protocol, TypeVar


class Weighted(Protocol):
    """What has a share among its equals."""

    @property
    def weight(self) -> int:
        """Its share, 0 or more."""


W = TypeVar("W", bound=Weighted)


def arrange(entries: Sequence[W], rank: Callable[[W], Any], random: Random, most: int, least_draw: int = 0) -> list[W]:
    """Give entries in the order of trying: by rank, among equals by weighted chance.

    @param rank: what comes first has the lower one
    @param most: how many are wanted
    @param least_draw: 0, as the RFC has it: "a uniform random number between 0 and the sum (inclusive)", which gives
        weight 0 its small chance; 1 for shares exactly as the weights say
    """
    arranged: list[W] = []
    for _, group in groupby(sorted(entries, key=rank), key=rank):
        _draw(list(group), random, most, least_draw, arranged)
        if len(arranged) >= most:
            break
    return arranged


def _draw(equals: list[W], random: Random, most: int, least_draw: int, arranged: list[W]) -> None:
    """Move entries of one rank to the end of a list, until there is enough."""
    if len(equals) > 1:
        # "arrange all SRV RRs ... in any order, except that all those with weight 0 are placed at the beginning"
        random.shuffle(equals)
        equals.sort(key=lambda entry: entry.weight > 0)
    total = sum([entry.weight for entry in equals])
    while equals and len(arranged) < most:
        drawn = random.randint(min(least_draw, total), total) if len(equals) > 1 else 0
        running = accumulate([entry.weight for entry in equals])
        chosen = equals.pop(next(at for at, so_far in enumerate(running) if so_far >= drawn))
        total -= chosen.weight
        arranged.append(chosen)
