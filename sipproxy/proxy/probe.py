"""OPTIONS to a gateway, to see whether it lives (NextHopProbeInS; RFC 3261 11)."""

from random import Random

from twisted.internet.defer import Deferred

from sipproxy.message import AnyResponse
from sipproxy.proxy.loops import new_branch
from sipproxy.proxy.points import Point, Points, sent_by
from sipproxy.routing import NextHop
from sipproxy.transaction import ClientTransaction, TransactionTable


class _Asked:
    """The user of a probe's client transaction."""

    def __init__(self) -> None:
        self.answered: Deferred[bool] = Deferred()

    def response_received(self, transaction: ClientTransaction, response: AnyResponse) -> None:
        """Any final response is a sign of life, but one that says it is overloaded."""
        if response.status >= 200:
            self._end(response.status != 503)

    def timed_out(self, transaction: ClientTransaction) -> None:
        """Nothing came."""
        self._end(False)

    def transport_failed(self, transaction: ClientTransaction, reason: str) -> None:
        """Nobody is there."""
        self._end(False)

    def _end(self, lives: bool) -> None:
        if not self.answered.called:
            self.answered.callback(lives)


def probe(hop: NextHop, table: "TransactionTable[Point]", points: Points, random: Random) -> "Deferred[bool]":
    """Send OPTIONS to a next hop.

    @return: fires with whether it lives
    """
    place = sent_by(hop.host, hop.port).encode("ascii")
    point = points.choose(hop.host, points.all[0])
    via, record_route = point.lines(hop.host)
    ours = record_route.partition(b"<sip:")[2].partition(b";")[0]
    branch = new_branch(random, b"00000000")
    lines = (
        b"OPTIONS sip:" + place + b" SIP/2.0",
        via + branch,
        b"Max-Forwards: 70",
        b"From: <sip:" + ours + b">;tag=%016x" % random.getrandbits(64),
        b"To: <sip:" + place + b">",
        b"Call-ID: %032x" % random.getrandbits(128),
        b"CSeq: 1 OPTIONS",
        b"Contact: <sip:" + ours + b">",
        b"Accept: application/sdp",
        b"Content-Length: 0",
        b"",
        b"",
    )
    asked = _Asked()
    table.create_client(branch, b"\r\n".join(lines), b"OPTIONS", point, (hop.host, hop.port), asked)
    return asked.answered
