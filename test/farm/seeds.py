"""Farms of five with many seeds, as long as one likes.

    python -m test.farm.seeds [--seeds COUNT] [--first SEED]

Each seed is a farm of its own with a minute of faults; the first thing that does
not hold is told with its seed, and ends it. C{make soak} runs 10,000.
"""

import argparse
import time

from twisted.logger import globalLogBeginner

from test.farm.world import World

TROUBLE = 60.0
_TELL = 100


def run(first: int, count: int) -> None:
    """Run some seeds, and tell after each hundred how many there were.

    @raise test.farm.world.BrokenError: something does not hold
    """
    began = time.monotonic()
    for seed in range(first, first + count):
        world = World(seed)
        world.run(TROUBLE)
        world.end()
        done = seed - first + 1
        if done % _TELL == 0 or done == count:
            print(
                f"{done} farms of {len(world.members)}, seeds {first} to {seed}: all holds, "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m test.farm.seeds", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    globalLogBeginner.beginLoggingTo((), redirectStandardIO=False, discardBuffer=True)
    run(given.first, given.seeds)
