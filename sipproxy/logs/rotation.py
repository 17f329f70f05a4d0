"""When a log file is put aside: at a size, or at the end of an hour, a day, a week.

As in Apache's rotatelogs a size is C{512K}, C{10M}, C{1G} (upper case, as
C{10m} might be minutes) and a plain number is an interval in seconds; C{6h},
C{1d}, C{2w} and C{hourly}, C{daily}, C{weekly} say the same in words. Intervals
end on local time (rotatelogs C{-l}): C{daily} at midnight, C{weekly} on Monday.
Nothing happens while nothing is written: the first line after the end rotates.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sipproxy.logs.times import LocalTime

EXPECTED = "off, or a size (10M, 512K) or an interval (86400, 6h, 1d, daily), and how many old files to keep"

_DEFAULT_KEEP = 7
_MOST_KEPT = 1000
_SIZES = {"B": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_SECONDS = {"": 1, "s": 1, "h": 3600, "d": 86400, "w": 7 * 86400}
_WORDS = {"hourly": 3600, "daily": 86400, "weekly": 7 * 86400}
_AMOUNT = re.compile(r"([0-9]{1,15})([BKMG]|[shdw]?)").fullmatch
# The first of January 1970 was a Thursday; with this weeks begin on Monday.
_MONDAY = 3 * 86400


@dataclass(frozen=True, slots=True)
class Rotation:
    """When to rotate, and how many old files stay.

    @ivar size: octets above which a file does not grow, 0 for any
    @ivar interval: seconds that a file covers, 0 for any
    @ivar keep: old files kept: C{path.1}, the newest, to C{path.N}
    """

    size: int
    interval: int
    keep: int

    def due(self, size: int, adding: int) -> bool:
        """Tell whether a file of C{size} octets is full before C{adding} octets more."""
        return 0 < self.size < size + adding and size > 0

    def period(self, now: float, local_time: LocalTime) -> int:
        """Number the interval that a time is in; 0 for all where there are none."""
        if not self.interval:
            return 0
        return int(now + (local_time(now).tm_gmtoff or 0) + _MONDAY) // self.interval


def parse_rotation(words: Sequence[str]) -> Rotation | None:
    """Read the words of C{LogRotate}.

    @return: None for C{off}
    @raise ValueError: they are wrong; the text says what was expected
    """
    if len(words) == 1 and words[0].lower() == "off":
        return None
    if len(words) not in (1, 2):
        raise ValueError(EXPECTED)
    size, interval = _amount(words[0])
    keep = int(words[1]) if len(words) == 2 and re.fullmatch("[0-9]{1,4}", words[1]) else 0
    if len(words) == 1:
        keep = _DEFAULT_KEEP
    if not 1 <= keep <= _MOST_KEPT:
        raise ValueError(f"how many old files to keep, 1 to {_MOST_KEPT}")
    return Rotation(size, interval, keep)


def _amount(word: str) -> tuple[int, int]:
    """Read a size or an interval as (octets, seconds), one of them 0."""
    if word.lower() in _WORDS:
        return 0, _WORDS[word.lower()]
    match = _AMOUNT(word)
    if match is None or int(match[1]) == 0:
        raise ValueError(EXPECTED)
    if match[2] in _SIZES:
        return int(match[1]) * _SIZES[match[2]], 0
    return 0, int(match[1]) * _SECONDS[match[2]]
