"""Many INVITEs at once, as fast as they can be sent: what arrives, what is refused, what is lost and where."""

import re
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench.alone import beside
from bench.ends import Ends
from bench.servers import ours

_SIZES = (0, 1200)
"""Octets of an INVITE at least: as in the works, and as telephones write them."""
_SETTINGS: dict[str, dict[str, str]] = {
    "defaults": {},
    "OverloadQueueInMs 60000": {"OverloadQueueInMs": "60000"},
}
_QUIET = 3.0
"""Seconds without a datagram after which nothing more is expected."""
_FAULT = re.compile(r"Traceback|fault|could not be handled")


class Burst(NamedTuple):
    """What became of the INVITEs.

    @ivar octets: of an INVITE
    @ivar sending: seconds from before the first was sent until after the last was
    @ivar arrived: how many the callee got
    @ivar refused: how many were answered 503
    @ivar resent: INVITEs that the server sent again (timer A)
    @ivar last: seconds from before the first was sent until the last of those that arrived did
    @ivar last_refused: the same of the last 503
    """

    octets: int
    sending: float
    arrived: int
    refused: int
    resent: int
    last: float
    last_refused: float


def burst(count: int) -> dict[str, Any]:
    """Send INVITEs, each once, and print what became of them.

    @param count: how many
    """
    return {
        f"{what}, at least {size} octets": _measure(count, size, what, others)
        for size in _SIZES
        for what, others in _SETTINGS.items()
    }


def _measure(count: int, size: int, what: str, others: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="sipproxy-bench-") as name:
        folder = Path(name)
        with ours("call", folder, **others) as server:
            seen: Burst = beside(_send, server.port, count, size)
            dropped = _dropped(server.port)
        said = "".join(path.read_text() for path in (folder / "output", *folder.glob("logs/error_log*")))
    given = re.search(r"(\d+) octets asked for, (\d+) given", said)
    faults = len(_FAULT.findall(said))
    print(
        f"{count} INVITEs of {seen.octets} octets in {seen.sending * 1e3:.0f} ms, {what}: {seen.arrived} arrived,"
        f" the last after {seen.last:.2f} s; {seen.refused} refused, the last after {seen.last_refused:.2f} s;"
        f" {seen.resent} sent again by the server; {dropped} lost in the receive buffer"
        f" ({given[2] if given else 'unknown'} octets); {faults} faults in the log",
        flush=True,
    )
    return {**seen._asdict(), "dropped": dropped, "buffer": int(given[2]) if given else None, "faults": faults}


def _dropped(port: int) -> int:
    """Tell how many datagrams the kernel had no room for, proc(5)."""
    wanted = f"0100007F:{port:04X}"
    lines = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()]
    return sum(int(fields[-1]) for fields in lines if fields[1] == wanted)


def _send(port: int, count: int, size: int) -> Burst:
    ends = Ends(port)
    invites = [ends.invite(number, size) for number in range(count)]
    begun = time.time_ns()
    for invite in invites:
        ends.caller.send(invite)
    sending = time.time_ns() - begun
    arrived: dict[int, int] = {}
    refused: dict[int, int] = {}
    resent = 0
    deadline = time.monotonic() + _QUIET
    while time.monotonic() < deadline:
        for arrival in ends.callee.arrived():
            if arrival.number in arrived:
                resent += 1
                continue
            arrived[arrival.number] = arrival.at
            ends.callee.send(ends.ringing(arrival.data))
            deadline = time.monotonic() + _QUIET
        for arrival in ends.caller.arrived():
            if arrival.data.startswith(b"SIP/2.0 503"):
                refused.setdefault(arrival.number, arrival.at)
        time.sleep(0.001)
    ends.close()
    last, last_refused = (max(table.values(), default=begun) - begun for table in (arrived, refused))
    return Burst(len(invites[0]), sending / 1e9, len(arrived), len(refused), resent, last / 1e9, last_refused / 1e9)
