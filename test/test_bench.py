"""The measurements run: what they measure is done, the figures themselves are not judged here."""

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from bench.damage import damaged
from bench.fuzz import corpus
from bench.inprocess import measure
from bench.works import WORKS


class InProcessTests(SynchronousTestCase):
    """bench/inprocess.py and what it shares with the others."""

    def test_works(self) -> None:
        """A few calls of each work succeed, and each step of them has its time."""
        for work in WORKS:
            figure = measure(work, 3)
            self.assertEqual((figure.work, figure.calls), (work, 3))
            self.assertTrue(all(us > 0 for us in figure.steps.values()), figure)
            self.assertEqual(list(figure.steps)[-1], "timers")


class DamageTests(SynchronousTestCase):
    """What the damaged datagrams are made of."""

    def test_corpus(self) -> None:
        """There are requests and responses of the works, of the server, and of RFC 4475."""
        valid = corpus()
        for start in (
            b"REGISTER ",
            b"INVITE ",
            b"ACK ",
            b"BYE ",
            b"SIP/2.0 100",
            b"SIP/2.0 200",
            b"!interesting-Method",
        ):
            self.assertTrue(any(message.startswith(start) for message in valid), start)

    def test_seed(self) -> None:
        """One seed gives one sequence."""
        valid = [b"INVITE sip:u1@bench.test SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n"]
        random, again = Random(7), Random(7)
        first = [damaged(valid, random) for _ in range(100)]
        self.assertEqual(first, [damaged(valid, again) for _ in range(100)])
        self.assertGreater(len(set(first)), 50)
