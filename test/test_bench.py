"""The measurements run: what they measure is done, the figures themselves are not judged here."""

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from bench.damage import damaged
from bench.fuzz import corpus
from bench.inprocess import measure
from bench.via_callee import answers
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


class ViaCalleeTests(SynchronousTestCase):
    """The telephone that is called where several processes are measured."""

    def test_answers(self) -> None:
        """All that a response repeats is there, in order, and a tag; an ACK has no answer."""
        request = (
            b"INVITE sip:u1@127.0.0.1:9 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bKb\r\n"
            b"Via: SIP/2.0/UDP 127.0.0.1:7;branch=z9hG4bKa\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\n"
            b"Call-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        )
        ringing, answered = answers(request, 9)
        self.assertTrue(ringing.startswith(b"SIP/2.0 180 Ringing\r\n"))
        self.assertEqual(
            answered,
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bKb\r\n"
            b"Via: SIP/2.0/UDP 127.0.0.1:7;branch=z9hG4bKa\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=callee\r\n"
            b"Call-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:callee@127.0.0.1:9>\r\nContent-Length: 0\r\n\r\n",
        )
        self.assertEqual(answers(request.replace(b"INVITE", b"ACK"), 9), [])
