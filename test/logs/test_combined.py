"""The written-out line of combined-sip beside the renderer made of the format."""

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.logs.combined import COMBINED
from sipproxy.logs.fields import Surroundings
from sipproxy.logs.format import general_renderer, parse_format, text_renderer
from sipproxy.message import Request
from test.logs.outcomes import WHEN, Outcome

HERE = Surroundings("proxy.example.com", time.gmtime)
FORMAT = parse_format(COMBINED)

NAMES = st.sampled_from(["call-id", "from", "to", "via"])
# Octets as they come, and such as make a line unusual.
VALUES = st.binary(max_size=8) | st.text('ab"\\ <>é', max_size=8).map(str.encode) | st.just(b" a\r\n b ")
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=5)
NOTES = st.dictionaries(st.sampled_from(["user", "next-hop", "reason", "x"]), st.text(max_size=6))


class CombinedLineTests(SynchronousTestCase):
    """L{sipproxy.logs.combined.combined_renderer}, as L{text_renderer} chooses it."""

    def setUp(self) -> None:
        self.written_out = text_renderer(FORMAT, HERE)
        self.general = general_renderer(FORMAT, HERE)

    def test_chosen(self) -> None:
        """It serves its own format, by whatever name, and no other."""
        self.assertEqual(self.written_out.__module__, "sipproxy.logs.combined")
        self.assertEqual(text_renderer(parse_format(COMBINED + " %p"), HERE).__module__, "sipproxy.logs.format")

    @given(
        st.binary(max_size=8) | st.just(b"INVITE sip:b SIP/2.0"),
        LINES,
        NOTES,
        st.none() | st.integers(100, 699),
        st.integers(0, 70000),
        st.floats(0, 100000),
        st.floats(0, 2 * WHEN),
    )
    def test_same_line(
        self,
        start: bytes,
        lines: list[tuple[str, bytes]],
        notes: dict[str, str],
        status: int | None,
        size: int,
        duration: float,
        started: float,
    ) -> None:
        """Any outcome has the same line of both, octet for octet."""
        written = [name.encode() + b":" + value for name, value in lines]
        request = Request(b"INVITE", b"sip:b", start, written, [name for name, _ in lines], b"")
        outcome = Outcome(request=request, notes=notes, status=status, size=size, duration=duration, started=started)
        self.assertEqual(self.written_out(outcome), self.general(outcome))
