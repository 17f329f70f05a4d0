"""Points in time as text."""

import time

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.logs.times import SecondText, access_time, error_time, rfc3339_time, split_time
from test.logs.outcomes import WHEN, east


class TimeTests(SynchronousTestCase):
    """The three forms."""

    def test_utc(self) -> None:
        """Each form in UTC."""
        moment = time.gmtime(WHEN)
        self.assertEqual(access_time(moment), "25/Nov/2026:18:00:36 +0000")
        self.assertEqual(error_time(moment) % 7, "Wed Nov 25 18:00:36.000007 2026")
        self.assertEqual(rfc3339_time(moment) % 7, "2026-11-25T18:00:36.000007+00:00")

    def test_zones(self) -> None:
        """East and west of Greenwich, and a zone that is not a whole hour."""
        self.assertEqual(access_time(east(WHEN)), "25/Nov/2026:23:45:36 +0545")
        self.assertEqual(rfc3339_time(east(WHEN)) % 0, "2026-11-25T23:45:36.000000+05:45")
        newfoundland = time.struct_time(tuple(time.gmtime(WHEN)), {"tm_gmtoff": -12600, "tm_zone": "NST"})
        self.assertEqual(access_time(newfoundland), "25/Nov/2026:18:00:36 -0330")

    def test_microseconds_carry(self) -> None:
        """What rounds up to a whole second is the next one."""
        self.assertEqual(split_time(10.123456), (10, 123456))
        self.assertEqual(split_time(10.9999999), (11, 0))

    def test_seconds_are_made_once(self) -> None:
        """A second's text is made at first use, and few are kept."""
        made = []

        def make(moment: time.struct_time) -> str:
            made.append(moment.tm_sec)
            return f"at {moment.tm_sec}"

        texts = SecondText(make, time.gmtime)
        self.assertEqual([texts[7], texts[8], texts[7]], ["at 7", "at 8", "at 7"])
        self.assertEqual(made, [7, 8])
        for second in range(2000):
            texts[second]
        self.assertLess(len(texts), 600)
