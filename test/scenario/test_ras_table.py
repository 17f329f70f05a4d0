"""What a question to gatekeepers comes to: each way of asking, with each way of answering, in virtual time."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sipproxy.net.ras import Manner
from sipproxy.wire.h225.messages import LocationConfirm, encode
from test.net.fixtures import Recorder
from test.net.ras_peers import STRANGER, RasTestCase, Script

#: What the first gatekeeper of the better cluster does. None: there is none at its address.
BEHAVIOURS: dict[str, Script | None] = {
    "answer": [(0.005, "LCF")],
    "LRJ": [(0.005, "LRJ")],
    "RIP then LCF": [(0.005, "RIP 1000"), (0.9, "LCF")],
    "timeout": [],
    "refused": None,
    "late": [(0.4, "LCF")],
    "duplicate": [(0.005, "LCF"), (0.006, "LCF")],
    "forged": [],
}
A, B, C, D = "10.1.1.1", "10.1.1.2", "10.1.2.1", "10.1.2.2"
#: What the others do.
OTHERS: dict[str, Script] = {B: [(0.02, "LCF")], C: [(0.01, "LCF")], D: [(0.03, "LCF")]}
ALL = [A, B, C, D]


class Row(NamedTuple):
    """What is expected.

    @ivar winner: whose LCF is taken
    @ivar milliseconds: when
    @ivar asked: who is asked
    """

    winner: str
    milliseconds: int
    asked: list[str]


SEQUENTIAL = {
    "answer": Row(A, 5, [A]),
    "LRJ": Row(C, 15, [A, C]),
    "RIP then LCF": Row(A, 900, [A]),
    "timeout": Row(B, 320, [A, B]),
    "refused": Row(B, 20, [A, B]),
    "late": Row(B, 320, [A, B]),
    "duplicate": Row(A, 5, [A]),
    "forged": Row(B, 320, [A, B]),
}
BLAST_FIRST = {
    "answer": Row(A, 5, ALL),
    "LRJ": Row(C, 10, ALL),
    "RIP then LCF": Row(C, 10, ALL),
    "timeout": Row(C, 10, ALL),
    "refused": Row(C, 10, ALL),
    "late": Row(C, 10, ALL),
    "duplicate": Row(A, 5, ALL),
    "forged": Row(C, 10, ALL),
}
BLAST_BEST = {
    "answer": Row(A, 5, ALL),
    "LRJ": Row(B, 20, ALL),
    "RIP then LCF": Row(B, 20, ALL),
    "timeout": Row(B, 20, ALL),
    "refused": Row(B, 20, ALL),
    "late": Row(B, 20, ALL),
    "duplicate": Row(A, 5, ALL),
    "forged": Row(B, 20, ALL),
}
TABLE = {
    ("Sequential", "First"): SEQUENTIAL,
    ("Sequential", "Best"): SEQUENTIAL,
    ("Blast", "First"): BLAST_FIRST,
    ("Blast", "Best"): BLAST_BEST,
}
#: Where nobody but the first gatekeeper is asked to answer: milliseconds until the question ends, and whether with
#: its LCF. The others reject as soon as they are asked.
ALONE = {
    "Sequential": {
        "answer": (5, True),
        "LRJ": (5, False),
        "RIP then LCF": (900, True),
        "timeout": (300, False),
        "refused": (0, False),
        "late": (300, False),
        "duplicate": (5, True),
        "forged": (300, False),
    },
    "Blast": {
        "answer": (5, True),
        "LRJ": (5, False),
        "RIP then LCF": (900, True),
        "timeout": (3000, False),
        "refused": (0, False),
        "late": (400, True),
        "duplicate": (5, True),
        "forged": (3000, False),
    },
}


class TableTests(RasTestCase):
    """Four gatekeepers in two clusters."""

    def play(self, behaviour: str, manner: Manner, others: dict[str, Script]) -> Any:
        """Ask one question, and give its answer when all that was sent has arrived."""
        first = BEHAVIOURS[behaviour]
        self.use([first, others[B]], [others[C], others[D]], manner=manner)
        if behaviour == "forged":
            self.forge()
        answer = self.ask()
        self.clock.run(5.0)
        self.see_all_forgotten()
        return answer

    def forge(self) -> None:
        """Let a stranger send LCFs with numbers beside those of the question."""
        recorder = Recorder()
        self.stranger.listen(STRANGER, 1719, recorder)
        peer = self.peers[A]
        received: Callable[..., None] = peer.datagramReceived

        def take(datagram: bytes, addr: Any) -> None:
            received(datagram, addr)
            seqs = {each.asked[-1][1].seq for each in self.peers.values() if each.asked}
            for seq in range(1, 65536, 101):
                if seq not in seqs:
                    confirm = LocationConfirm(seq, (STRANGER, 1720), (STRANGER, 1719))
                    recorder.port.write(encode(confirm), addr)

        peer.datagramReceived = take  # type: ignore[method-assign]

    def test_table(self) -> None:
        """Each row ends with the LCF that it should, from whom and when it should."""
        for (method, accept), rows in TABLE.items():
            for behaviour, row in rows.items():
                answer = self.play(behaviour, Manner(method, accept), OTHERS)
                found = Row(answer.gatekeeper.partition(":")[0], round(answer.seconds * 1000), self.attempted(answer))
                self.assertEqual(found, row, (method, accept, behaviour))
                self.assertEqual(answer.confirm.signal_address, (row.winner, 1720))

    def attempted(self, answer: Any) -> list[str]:
        """Give who was asked, those that are not there as well."""
        return [exchange.gatekeeper.partition(":")[0] for exchange in answer.exchanges]

    def test_alone(self) -> None:
        """Where all others reject, a question ends when the first gatekeeper has answered, or with its time."""
        rejecting: dict[str, Script] = {address: [(0.0, "LRJ")] for address in (B, C, D)}
        for method, accept in TABLE:
            for behaviour, (milliseconds, has_confirm) in ALONE[method].items():
                answer = self.play(behaviour, Manner(method, accept), rejecting)
                found = (round(answer.seconds * 1000), answer.confirm is not None)
                self.assertEqual(found, (milliseconds, has_confirm), (method, accept, behaviour))

    def test_counted(self) -> None:
        """What came too late, twice or from nowhere is counted, and changes nothing."""
        for behaviour, manner, counted in (
            ("late", Manner(), {"asked": 1, "timed_out": 1, "late": 1}),
            ("duplicate", Manner(), {"asked": 1, "confirmed": 1, "late": 1}),
            ("refused", Manner(), {"asked": 1, "refused": 1}),
            ("RIP then LCF", Manner(), {"asked": 1, "confirmed": 1, "in_progress": 1}),
        ):
            self.play(behaviour, manner, OTHERS)
            self.assertEqual(self.counts(A), counted, behaviour)
        self.play("forged", Manner(), OTHERS)
        self.assertGreater(self.client.strays["unasked"], 600)
        self.assertEqual(self.counts(B), {"asked": 1, "confirmed": 1})
