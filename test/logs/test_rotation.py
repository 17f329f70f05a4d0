"""When a log is put aside."""

import time

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.logs.rotation import Rotation, parse_rotation
from test.logs.outcomes import WHEN, east

DAY = 86400


class ParseTests(SynchronousTestCase):
    """The words of LogRotate."""

    def test_sizes_and_intervals(self) -> None:
        """Sizes, seconds, units and words are read; seven old files stay unless told otherwise."""
        for words, expected in (
            (["10M"], Rotation(10 * 1024**2, 0, 7)),
            (["512K", "3"], Rotation(512 * 1024, 0, 3)),
            (["1G", "1000"], Rotation(1024**3, 0, 1000)),
            (["100B"], Rotation(100, 0, 7)),
            (["86400"], Rotation(0, DAY, 7)),
            (["6h"], Rotation(0, 6 * 3600, 7)),
            (["1d", "30"], Rotation(0, DAY, 30)),
            (["2w"], Rotation(0, 14 * DAY, 7)),
            (["Daily"], Rotation(0, DAY, 7)),
            (["weekly"], Rotation(0, 7 * DAY, 7)),
            (["hourly"], Rotation(0, 3600, 7)),
        ):
            self.assertEqual(parse_rotation(words), expected)
        self.assertIsNone(parse_rotation(["off"]))

    def test_wrong_words(self) -> None:
        """Anything else is an error that says what was expected; 10m might be minutes."""
        for words in (["10m"], ["0"], ["0M"], ["-1"], ["10X"], [""], ["off", "3"], ["1d", "2", "3"], []):
            self.assertIn("a size (10M, 512K)", str(self.assertRaises(ValueError, parse_rotation, words)))
        for keep in ("0", "1001", "x", "-1", ""):
            self.assertIn("1 to 1000", str(self.assertRaises(ValueError, parse_rotation, ["1d", keep])))


class DueTests(SynchronousTestCase):
    """Sizes and periods."""

    def test_size(self) -> None:
        """A file is full where it would grow over the size; an empty one never is."""
        rotation = Rotation(100, 0, 1)
        self.assertEqual([rotation.due(60, 40), rotation.due(60, 41), rotation.due(0, 500)], [False, True, False])
        self.assertFalse(Rotation(0, DAY, 1).due(10**12, 1))

    def test_days_end_at_local_midnight(self) -> None:
        """A day is the day of the clock on the wall."""
        rotation = Rotation(0, DAY, 1)
        midnight = WHEN - WHEN % DAY + DAY
        self.assertEqual(rotation.period(midnight, time.gmtime) - rotation.period(midnight - 1, time.gmtime), 1)
        self.assertEqual(rotation.period(midnight, east), rotation.period(midnight - 1, east))
        there = midnight - (5 * 60 + 45) * 60
        self.assertEqual(rotation.period(there, east) - rotation.period(there - 1, east), 1)

    def test_weeks_begin_on_monday(self) -> None:
        """The 25th of November 2026 is a Wednesday: its week ends after Sunday the 29th."""
        rotation = Rotation(0, 7 * DAY, 1)
        wednesday = WHEN - WHEN % DAY
        periods = [rotation.period(wednesday + days * DAY, time.gmtime) for days in (-3, -2, 4, 5)]
        self.assertEqual([period - periods[1] for period in periods], [-1, 0, 0, 1])

    def test_sizes_have_no_periods(self) -> None:
        """Where there is no interval, all times are one period."""
        self.assertEqual(Rotation(1, 0, 1).period(WHEN, time.gmtime), 0)
