"""What happens when requests wait too long to be read (OverloadQueueInMs)."""

from test.scenario.stage import WireTestCase


class OverloadTests(WireTestCase):
    """A server that is told that it reads late."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.open(OverloadQueueInMs="200")

    def late(self, seconds: float) -> None:
        """Tell it."""
        for listener in self.server.sip.listeners:
            listener.backlogged(seconds)

    def test_new_calls(self) -> None:
        """New calls are answered 503 with Retry-After at once, without a transaction; their ACK ends here."""
        self.late(0.3)
        self.ask(b"INVITE", call_id=b"one", cseq=b"1 INVITE")
        self.assertEqual((self.response.status, self.response.reason), (503, b"Overloaded"))
        self.assertIn(int(self.response.required("retry-after")), range(1, 9))
        self.assertEqual(len(self.server.sip.core.table), 0)
        self.ask(b"ACK", to=self.response.required("to"), call_id=b"one", cseq=b"1 ACK")
        self.assertEqual((self.called.requests(), self.server.sip.core.overloads), ([], 1))

    def test_other_requests(self) -> None:
        """What belongs to a call, and other methods, are dealt with."""
        self.late(0.3)
        self.ask(b"MESSAGE")
        self.ask(b"INVITE", to=b"<sip:bob@example.com>;tag=b", cseq=b"2 INVITE")
        self.assertEqual([received.data[:7] for received in self.called.requests()][:2], [b"MESSAGE", b"INVITE "])

    def test_below(self) -> None:
        """A shorter wait, and none, is no overload."""
        for seconds in (0.1, 0.3, 0.0):
            self.late(seconds)
        self.ask(b"INVITE")
        self.assertEqual(self.forwarded.method, b"INVITE")
