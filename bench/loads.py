"""Load from sipp: the callers, and the telephone that they call."""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.processes import Process, end, free_ports, processors, start
from bench.works import DOMAIN, NEED_CALLEE, NEED_SUBSCRIBERS, PASSWORD, USERS

SCENARIOS = Path(__file__).resolve().parent / "scenarios"
_AT_ONCE = 20_000
"""Calls that may be in progress before sipp makes no new ones."""
_GRACE = 60.0
"""Seconds that calls may go on after the last one began."""


class Result(NamedTuple):
    """What became of the calls.

    @ivar done: calls that ended as they should
    @ivar failed: all others
    @ivar resent: requests that sipp had to send again
    """

    done: int
    failed: int
    resent: int


class Load:
    """Makes load for one server.

    @ivar callee: UDP port of the telephone
    """

    def __init__(self, server_port: int, folder: Path, callee: int | None = None) -> None:
        """
        @param folder: for sipp's files
        @param callee: UDP port of the telephone, where it must be a certain one
        """
        free, self._caller, self._media, self._callee_media = free_ports(4)
        self.callee = callee or free
        self._server_port = server_port
        self._folder = folder
        self._statistics = folder / "statistics.csv"

    def run(
        self,
        work: str,
        rate: int,
        count: int,
        users: Iterable[int] = range(USERS),
        options: Sequence[str] = (),
        scenario: str | None = None,
    ) -> Result:
        """Make calls, or registrations.

        @param rate: begun in one second
        @param users: numbers of the users that are called, in turn
        @param options: further ones of sipp's
        @param scenario: name of sipp's, where it is not the work's own
        """
        scenario = scenario or ("call" if work in NEED_CALLEE else work)
        self._write_users(work, users)
        statistics = self._statistics
        statistics.unlink(missing_ok=True)
        command = ["sipp", f"127.0.0.1:{self._server_port}", "-sf", str(SCENARIOS / f"{scenario}.xml")]
        command += ["-inf", "users.csv", "-key", "callee", f"127.0.0.1:{self.callee}", "-i", "127.0.0.1"]
        command += ["-p", str(self._caller), "-mp", str(self._media), "-r", str(rate), "-m", str(count)]
        command += ["-l", str(_AT_ONCE), "-nostdin", "-trace_stat", "-stf", statistics.name, "-fd", "1"]
        command += options
        sipp = start(processors()[1], command, self._folder)
        try:
            sipp.wait(count / rate + _GRACE)
        except subprocess.TimeoutExpired:
            end(sipp)
        return _result(self.seconds(), count)

    def seconds(self) -> list[dict[str, str]]:
        """Give sipp's statistics of the last run, a line for each second, by column."""
        return _read(self._statistics)

    def begin_registrations(self, rate: int, count: int, label: str) -> "Registrations":
        """Let users of one's own register, each once, while others do the same elsewhere.

        @param rate: begun in one second
        @param label: what tells these users from those of other loads
        """
        statistics = self._statistics
        for path in (statistics, *self._folder.glob("*rtt*.csv")):
            path.unlink(missing_ok=True)
        users = "".join(f"r{label}x{number}\n" for number in range(count))
        (self._folder / "users.csv").write_text("SEQUENTIAL\n" + users, encoding="ascii")
        command = ["sipp", f"127.0.0.1:{self._server_port}", "-sf", str(SCENARIOS / "register.xml")]
        command += ["-inf", "users.csv", "-key", "callee", f"127.0.0.1:{self.callee}", "-i", "127.0.0.1"]
        command += ["-p", str(self._caller), "-mp", str(self._media), "-r", str(rate), "-m", str(count)]
        command += ["-l", str(_AT_ONCE), "-nostdin", "-trace_stat", "-stf", statistics.name, "-fd", "1"]
        command += ["-trace_rtt", "-rtt_freq", "1"]
        return Registrations(start(processors()[1], command, self._folder), self._folder, statistics, count, rate)

    @contextmanager
    def telephone(self) -> Iterator[None]:
        """Let somebody answer calls."""
        command = ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(self.callee), "-mp", str(self._callee_media)]
        sipp = start(processors()[1], [*command, "-nostdin"], self._folder)
        try:
            yield
        finally:
            end(sipp)

    def _write_users(self, work: str, users: Iterable[int]) -> None:
        """Write sipp's list of users: a name, and a URI to call it by or what sipp makes its credentials of."""
        host = f"127.0.0.1:{self.callee}" if work in ("call", "stateless-call") else DOMAIN
        second = "sip:u%d@" + host
        if work in NEED_SUBSCRIBERS:
            second = f"[authentication username=u%d password={PASSWORD}]"
        lines = [f"u{number};{second % number}\n" for number in users]
        (self._folder / "users.csv").write_text("SEQUENTIAL\n" + "".join(lines), encoding="ascii")


class Registrations:
    """Registrations that are being made."""

    def __init__(self, sipp: Process, folder: Path, statistics: Path, count: int, rate: int) -> None:
        self._sipp = sipp
        self._folder = folder
        self._statistics = statistics
        self._count = count
        self._patience = count / rate + _GRACE

    def wait(self) -> tuple[Result, list[float]]:
        """Wait until all have ended.

        @return: what became of them, and how long each took, milliseconds
        """
        try:
            self._sipp.wait(self._patience)
        except subprocess.TimeoutExpired:
            end(self._sipp)
        return _result(_read(self._statistics), self._count), list(self._times())

    def _times(self) -> Iterator[float]:
        for path in self._folder.glob("*rtt*.csv"):
            for line in path.read_text().splitlines()[1:]:
                yield float(line.split(";")[1])


def _read(statistics: Path) -> list[dict[str, str]]:
    lines = statistics.read_text().splitlines() if statistics.exists() else []
    columns = lines[0].split(";") if lines else []
    return [dict(zip(columns, line.split(";"), strict=False)) for line in lines[1:]]


def _result(seconds: list[dict[str, str]], count: int) -> Result:
    """Read the last line of sipp's statistics; without any, all calls have failed."""
    if not seconds:
        return Result(0, count, 0)
    last = seconds[-1]
    done = int(last["SuccessfulCall(C)"])
    return Result(done, count - done, int(last["Retransmissions(C)"]))
