"""Keys that become due, second by second."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.expiry import Expiry


class ExpiryTests(SynchronousTestCase):
    """L{Expiry}."""

    def setUp(self) -> None:
        self.expiry = Expiry()

    def test_due_after_its_time(self) -> None:
        """A key is due in the second after its time, once."""
        self.expiry.add(b"a", 10.2)
        self.assertEqual(self.expiry.due(10.9, 9), [])
        self.assertEqual(self.expiry.due(11.0, 9), [b"a"])
        self.assertEqual(self.expiry.due(12.0, 9), [])

    def test_discarded(self) -> None:
        """A discarded key is not due; to discard one that is not there is no error."""
        self.expiry.add(b"a", 10)
        self.expiry.discard(b"a", 10)
        self.expiry.discard(b"b", 99)
        self.assertEqual(self.expiry.due(100, 9), [])

    def test_moved(self) -> None:
        """A key moved to a later time is due then."""
        self.expiry.add(b"a", 10)
        self.expiry.discard(b"a", 10)
        self.expiry.add(b"a", 20)
        self.assertEqual(self.expiry.due(11, 9), [])
        self.assertEqual(self.expiry.due(21, 9), [b"a"])

    def test_no_more_than_asked_for(self) -> None:
        """What is too much at once is given next time, the oldest first."""
        for key, when in ((b"c", 30), (b"a", 10), (b"b", 20)):
            self.expiry.add(key, when)
        self.assertEqual(self.expiry.due(99, 2), [b"a", b"b"])
        self.assertEqual(self.expiry.due(99, 2), [b"c"])

    def test_time_gone_by(self) -> None:
        """A key that is added for a time gone by is due at once, also where its second was dealt with."""
        self.expiry.add(b"a", 10)
        self.assertEqual(self.expiry.due(1000, 9), [b"a"])
        self.expiry.add(b"a", 10)
        self.assertEqual(self.expiry.due(1000, 9), [b"a"])

    @given(st.dictionaries(st.binary(min_size=1, max_size=2), st.floats(0, 100), max_size=20), st.integers(0, 101))
    def test_all_and_no_others(self, times: dict[bytes, float], now: int) -> None:
        """Exactly the keys whose time is over are due."""
        expiry = Expiry()
        for key, when in times.items():
            expiry.add(key, when)
        self.assertEqual(set(expiry.due(now, 99)), {key for key, when in times.items() if when < now})
