"""The commands that look at a server, and those that need none."""

import json
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from sipproxy import __version__
from sipproxy.cli.session import Session
from sipproxy.control import Api, Operation, Resource
from sipproxy.control.declarations import Field
from sipproxy.control.log_levels import log_levels_resource
from sipproxy.control.version import version_resource
from sipproxy.logs.levels import Levels, Severity
from test.cli.fixtures import ApiSession, ApiTransport, CommandTestCase, DownSession

STATUS: dict[str, Any] = {
    "version": "1.2",
    "pid": 4711,
    "since": 1_790_000_000.0,
    "state": "serving",
    "healthy": True,
    "configuration": {"generation": 2, "since": 1_790_000_100.0},
    "pending": 3,
    "traffic": {"requests": 900, "calls": 300, "requests_per_second": 4.5, "calls_per_second": 1.5},
    "registrations": 7,
    "transactions": {"server": 4, "client": 5, "limit": 200, "retransmissions": 6},
    "listeners": [{"address": "192.0.2.1:5060/udp", "received": 10, "sent": 11, "malformed": 12, "denied": 13}],
    "dependencies": [{"name": "registry", "state": "up", "since": None, "reason": "", "without": ""}],
    "logs": {"problems": [], "lost": 0},
}


def serving(*resources: Resource) -> ApiSession:
    """Give a session with a server that has these resources."""
    return ApiSession(ApiTransport(Api(resources), Clock()))


def constant(path: str, answer: dict[str, Any]) -> Resource:
    """Give a resource that always says the same."""
    return Resource(path, (Operation("GET", "Say it.", lambda _: answer, {"type": "object"}),))


class StatusTests(CommandTestCase):
    """C{sipproxyctl status} and C{transactions}."""

    def test_healthy(self) -> None:
        """All that is known is told; the exit status is 0."""
        self.session = serving(constant("/status", STATUS))
        text = " ".join(self.succeed("status").split())
        for piece in (
            "server sipproxy 1.2, serving, process 4711",
            "configuration generation 2, since ",
            "requests 900, in the last minute 4.5 per second",
            "calls 300, in the last minute 1.5 per second",
            "requests pending 3",
            "transactions 4 server, 5 client, 200 at most",
            "registered 7 addresses of record",
            "registry up",
            "logs written",
            "address received sent malformed denied",
            "192.0.2.1:5060/udp 10 11 12 13",
        ):
            self.assertIn(piece, text)
        self.assertEqual(json.loads(self.succeed("status", "--json")), STATUS)

    def test_away(self) -> None:
        """What is away is told with its reason, and the exit status is 1, in JSON too."""
        why = {"reason": "disk\x1b[2J full", "without": "calls go on"}
        away = {"name": "registry", "state": "away", "since": 1_790_000_000.0, **why}
        unasked = {"name": "DNS", "state": "unasked", "since": None, "reason": "", "without": "names are not known"}
        logs = {"problems": ["error_log: no space"], "lost": 2}
        ill = {**STATUS, "healthy": False, "dependencies": [away, unasked], "logs": logs}
        self.session = serving(constant("/status", ill))
        result = self.run_command("status")
        self.assertEqual(result.exit_code, 1)
        self.assertRegex(result.stdout, r"registry +AWAY since 20[-0-9]+ [0-9:]+: disk\\x1b\[2J full; calls go on\n")
        self.assertRegex(result.stdout, r"DNS +not asked yet *\n")
        self.assertRegex(result.stdout, r"logs +error_log: no space")
        self.assertEqual(self.run_command("status", "--json").exit_code, 1)

    def test_down(self) -> None:
        """Without a server that is what is said."""
        for command in ("status", "transactions", "loglevel"):
            self.assertEqual(self.fail_command(command), "sipproxyctl: the server is down: nobody answers\n")
        self.assertEqual(self.fail_command("registrations", "list")[:30], "sipproxyctl: the server is down"[:30])

    def test_transactions(self) -> None:
        """The numbers are told."""
        self.session = serving(constant("/transactions", STATUS["transactions"]))
        self.assertEqual(self.succeed("transactions").split()[:4], ["server", "4", "client", "5"])
        self.assertEqual(json.loads(self.succeed("transactions", "--json")), STATUS["transactions"])


class CallsTests(CommandTestCase):
    """C{sipproxyctl calls}."""

    def test_list(self) -> None:
        """There is a row for each request; where there are more it is said beside the table."""
        call = {
            "since": 1_790_000_000.0,
            "method": "INVITE",
            "from": '"A" <sip:a@h>;tag=1',
            "to": "<sip:b@h>",
            "uri": "sip:b@h",
            "call_id": "c1",
            "source": "192.0.2.7:5060",
            "next_hops": ["192.0.2.8:5060", "192.0.2.9:5060"],
        }
        self.session = serving(constant("/calls", {"calls": [call], "pending": 3}))
        result = self.run_command("calls")
        header, row = result.stdout.splitlines()
        self.assertEqual(header.split()[:3], ["SINCE", "METHOD", "FROM"])
        self.assertRegex(row, r'^20.{17}  INVITE  "A" <sip:a@h>;tag=1  <sip:b@h>  sip:b@h +c1 +192.0.2.7:5060  ')
        self.assertTrue(row.endswith("  192.0.2.8:5060 192.0.2.9:5060"), row)
        self.assertEqual((result.exit_code, result.stderr), (0, "sipproxyctl: 1 of 3 that are pending\n"))
        self.assertEqual(json.loads(self.succeed("calls", "--json"))["pending"], 3)
        self.fail_command("calls", "--limit", "0", status=2)


class AbsentTests(CommandTestCase):
    """Commands about what the server does not have."""

    def test_off(self) -> None:
        """Where a farm or IPsec is off that is said, not which path is missing."""
        self.session = serving()
        for words, switch in (
            (("farm", "status"), "Farm"),
            (("farm", "verify", "--json"), "Farm"),
            (("farm", "resync"), "Farm"),
            (("ipsec",), "IPSec"),
            (("ipsec", "why", "x"), "IPSec"),
            (("ipsec", "rekey", "x"), "IPSec"),
        ):
            self.assertEqual(self.fail_command(*words), f"sipproxyctl: {switch} is Off\n")

    def test_unknown_call(self) -> None:
        """A call that is not remembered is a failure, for scripts as well."""
        query = (Field("call_id", {"type": "string"}, "The Call-ID.", True),)
        none = Operation("GET", "Say it.", lambda _: {"calls": []}, {"type": "object"}, query=query)
        self.session = serving(Resource("/explain", (none,)))
        for words in ((), ("--json",)):
            said = self.fail_command("explain", "--call-id", "x", *words)
            self.assertEqual(said, "sipproxyctl: no call of x is remembered (ExplainHistory)\n")

    def test_no_header(self) -> None:
        """Records that cannot be had leave no header of a table behind."""
        self.session = serving()
        result = self.run_command("accounting", "export")
        self.assertEqual((result.exit_code, result.stdout), (1, ""))


class LogLevelTests(CommandTestCase):
    """C{sipproxyctl loglevel}."""

    def setUp(self) -> None:
        self.levels = Levels(Severity.INFO, {"mod_sip": Severity.WARN})
        self.session = serving(log_levels_resource(self.levels, ("core", "mod_sip.c", "mod_sip_ras.c")))

    def test_show(self) -> None:
        """All levels are shown, or the one of a module."""
        self.assertEqual(self.succeed("loglevel").split(), ["MODULE", "LEVEL", "(default)", "info", "mod_sip", "warn"])
        self.assertEqual(self.succeed("loglevel", "mod_sip.c"), "warn\n")
        self.assertEqual(self.succeed("loglevel", "mod_sip_ras"), "info (default)\n")
        self.assertEqual(
            json.loads(self.succeed("loglevel", "--json")), {"default": "info", "modules": {"mod_sip": "warn"}}
        )

    def test_set(self) -> None:
        """A level alone is for all, with a module for that; default takes a module's away."""
        self.succeed("loglevel", "Error")
        self.assertEqual(self.succeed("loglevel", "mod_sip_ras", "debug"), "debug\n")
        self.assertEqual(self.succeed("loglevel", "mod_sip", "default"), "error (default)\n")
        self.assertEqual(self.levels.by_name(), {"": "error", "mod_sip_ras": "debug"})

    def test_wrong(self) -> None:
        """What there is not is refused."""
        self.assertIn("there is no module 'mod_sipp'", self.fail_command("loglevel", "mod_sipp", "debug"))
        self.assertIn("level: expected one of emerg, ", self.fail_command("loglevel", "mod_sip", "loud"))


class VersionTests(CommandTestCase):
    """C{sipproxyctl version}."""

    def test_up(self) -> None:
        """Both releases are told."""
        self.session = serving(version_resource())
        found = json.loads(self.succeed("version", "--json"))
        self.assertEqual(found, {"sipproxyctl": __version__, "server": __version__})

    def test_down(self) -> None:
        """That the server is down is no failure here."""
        self.assertEqual(self.succeed("version").split(), ["sipproxyctl", __version__, "server", "down"])
        self.assertEqual(self.succeed("--version"), f"sipproxyctl {__version__}\n")

    def test_no_configuration(self) -> None:
        """Where no file says which server is meant the tool's own release is told all the same."""
        self.session = Session(None, {}, (self.mktemp(),))
        self.assertEqual(self.succeed("version").split(), ["sipproxyctl", __version__, "server", "unknown"])
        found = json.loads(self.succeed("version", "--json"))
        self.assertEqual(found, {"sipproxyctl": __version__, "server": None})
        self.assertIn("there is no configuration file", self.fail_command("status"))


class CheckTests(CommandTestCase):
    """C{sipproxyctl check}."""

    def written(self, text: str) -> str:
        """Write a configuration, and give its path."""
        path = Path(self.mktemp())
        path.write_text(text)
        return str(path)

    def test_right(self) -> None:
        """A right configuration is told as such."""
        path = self.written("ProxyDomain example.com\n")
        self.assertEqual(self.succeed("check", path), f"{path}: configuration is right\n")
        self.assertEqual(json.loads(self.succeed("check", "--json", path))["problems"], [])

    def test_wrong(self) -> None:
        """All that is wrong is told as a start tells it, with exit status 1."""
        path = self.written("Lisen 5060\nSIPT1InMs -1\n")
        lines = self.fail_command("check", path).splitlines()
        self.assertEqual([line[: len(path) + 4] for line in lines], [f"{path}:1:1", f"{path}:2:11"[: len(path) + 4]])
        self.assertTrue(lines[0].endswith("did you mean Listen?"), lines)
        result = self.run_command("check", "--json", path)
        found = json.loads(result.stdout)
        self.assertEqual((result.exit_code, found["right"], len(found["problems"])), (1, False, 2))
        self.assertEqual(
            {name: found["problems"][0][name] for name in ("line", "column", "severity", "suggestion")},
            {"line": 1, "column": 1, "severity": "error", "suggestion": "Listen"},
        )

    def test_warning(self) -> None:
        """What is only doubtful is told, and hinders nothing."""
        result = self.run_command("check", self.written("SIPTimerCInMs 5000\n"))
        self.assertEqual((result.exit_code, "warning: expected" in result.stderr), (0, True))

    def test_of_the_server(self) -> None:
        """Without a file it is the configuration that all commands read."""
        path = self.written("Lisen 5060\n")
        self.session = DownSession(path, {})
        self.assertTrue(self.fail_command("check").startswith(f"{path}:1:1: expected"))


class CompletionTests(CommandTestCase):
    """Shell completion."""

    def test_scripts(self) -> None:
        """Each shell has its script, which asks the command itself."""
        for shell in ("bash", "zsh", "fish"):
            script = self.succeed("completion", shell)
            self.assertIn("_SIPPROXYCTL_COMPLETE", script)
            self.assertIn("sipproxyctl", script)
        self.fail_command("completion", "tcsh", status=2)
