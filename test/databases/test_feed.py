"""The feed of changes."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.feed import Change, Feed
from sipproxy.registrar.bindings import Binding

ONE = (Binding(b"sip:a@h"),)


class FeedTests(SynchronousTestCase):
    """L{Feed}."""

    def setUp(self) -> None:
        self.feed = Feed(history=3)
        self.heard: list[Change] = []

    def test_order(self) -> None:
        """Followers hear of each change, in order."""
        self.feed.subscribe(self.heard.append)
        changes = [Change(1, b"a", ONE), Change(2, b"b", ())]
        for change in changes:
            self.feed.publish(change)
        self.assertEqual(self.heard, changes)

    def test_failing_follower(self) -> None:
        """A follower that fails is logged, and the others hear of the change."""

        def fail(change: Change) -> None:
            raise ZeroDivisionError

        self.feed.subscribe(fail)
        self.feed.subscribe(self.heard.append)
        self.feed.publish(Change(1, b"a", ONE))
        self.assertEqual([change.revision for change in self.heard], [1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_unsubscribed(self) -> None:
        """Who no longer follows hears nothing."""
        follower = self.heard.append
        self.feed.subscribe(follower)
        self.feed.unsubscribe(follower)
        self.feed.publish(Change(1, b"a", ONE))
        self.assertEqual(self.heard, [])

    def test_since(self) -> None:
        """What was missed is given as long as it is remembered."""
        self.feed.revision = 10
        self.assertEqual(self.feed.since(10), [])
        self.assertIsNone(self.feed.since(9))
        for revision, key in enumerate((b"a", b"b", b"c", b"d"), 11):
            self.feed.publish(Change(revision, key, ()))
        self.assertEqual(self.feed.since(12), [Change(13, b"c", ()), Change(14, b"d", ())])
        self.assertEqual(len(self.feed.since(11) or ()), 3)
        self.assertEqual(self.feed.since(14), [])
        self.assertIsNone(self.feed.since(10))
        self.assertIsNone(self.feed.since(15))
