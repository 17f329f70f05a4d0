"""Several processes that serve one port (StartServers): calls, registrations, the death of any of them, and the end."""

import os
import signal
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from twisted.trial.unittest import SynchronousTestCase

from test.interop.control import asked, posted, run_control
from test.interop.harness import LOOPBACK, PATIENCE, free_port, is_alive, wait_until
from test.interop.proxy import Proxy
from test.interop.sipp import Sipp, register_service
from test.interop.telephone import Telephone, host_port

CALLS, RATE = 400, 200
WORKERS = 2
#: Telephones at ports of their own, enough that each worker hears of some.
TELEPHONES = 16
#: Seconds that three processes may take to start on a busy machine.
SLOW = 3 * PATIENCE
_SETTINGS = f"""StartServers {WORKERS}
AddRecordRoute On
OverloadQueueInMs 20000
LogFormat "%P" number
CustomLog logs/processes number
"""
_MANY_PORTS = ("-t", "un", "-max_socket", "500")


class WorkersTestCase(SynchronousTestCase):
    """A server with two workers."""

    def start(self, settings: str = "", expected: str = "") -> Proxy:
        """Start it.

        @param settings: further directives
        @param expected: what may be complained of
        """
        proxy = Proxy(self, _SETTINGS + settings)
        self.addCleanup(proxy.see_no_complaint, expected)
        proxy.start(SLOW)
        self.wait_for_all(proxy)
        return proxy

    def wait_for_all(self, proxy: Proxy) -> list[int]:
        """Wait until all workers serve, and give their process numbers."""
        return [worker["pid"] for worker in wait_until(partial(self.workers, proxy), "all workers serve", SLOW)]

    def workers(self, proxy: Proxy) -> list[dict[str, Any]] | None:
        """Give what is told of the workers, None while there are not all."""
        workers: list[dict[str, Any]] = asked(proxy, "/status")["workers"]
        return workers if len(workers) == WORKERS else None

    def telephones(self, proxy: Proxy, user: str = "") -> list[Telephone]:
        """Give telephones at ports of their own, each of a user of its own unless there is one."""
        return [Telephone(self, proxy.address, user or f"user{number}") for number in range(TELEPHONES)]


class CallTests(WorkersTestCase):
    """Calls, and what they look like from outside."""

    def test_calls(self) -> None:
        """Calls from many ports all succeed, and the workers share them, though the callee answers to one port."""
        proxy = self.start()
        called = Sipp(self, "uas", CALLS)
        register_service(self, proxy.address, host_port(called.address))
        Sipp(self, "uac", CALLS, proxy.address, RATE, options=_MANY_PORTS).see_success()
        called.see_success()
        proxy.wait_for_access("INVITE sip:service@", "200", CALLS)
        proxy.wait_for_access("BYE ", "200", CALLS)
        shares = Counter((proxy.folder / "logs" / "processes").read_text().split())
        self.assertEqual(len(shares), WORKERS)
        self.assertGreater(min(shares.values()), CALLS / 4, shares)
        addresses = [each["address"] for each in asked(proxy, "/status")["listeners"]]
        self.assertEqual(len(addresses), 1 + WORKERS)
        self.see_addresses(proxy)

    def see_addresses(self, proxy: Proxy) -> None:
        """See that requests leave from the port that is shared, which Record-Route names; Via names another one."""
        called = Telephone(self, proxy.address, "bob")
        self.assertEqual(called.register().status, 200)
        ports = set()
        for caller in self.telephones(proxy):
            caller.request("INVITE", f"sip:bob@{proxy.domain}", headers=(f"Contact: <{caller.contact}>",))
            invite, source = called.receive()
            self.assertEqual(source, proxy.address)
            self.assertIn(f"<sip:{proxy.domain};lr", invite["record-route"])
            port = int(invite.all("via")[0].partition(";")[0].rpartition(":")[2])
            ports.add(port)
            called.answer(invite, "486 Busy Here", (proxy.address[0], port))
            self.assertEqual(called.receive()[0].headers[0][0], "via")  # ACK
            self.assertEqual(caller.final().status, 486)
        self.assertEqual(len(ports), WORKERS)
        self.assertNotIn(proxy.address[1], ports)

    def test_hang_up_of_callee(self) -> None:
        """What the callee sends may come to another worker than what the caller does."""
        proxy = self.start()
        called = Sipp(self, "uas_hangs_up", CALLS)
        register_service(self, proxy.address, host_port(called.address))
        Sipp(self, "uac_listens", CALLS, proxy.address, RATE).see_success()
        called.see_success()

    def test_refused(self) -> None:
        """That nobody listens where a request goes is known at once, whichever worker the kernel tells."""
        proxy = self.start()
        gone = Telephone(self, proxy.address, "bob")
        self.assertEqual(gone.register(contact="sip:bob@127.0.0.1:9").status, 200)
        for caller in self.telephones(proxy):

            def status(caller: Telephone = caller) -> int:
                headers = (f"Contact: <{caller.contact}>",)
                found = caller.ask("INVITE", f"sip:bob@{proxy.domain}", headers).status
                return 0 if found == 404 else found  # a moment passes until all workers know who has registered

            self.assertEqual(wait_until(status, "bob is known"), 503)

    def test_stateless(self) -> None:
        """Responses find their way without transactions too."""
        proxy = self.start("StatefulServer Off")
        called = Sipp(self, "uas", CALLS)
        register_service(self, proxy.address, host_port(called.address))
        Sipp(self, "uac", CALLS, proxy.address, RATE, options=_MANY_PORTS).see_success()


class RegistrationTests(WorkersTestCase):
    """Registrations."""

    def test_shared(self) -> None:
        """What one worker has acknowledged the other knows; what is registered at the same moment is all kept."""
        proxy = self.start()
        telephones = self.telephones(proxy, "alice")
        for number, telephone in enumerate(telephones[:4], 1):
            self.assertEqual(telephone.register().status, 200)
            for other in telephones:
                self.wait_for_contacts(other, number)
        self.assertEqual(len(asked(proxy, "/registrations")["registrations"]), 4)
        aor = f"sip:alice@{proxy.domain}"
        for telephone in telephones[4:10]:
            telephone.request("REGISTER", f"sip:{proxy.domain}", aor, (f"Contact: <{telephone.contact}>",))
        self.assertEqual([telephone.final().status for telephone in telephones[4:10]], [200] * 6)
        for telephone in telephones:
            self.wait_for_contacts(telephone, 10)

    def wait_for_contacts(self, telephone: Telephone, count: int) -> None:
        """Wait until a telephone is told of so many contacts of its user: news of the owner is on its way."""
        wait_until(lambda: len(telephone.registered()) == count, f"{count} contacts", 1.0)

    def test_death_of_a_worker(self) -> None:
        """A worker is killed amid registrations: it is replaced, and all that was acknowledged is there."""
        proxy = self.start(expected="has ended|cannot begin")
        first, second = self.wait_for_all(proxy)
        telephones = self.telephones(proxy)
        for number, telephone in enumerate(telephones):
            if number == TELEPHONES // 2:
                os.kill(first, signal.SIGKILL)
            aor = f"sip:{telephone.user}@{proxy.domain}"
            telephone.request("REGISTER", f"sip:{proxy.domain}", aor, (f"Contact: <{telephone.contact}>",))
        # What waits in the socket of the dead one is answered by its successor.
        lost = [telephone for telephone in telephones if not _is_answered(telephone)]
        after = self.wait_for_all(proxy)
        self.assertIn(second, after)
        self.assertNotIn(first, after)
        for telephone in lost:  # as it would retransmit
            self.assertEqual(telephone.register().status, 200)
        for telephone in telephones:
            self.assertEqual(telephone.registered(), [telephone.contact])
        self.assertIn(f"worker 0, process {first}, has ended (signal 9) and is replaced", proxy.error_log())
        self.assertEqual(proxy.bindings_on_disk(), sorted(f"{each.user}@example.test" for each in telephones))


class LifeTests(WorkersTestCase):
    """The beginning and the end, and what an operator does in between."""

    def test_end(self) -> None:
        """No second server has the port; workers end with the server, and without it, and the port is free again."""
        proxy = self.start(expected="the owner is gone")
        done = Proxy(self, _SETTINGS, port=proxy.address[1]).run()
        self.assertEqual(done.returncode, 1)
        self.assertIn("Address already in use", done.stderr)
        pids = self.wait_for_all(proxy)
        told = run_control(proxy, "status")
        self.assertEqual(told.returncode, 0, told.stdout + told.stderr)
        self.assertEqual([pid for pid in pids if str(pid) not in told.stdout], [])
        proxy.kill()
        wait_until(lambda: not any(map(is_alive, pids)), "the workers have ended")
        proxy.start(SLOW)
        pids = self.wait_for_all(proxy)
        proxy.stop()
        self.assertEqual([pid for pid in pids if is_alive(pid)], [])

    def test_operator(self) -> None:
        """Draining, configuration and new log files reach all workers, also one that comes later."""
        proxy = self.start(expected="has ended")
        telephones = self.telephones(proxy)
        self.assertEqual(posted(proxy, "/drain", on=True), {"draining": True, "pending": 0})
        self.see_all(telephones, 503)
        os.kill(self.wait_for_all(proxy)[0], signal.SIGKILL)
        wait_until(lambda: "is replaced" in proxy.error_log(), "the death is noticed")
        self.wait_for_all(proxy)
        self.see_all(telephones, 503)
        posted(proxy, "/drain", on=False)
        self.see_new_logs(proxy, telephones)
        proxy.configure(_SETTINGS + "DenyFrom 127.0.0.1")
        self.assertEqual(posted(proxy, "/reload")["changed"], ["DenyFrom"])
        for telephone in telephones:
            wait_until(partial(self.is_refused, telephone), "403")

    def test_metrics(self) -> None:
        """Prometheus is shown the sum of what all workers count, and the same after one has died."""
        port = free_port()
        proxy = self.start(f"MetricsListen {LOOPBACK}:{port}", expected="has ended")
        telephones = self.telephones(proxy)
        before = _metric(port, 'sipproxy_requests_total{method="OPTIONS"}')
        for telephone in telephones:
            self.assertEqual(telephone.ask("OPTIONS", f"sip:{proxy.domain}").status, 200)
            self.assertEqual(telephone.register().status, 200)
        after = _metric(port, 'sipproxy_requests_total{method="OPTIONS"}')
        self.assertEqual(after - before, TELEPHONES)
        self.assertEqual(_metric(port, "sipproxy_registrations"), TELEPHONES)
        first = self.wait_for_all(proxy)[0]
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: first not in self.wait_for_all(proxy), "it is replaced", SLOW)
        self.assertEqual(_metric(port, 'sipproxy_requests_total{method="OPTIONS"}'), after)

    def see_all(self, telephones: list[Telephone], status: int) -> None:
        """See that each one's call gets a status."""
        for telephone in telephones:
            self.assertEqual(telephone.ask("INVITE", f"sip:bob@{telephone.domain}").status, status)

    def is_refused(self, telephone: Telephone) -> bool:
        """Tell whether a telephone may not send."""
        return telephone.ask("OPTIONS", f"sip:{telephone.domain}").status == 403

    def see_new_logs(self, proxy: Proxy, telephones: list[Telephone]) -> None:
        """See that all processes write to a new file once they are told to."""
        log = proxy.folder / "logs" / "access_log"
        old = log.rename(log.with_name("old"))
        proxy.process.send_signal(signal.SIGUSR1)

        def all_are_new() -> bool:
            before, elsewhere = _lines(log), _lines(old)
            for telephone in telephones:
                self.assertEqual(telephone.ask("OPTIONS", f"sip:{proxy.domain}").status, 200)
            wait_until(lambda: _lines(log) + _lines(old) >= before + elsewhere + TELEPHONES, "the lines are written")
            return _lines(old) == elsewhere

        wait_until(all_are_new, "all lines go to the new file")


def _metric(port: int, sample: str) -> float:
    """Give the value of a sample, 0 where there is none yet."""
    with urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=PATIENCE) as page:
        lines = page.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == sample)


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def _is_answered(telephone: Telephone) -> bool:
    try:
        return telephone.final(5).status == 200
    except TimeoutError:
        return False
