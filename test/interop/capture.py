"""tshark: what a server puts on the wire, read by somebody else's dissector."""

import signal
import subprocess
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import Process, make_folder, program, wait_until
from test.interop.telephone import Address, Telephone, host_port

# Frames that tshark cannot read, that are no SIP, that lack what each message must have, or that it has a note, a
# warning or an error about.
_NEEDED = (
    'sip.CSeq.method matches "^[A-Z]+$" && sip.Call-ID && sip.from.host && sip.from.tag && sip.to.host'
    ' && sip.Via.branch matches "^z9hG4bK" && sip.Via.transport == "UDP"'
)
_AMISS = f"!({_NEEDED}) || _ws.malformed || _ws.expert.severity >= 4194304"


class Capture:
    """All that a server sends from now on."""

    def __init__(self, test: SynchronousTestCase, proxy: Address) -> None:
        """Start to capture.

        @raise SkipTest: this user may not
        """
        self._tshark = program("tshark", "tshark")
        self._test = test
        self._proxy = proxy
        self._folder = make_folder(test, "capture")
        self._file = self._folder / "sent.pcap"
        self._file.touch(0o666)  # tshark gives up root before it writes
        selected = f"udp and src host {proxy[0]} and src port {proxy[1]}"
        self._process = Process(test, [self._tshark, "-l", "-i", "lo", "-f", selected, "-w", self._file], self._folder)
        wait_until(self._has_begun, "tshark captures")

    def _has_begun(self) -> bool:
        if self._process.status is not None:
            for line in self._process.text().splitlines():
                if "permission" in line:
                    raise SkipTest(f"not possible here: {line}")
        self._process.see_alive()
        return "Capture started" in self._process.text()

    def finish(self) -> None:
        """Stop, once what was sent so far is in the file."""
        telephone = Telephone(self._test, self._proxy, "last")
        marker = telephone.request("OPTIONS", f"sip:{host_port(self._proxy)}").encode()
        wait_until(lambda: marker in self._file.read_bytes(), "the last answer is captured")
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def count(self, selected: str = "sip") -> int:
        """Count the frames of a display filter."""
        return len(self._read(selected, "frame.number").splitlines())

    def see_nothing_amiss(self) -> None:
        """Fail where tshark has something to say about a frame."""
        fields = ("frame.number", "_ws.col.Info", "_ws.malformed", "_ws.expert.message")
        self._test.assertEqual(self._read(_AMISS, *fields), "")

    def _read(self, selected: str, *fields: str) -> str:
        """Give fields of the frames of a display filter, a line for each frame."""
        command = [self._tshark, "-n", "-r", str(self._file), "-d", f"udp.port=={self._proxy[1]},sip"]
        chosen = [word for field in fields for word in ("-e", field)]
        done = subprocess.run(
            [*command, "-Y", selected, "-T", "fields", *chosen], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout
