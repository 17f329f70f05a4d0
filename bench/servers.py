"""The servers that are measured: ours and the yardstick, each started for one work and ended."""

import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.processes import Process, end, free_ports, processors, start
from bench.subscribers import import_subscribers
from bench.works import NEED_SUBSCRIBERS, USERS, directives, write_configuration

PATIENCE = 120.0
"""Seconds in which a server must answer, with a million registrations to load too."""

HERE = Path(__file__).resolve().parent
KAMAILIO = ("kamailio", "-DD", "-f", str(HERE / "kamailio.cfg"), "-m", "512", "-M", "32", "-x", "fm", "-X", "fm")
_KAMAILIO_MODES = {
    "stateless-call": ("-A", "STATELESS"),
    "redirect": ("-A", "REDIRECT"),
    "register-auth": ("-A", "AUTH"),
}
_PROBE = (
    b"OPTIONS sip:ping@127.0.0.1:9 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bKprobe%d\r\n"
    b"From: <sip:p@bench.test>;tag=1\r\nTo: <sip:ping@bench.test>\r\nCall-ID: probe%d\r\nCSeq: 1 OPTIONS\r\n"
    b"Max-Forwards: 0\r\nContent-Length: 0\r\n\r\n"
)


class StartError(Exception):
    """A server does not answer."""


class Running(NamedTuple):
    """A server that answers.

    @ivar process: the process, below which there may be others
    @ivar port: its UDP port on 127.0.0.1
    @ivar start: seconds from its start to its first answer
    """

    process: Process
    port: int
    start: float


@contextmanager
def ours(work: str, folder: Path, **others: str) -> Iterator[Running]:
    """Run sipproxy under twistd, with all of its defaults but what the work needs.

    @param folder: its ServerRoot
    @param others: further directives
    @raise StartError: it does not
    """
    (port,) = free_ports(1)
    configuration = folder / "sipd.conf"
    write_configuration(configuration, directives(work, folder, port, **others))
    twistd = str(Path(sys.executable).with_name("twistd"))
    command = [sys.executable, twistd, "-n", "--pidfile=", "sipproxy", "-c", str(configuration)]
    with _running(command, folder, port) as server:
        if work in NEED_SUBSCRIBERS:
            import_subscribers(configuration, USERS)
        yield server


@contextmanager
def kamailio(work: str, folder: Path) -> Iterator[Running]:
    """Run Kamailio with one worker and its fast allocator.

    @raise StartError: it does not answer
    """
    (port,) = free_ports(1)
    command = [*KAMAILIO, "-l", f"udp:127.0.0.1:{port}", *_KAMAILIO_MODES.get(work, ())]
    with _running(command, folder, port) as server:
        yield server


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int) -> Iterator[Running]:
    with open(folder / "output", "wb") as output:
        begun = time.monotonic()
        process = start(processors()[0], command, folder, output)
        try:
            if not _answers(process, port, begun + PATIENCE):
                raise StartError(f"{command[0]} does not answer:\n{(folder / 'output').read_text()[-2000:]}")
            yield Running(process, port, time.monotonic() - begun)
        finally:
            end(process)


def _answers(process: Process, port: int, deadline: float) -> bool:
    """Ask a server, again and again, until it answers; a request that may go no further is answered at once."""
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.3)
            probe.bind(("127.0.0.1", 0))
            own = probe.getsockname()[1]
            try:
                probe.connect(("127.0.0.1", port))
                probe.send(_PROBE % (own, own, own))
                if probe.recv(4096):
                    return True
            except ConnectionRefusedError:
                time.sleep(0.05)
            except TimeoutError:
                continue
    return False
