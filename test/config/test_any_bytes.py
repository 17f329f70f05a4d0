"""Whatever a file holds, there are settings or errors, each on one line, in time."""

import re
from pathlib import Path
from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from sipproxy.config import ConfigError, load
from test.config.sample import MODULES, ROUTE, SERVER_ROOT, ConfigTestCase

VALID = rb"""# A valid file.
ServerRoot ../var
ServerName proxy.example
Listen 127.0.0.1:5060/udp
Listen [::1]:5060
LogFormat "%h %l \"%r\" %>s" mine
ErrorLog syslog # or a path
AllowFrom 10.0.0.0/8 \
    2001:db8::/32
ServerAlias "${NAME}" ${NAME}
Include *.inc
<IfModule mod_sip.c>
    SIPT1InMs 500
    <IfModule !mod_x.c>
        NumExpand 5.... 1408555....
    </IfModule>
</IfModule>
<StaticRoute E164 1408555....>
    Static_Route_NextHop gw.example.com
    Static_Route_NextHopPort 5070
</StaticRoute>
<RASGateKeeperCluster 1>
    RASGatekeeper 192.0.2.1 1719
</RASGateKeeperCluster>
"""
PIECES = [*re.split(rb"(\s|\b)", VALID), b"\\", b'"', b"\0", b"<", b"</", b">", b"${", b"\xe2"]
LONG = 200_000
PROBLEM = re.compile(r"[^\n]+:\d+:\d+: (warning: )?expected [^\n]+, got [^\n]+(, did you mean [^\n]+\?)?")


class AnyBytesTests(ConfigTestCase):
    """Properties of L{load}."""

    def judge(self, data: bytes) -> None:
        """See that a file gives settings, or problems that fit their form."""
        file = self.write(data)
        try:
            load(file, MODULES, {"NAME": "a.example"}, SERVER_ROOT)
        except ConfigError as error:
            self.assertTrue(error.problems)
            for problem in error.problems:
                self.assertIsNotNone(PROBLEM.fullmatch(str(problem)), str(problem))
                self.assertTrue(str(problem).isprintable())

    def test_valid(self) -> None:
        """The file that is changed below is valid."""
        self.assertEqual(self.read(VALID, {"NAME": "a.example"}).warnings, ())

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes."""
        self.judge(data)

    @given(st.lists(st.sampled_from(PIECES)))
    def test_any_words(self, pieces: list[bytes]) -> None:
        """Pieces of a valid file in any order."""
        self.judge(b"".join(pieces))

    @given(st.integers(0, len(VALID)), st.integers(0, len(VALID)), st.binary(max_size=8))
    def test_changed(self, start: int, end: int, data: bytes) -> None:
        """A valid file of which some part is replaced."""
        self.judge(VALID[:start] + data + VALID[end:])

    @given(st.integers(0, len(VALID) - 1), st.integers(0, 255))
    def test_changed_octet(self, index: int, octet: int) -> None:
        """A valid file of which one octet is replaced."""
        self.judge(VALID[:index] + bytes([octet]) + VALID[index + 1 :])


class LargeFileTests(ConfigTestCase):
    """The time that large files take, as CPU time, far below what anything quadratic would."""

    def seconds(self, file: Path) -> float:
        """Tell how long it takes to load a file, right or wrong."""
        start = process_time()
        try:
            load(file, MODULES, {}, SERVER_ROOT)
        except ConfigError:
            pass
        return process_time() - start

    def test_routes(self) -> None:
        """20 000 blocks in 100 000 lines."""
        hop = "Static_Route_NextHop gw.example.com\n\nStatic_Route_NextHopPort 5060"
        content = "".join(f"<StaticRoute E164 {number}....>\n{hop}\n</StaticRoute>\n" for number in range(20000))
        start = process_time()
        self.assertEqual(len(self.read(content).blocks(ROUTE)), 20000)
        self.assertLess(process_time() - start, 10)

    def test_mistakes(self) -> None:
        """Files of nothing but one mistake."""
        for line in (
            "SIPT1In{} 5\n",
            "SIPServerMode Prox{}\n",
            "ServerAlias ${{NAME{}}}\n",
            "Listen 5060 # {}\n",
            "<IfModule mod_sip.c> # {}\n",
            "<StaticRoute Domain a{}>\n",
            "ServerAlias a{} \\\n",
        ):
            self.assertLess(self.seconds(self.write("".join(line.format(number) for number in range(10000)))), 5, line)

    def test_crossed_containers(self) -> None:
        """Many open containers, and as many closing tags that fit none of them."""
        self.assertLess(self.seconds(self.write("<IfModule mod_sip.c>\n" * 10000 + "</StaticRoute>\n" * 10000)), 5)

    def test_long_line(self) -> None:
        """Lines of some hundred thousand characters."""
        for line in (
            "a" * LONG,
            'A "' + "\\" * LONG,
            "A " + "${" * LONG,
            "<" * LONG,
            "A " * LONG,
            "ServerAlias " + "a." * LONG,
        ):
            self.assertLess(self.seconds(self.write(line)), 5, line[:20])
