"""Points in time as the logs write them: Apache's two forms, and RFC 3339.

The names of days and months are always English, whatever the locale, as
programs read them. The text of a second is made once: thousands of lines share it.
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

Text = TypeVar("Text", str, bytes)
LocalTime = Callable[[float], time.struct_time]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# A call's line carries the time of its INVITE: so many seconds back, lines still find their text.
_SECONDS_KEPT = 512


class SecondText(dict[int, Text], Generic[Text]):
    """The text of each second since 1970, made at first use; only the last few hundred are kept.

    A dict, as finding a text is the usual case and must not cost a call.

    @param make: makes the text of a local time
    @param local_time: C{time.localtime}, or C{time.gmtime}
    """

    __slots__ = ("_local_time", "_make")

    def __init__(self, make: Callable[[time.struct_time], Text], local_time: LocalTime) -> None:
        super().__init__()
        self._make: Callable[[time.struct_time], Text] = make
        self._local_time = local_time

    def __missing__(self, second: int) -> Text:
        if len(self) >= _SECONDS_KEPT:
            self.clear()
        text = self[second] = self._make(self._local_time(second))
        return text


def access_time(moment: time.struct_time) -> str:
    """Write C{25/Nov/2026:18:00:36 +0000}, the time of the common log format."""
    return (
        f"{moment.tm_mday:02}/{_MONTHS[moment.tm_mon - 1]}/{moment.tm_year}"
        f":{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02} {zone(moment)}"
    )


def error_time(moment: time.struct_time) -> str:
    """Write C{Wed Nov 25 18:00:36.%06d 2026}: the time of the error log, microseconds to be filled in."""
    return (
        f"{_DAYS[moment.tm_wday]} {_MONTHS[moment.tm_mon - 1]} {moment.tm_mday:02}"
        f" {moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}.%06d {moment.tm_year}"
    )


def rfc3339_time(moment: time.struct_time) -> str:
    """Write C{2026-11-25T18:00:36.%06d+00:00} (RFC 3339 5.6), microseconds to be filled in."""
    offset = zone(moment)
    return (
        f"{moment.tm_year:04}-{moment.tm_mon:02}-{moment.tm_mday:02}"
        f"T{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}.%06d{offset[:3]}:{offset[3:]}"
    )


def zone(moment: time.struct_time) -> str:
    """Write the distance from UTC as C{+hhmm}."""
    minutes = (moment.tm_gmtoff or 0) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


def split_time(seconds: float) -> tuple[int, int]:
    """Split a time into whole seconds and microseconds."""
    return divmod(round(seconds * 1_000_000), 1_000_000)
