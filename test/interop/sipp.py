"""SIPp: many calls, each to be as its scenario says; the scenarios are in C{scenarios/}."""

import signal
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import LOOPBACK, Process, free_port, make_folder, program
from test.interop.telephone import Address, Telephone, host_port

SCENARIOS = Path(__file__).parent / "scenarios"
_GIVE_UP = 25  # seconds after which SIPp ends its run as failed


class Sipp:
    """One SIPp that plays one scenario so many times.

    @ivar address: where it listens
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        scenario: str,
        calls: int,
        remote: Address | None = None,
        rate: int = 50,
        host: str = LOOPBACK,
        port: int = 0,
        options: Sequence[str] = (),
        patience: int = _GIVE_UP,
    ) -> None:
        """Start it.

        @param scenario: name of a file of ours without its suffix, or C{builtin:} and the name of one of SIPp's own
        @param calls: how many calls it makes or takes
        @param remote: whom it calls; None for one that is called
        @param rate: calls begun in a second
        @param options: further ones of SIPp's
        @param patience: seconds after which it ends its run as failed
        """
        self._patience = patience
        self.address: Address = (host, port or free_port(host=host))
        self._test = test
        builtin = scenario.removeprefix("builtin:")
        chosen = ["-sn", builtin] if builtin != scenario else ["-sf", str(SCENARIOS / f"{scenario}.xml")]
        local = f"[{host}]" if ":" in host else host
        places = ["-i", local, "-mi", local, "-p", str(self.address[1]), "-mp", str(free_port(4, host))]
        limits = ["-m", str(calls), "-r", str(rate), "-timeout", f"{patience}s", "-timeout_error"]
        traces = ["-nostdin", "-trace_err", "-trace_logs"]
        command = [program("sipp", "sip-tester"), *chosen, *places, *limits, *traces, *options]
        self.folder = make_folder(test, builtin)
        self._process = Process(test, [*command, *([host_port(remote)] if remote else [])], self.folder)

    def logged(self) -> list[str]:
        """Give the lines that the actions C{log} of its scenario have written."""
        return [line for path in self.folder.glob("*_logs.log") for line in path.read_text().splitlines()]

    def pause(self) -> None:
        """Let it do nothing; what arrives waits in its socket."""
        self._process.send_signal(signal.SIGSTOP)
        # Before it is ended: what is stopped does not hear of that.
        self._test.addCleanup(self._process.send_signal, signal.SIGCONT)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def finish(self) -> None:
        """Let it begin no more calls, and end when those that it has are over."""
        self._process.send_signal(signal.SIGUSR1)

    def stop(self) -> None:
        """End it; nobody listens at its port then."""
        self._process.stop()

    def see_success(self) -> None:
        """Wait until it ends; not one call may have failed."""
        status = self._process.wait(self._patience + 5)
        if status:
            errors = "".join(path.read_text(errors="replace")[:1000] for path in self.folder.glob("*_errors.log"))
            self._test.fail(f"{' '.join(self._process.command)}: exit status {status}\n{errors}")


def register_service(
    test: SynchronousTestCase, proxy: Address, place: str, headers: Sequence[str] = (), host: str = LOOPBACK
) -> None:
    """Register the user that SIPps call.

    @param place: host and port of its contact
    @param host: the address that it registers from
    """
    service = Telephone(test, proxy, "service", host)
    test.assertEqual(service.register(contact=f"sip:service@{place}", headers=headers).status, 200)
