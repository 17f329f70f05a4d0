"""A new configuration while the server runs: by signal and by command, right and wrong, and while calls are made."""

import json
import re
import signal
import time

from twisted.trial.unittest import SynchronousTestCase

from test.interop.control import asked, run_control
from test.interop.harness import LOOPBACK, wait_until
from test.interop.proxy import start_proxy
from test.interop.sipp import Sipp, register_service
from test.interop.telephone import Telephone, host_port

RATE = 200  # calls begun in a second
SECONDS = 5
WRONG = "\nForkingMode Sometimes\nAddRecordRout On\nCustomLog\n"
# What the tests of the reader see in detail; here it is seen that the operator gets it.
PROBLEMS = (
    r"sipd\.conf:\d+:13: expected .*Parallel.*, got Sometimes",
    r"sipd\.conf:\d+:1: expected .*, got AddRecordRout, did you mean AddRecordRoute\?",
    r"sipd\.conf:\d+:\d+: expected ",
)


class ReloadTestCase(SynchronousTestCase):
    """A server that knows where sip:desk is."""

    def setUp(self) -> None:
        """Start it."""
        self.proxy = start_proxy(self, self.at("127.0.0.9"), expected="not reloaded: ")
        self.caller = Telephone(self, self.proxy.address)

    def at(self, host: str) -> str:
        """Write a configuration that says where the desk is."""
        return f"SIPServerMode Redirect\nStaticRegistration desk@example.test sip:desk@{host}"

    def desk(self) -> str:
        """Ask the server where the desk is."""
        return self.caller.ask("INVITE", f"sip:desk@{self.proxy.domain}")["contact"].strip("<>")

    def generation(self) -> int:
        """Give the number of the configuration that is served by."""
        number: int = json.loads(run_control(self.proxy, "reload", "--dry-run", "--json").stdout)["generation"]
        return number


class OperatorTests(ReloadTestCase):
    """What an operator does, and is told."""

    def test_signal(self) -> None:
        """After SIGHUP the next call goes by the new configuration."""
        self.assertEqual(self.desk(), "sip:desk@127.0.0.9")
        self.proxy.configure(self.at("127.0.0.8"))
        self.assertEqual(self.desk(), "sip:desk@127.0.0.9")
        self.proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.desk() == "sip:desk@127.0.0.8", "the configuration is read again")

    def test_command(self) -> None:
        """C{reload} says what has changed and what only a restart changes; with C{--dry-run} it only says so."""
        self.proxy.configure(self.at("127.0.0.8") + "\nDSCP 0\nAddRecordRoute On")
        last = "changes at the next start only: DSCP\n"
        dry = run_control(self.proxy, "reload", "--dry-run")
        self.assertEqual(
            (dry.returncode, dry.stdout),
            (0, f"would change: AddRecordRoute\nwould change: StaticRegistration\n{last}"),
            dry.stderr,
        )
        self.assertEqual(self.desk(), "sip:desk@127.0.0.9")
        done = run_control(self.proxy, "reload")
        changed, _, moved = done.stdout.partition(last)
        self.assertEqual(
            (done.returncode, changed), (0, "changed: AddRecordRoute\nchanged: StaticRegistration\n"), done.stderr
        )
        # The one call that was made is replayed.
        self.assertRegex(moved, r"now:  302 <sip:desk@127\.0\.0\.9>\n +then: 302 <sip:desk@127\.0\.0\.8>")
        self.assertEqual(self.desk(), "sip:desk@127.0.0.8")

    def test_wrong(self) -> None:
        """A wrong configuration is refused whole: each error is told, in the log or to the command, and all goes on."""
        self.proxy.configure(self.at("127.0.0.8") + WRONG)
        self.proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.proxy.error_log().count("not reloaded: ") == len(PROBLEMS), "the errors are logged")
        for options in ([], ["--dry-run"]):
            done = run_control(self.proxy, "reload", *options)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
            for problem in PROBLEMS:
                self.assertRegex(done.stderr, problem)
        for problem in PROBLEMS:
            self.assertRegex(self.proxy.error_log(), rf"not reloaded: \S*{problem}")
        self.assertEqual(self.desk(), "sip:desk@127.0.0.9")
        status = run_control(self.proxy, "status", "--json")
        self.assertEqual((status.returncode, json.loads(status.stdout)["state"]), (0, "serving"), status.stderr)
        self.proxy.configure(self.at("127.0.0.9"))
        self.assertEqual(self.generation(), 1)

    def test_no_file(self) -> None:
        """Without its file the server goes on, and says why it has not reloaded."""
        self.proxy.configuration.rename(self.proxy.folder / "elsewhere.conf")
        self.proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "not reloaded: " in self.proxy.error_log(), "the error is logged")
        self.assertEqual(self.desk(), "sip:desk@127.0.0.9")


class CallTests(SynchronousTestCase):
    """Calls while the configuration changes."""

    def test_load(self) -> None:
        """A reload a second while many calls are made: not one is lost, and registrations stay."""
        settings = (
            "AddRecordRoute On",
            "AddRecordRoute On\nForkingMode Sequential\nMaxForks 3\nNumExpand 5.... 1408555....",
        )
        proxy = start_proxy(self, settings[0])
        called = Sipp(self, "uas", RATE * SECONDS)
        register_service(self, proxy.address, host_port(called.address))
        calling = Sipp(self, "uac", RATE * SECONDS, proxy.address, RATE)
        for number in range(1, SECONDS):
            time.sleep(1.0)
            proxy.configure(settings[number % 2])
            proxy.process.send_signal(signal.SIGHUP)
        calling.see_success()
        called.see_success()
        proxy.wait_for_access("INVITE sip:service@", "200", RATE * SECONDS)
        proxy.wait_for_access("BYE ", "200", RATE * SECONDS)
        status = json.loads(run_control(proxy, "reload", "--dry-run", "--json").stdout)
        self.assertEqual((status["generation"], status["changed"]), (SECONDS, []))
        self.assertEqual(
            [each["aor"] for each in asked(proxy, "/registrations")["registrations"]], ["service@example.test"]
        )

    def test_ringing_call(self) -> None:
        """A call that rings is answered and ended by the configuration that it began with."""
        proxy = start_proxy(self, "AddRecordRoute On")
        alice, bob = Telephone(self, proxy.address, "alice"), Telephone(self, proxy.address, "bob")
        self.assertEqual(bob.register().status, 200)
        alice.request("INVITE", f"sip:bob@{proxy.domain}", headers=[f"Contact: <{alice.contact}>"])
        invite, _ = bob.receive()
        proxy.configure(f"SIPServerMode Redirect\nDenyFrom {LOOPBACK}")
        self.assertEqual(run_control(proxy, "reload").returncode, 0)
        carol = Telephone(self, proxy.address, "carol", "127.0.0.9")
        self.assertEqual(carol.ask("INVITE", f"sip:bob@{proxy.domain}").status, 302)
        bob.answer(invite, "200 OK", proxy.address, [f"Contact: <{bob.contact}>"])
        answer = alice.final()
        self.assertEqual((answer.status, re.findall(";lr", answer["record-route"])), (200, [";lr"]))
