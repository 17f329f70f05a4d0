"""C{sipproxyctl subscribers} with a server that runs, or does not; SIPp and telephones see what it has done."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.subscribers_csv import write_csv
from test.interop.control import run_control
from test.interop.harness import LOOPBACK, PATIENCE, Process, make_folder, wait_until
from test.interop.importing import some_subscribers
from test.interop.mysql import DATABASE, PASSWORD, USER, MariaDb
from test.interop.proxy import Proxy, environment, start_proxy
from test.interop.sipp import Sipp
from test.interop.telephone import Telephone, host_port

_FORWARDING = "CallForwardUnconditional On\nCallForwardBusy On\nCallForwardNoAnswer On\nCallForwardUnavailable On\n"
_CALLS = 5
_MANY = 20_000
_RUN = "from sipproxy.cli.main import main; main()"


class ToolTestCase(SynchronousTestCase):
    """Runs the tool, and calls to see what it has done."""

    def run_tool(self, proxy: Proxy, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run C{sipproxyctl subscribers} to its end, which is a good one."""
        done = run_control(proxy, "subscribers", *words, timeout=6 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def listed(self, proxy: Proxy, *words: str) -> list[dict[str, Any]]:
        """Give what the tool lists."""
        found: list[dict[str, Any]] = json.loads(self.run_tool(proxy, "list", "--json", *words).stdout)
        return found

    def see_forwarded(self, proxy: Proxy, set_target: Sequence[str]) -> None:
        """Set the target of all calls with the tool, and see SIPp's calls reach it at once.

        @param set_target: words of the tool behind which the target belongs
        """
        callee = Sipp(self, "uas", _CALLS)
        self.run_tool(proxy, *set_target, f"sip:mobile@{host_port(callee.address)}")
        Sipp(self, "uac", _CALLS, proxy.address).see_success()
        callee.see_success()

    def see_status(self, proxy: Proxy, user: str, status: int) -> None:
        """Call somebody, and see how that ends."""
        alice = Telephone(self, proxy.address, "alice")
        self.assertEqual(alice.ask("INVITE", f"sip:{user}@{proxy.domain}").status, status)


class RunningTests(ToolTestCase):
    """A server that runs."""

    def test_forwarding(self) -> None:
        """Who is added, changed or deleted is so with the next call, without restart, whatever was known before."""
        proxy = start_proxy(self, _FORWARDING)
        pid = proxy.process.pid
        self.see_status(proxy, "service", 404)
        self.see_forwarded(proxy, ["add", "service", "--unconditional"])
        self.see_forwarded(proxy, ["change", "service", "--unconditional"])
        self.run_tool(proxy, "change", "service", "--disabled")
        self.see_status(proxy, "service", 480)
        self.see_forwarded(proxy, ["change", "service", "--enabled", "--unconditional"])
        done = run_control(proxy, "subscribers", "change", "service", "--unconditional", "sips:mobile@h")
        self.assertEqual(done.returncode, 1)
        self.assertIn("unconditional: expected a sip: or tel: URI, as there is no transport for sips:", done.stderr)
        self.run_tool(proxy, "change", "service", "--unconditional", "")
        self.see_status(proxy, "service", 480)
        self.run_tool(proxy, "delete", "service")
        self.see_status(proxy, "service", 404)
        self.assertEqual((proxy.process.pid, proxy.process.status), (pid, None))

    def test_busy(self) -> None:
        """The other wishes are stored as they are said: one who is busy is forwarded."""
        proxy = start_proxy(self, _FORWARDING)
        alice, bob, mail = (Telephone(self, proxy.address, user) for user in ("alice", "bob", "mail"))
        self.assertEqual(bob.register().status, 200)
        self.run_tool(proxy, "add", "bob", "--busy", mail.contact, "--ring-time", "5000")
        alice.request("INVITE", f"sip:bob@{proxy.domain}")
        invite, _ = bob.receive()
        bob.answer(invite, "486 Busy Here", proxy.address)
        invite, _ = mail.receive()
        self.assertEqual(invite.start, f"INVITE {mail.contact} SIP/2.0")
        self.assertIn("reason=user-busy", invite["cc-diversion"])
        mail.answer(invite, "480 Later", proxy.address)
        self.assertEqual(alice.final().status, 480)

    def test_passwords(self) -> None:
        """Passwords are shown nowhere, neither by the tool nor in the server's log; the file of a backup is private."""
        proxy = start_proxy(self, "AuthRealm home\n")
        (proxy.folder / "password").write_text("geheim\n")
        self.run_tool(proxy, "add", "bob@example.test", "--password-file", "password")
        self.run_tool(proxy, "add", "eve", "--password", "geheim")
        told = self.run_tool(proxy, "show", "eve").stdout + self.run_tool(proxy, "list", "--json").stdout
        told += self.run_tool(proxy, "export").stdout + proxy.error_log()
        self.assertIn("hashed for home", told)
        self.assertIn("PUT /v1/subscribers: 200", self.changed(proxy))
        self.assertNotIn("geheim", told)
        self.run_tool(proxy, "export", "--with-passwords", "all.csv")
        path = proxy.folder / "all.csv"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertIn("ha1b_sha256", path.read_text())
        before = self.listed(proxy)
        self.run_tool(proxy, "delete", "eve")
        self.run_tool(proxy, "import", "--overwrite", "all.csv")
        self.assertEqual(self.listed(proxy), before)

    def changed(self, proxy: Proxy) -> str:
        """Change something, and give the error log."""
        self.run_tool(proxy, "change", "eve", "--display-name", "Eve 'x' \N{SNOWMAN}\nDROP TABLE")
        return proxy.error_log()

    def test_import(self) -> None:
        """Many are imported together; an import whose tool is killed has changed nothing, nor one that is refused."""
        proxy = start_proxy(self)
        many = some_subscribers(_MANY)
        (proxy.folder / "many.csv").write_text("".join(write_csv(many)), newline="")
        begun = Process(self, [sys.executable, "-c", _RUN, "subscribers", "import", "many.csv"], proxy.folder, "tool",
                        environment())  # fmt: skip
        wait_until(lambda: "/v1/subscribers/import: 200" in proxy.error_log(), "a piece has come", 3 * PATIENCE)
        begun.see_alive()
        begun.send_signal(signal.SIGKILL)
        begun.wait()
        self.assertEqual(self.listed(proxy), [])
        done = self.run_tool(proxy, "import", "many.csv")
        self.assertEqual(done.stderr.splitlines()[-1], f"sipproxyctl: {_MANY} subscribers imported")
        self.assertEqual(len(self.listed(proxy)), _MANY)
        done = run_control(proxy, "subscribers", "import", "many.csv", timeout=6 * PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            done.stderr.splitlines()[-1], f"sipproxyctl: there is a subscriber {many[0].key} already", done
        )
        self.assertEqual([item["key"] for item in self.listed(proxy, "--key", "50000*9")],
                         [f"50000{tens}9" for tens in range(10)])  # fmt: skip


class DownTests(ToolTestCase):
    """A server that is down."""

    def test_file(self) -> None:
        """The file is worked on, which is said; the server has the changes when it starts."""
        proxy = start_proxy(self, _FORWARDING)
        self.run_tool(proxy, "add", "bob")
        proxy.stop()
        done = self.run_tool(proxy, "add", "eve", "--busy", "sip:b@192.0.2.1", "--password", "p")
        self.assertEqual(
            done.stderr.splitlines(),
            ["sipproxyctl: the server is down: working on the file of its subscriber database",
             "sipproxyctl: added eve"],
        )  # fmt: skip
        self.assertEqual([item["key"] for item in self.listed(proxy)], ["bob", "eve"])
        self.assertEqual(json.loads(self.run_tool(proxy, "show", "eve", "--json").stdout)["realm"], "example.test")
        self.run_tool(proxy, "delete", "bob")
        path = make_folder(self) / "many.csv"
        path.write_text("".join(write_csv(some_subscribers(1000))), newline="")
        self.run_tool(proxy, "import", str(path))
        self.assertEqual(len(self.run_tool(proxy, "export").stdout.splitlines()), 1002)
        done = run_control(proxy, "subscribers", "delete", "bob")
        self.assertEqual((done.returncode, done.stderr.splitlines()[-1]), (1, "sipproxyctl: no subscriber bob"))
        self.run_tool(proxy, "add", "service", "--disabled")
        proxy.start()
        self.see_status(proxy, "bob", 404)
        self.see_status(proxy, "eve", 480)
        self.see_forwarded(proxy, ["change", "service", "--enabled", "--unconditional"])
        mode = (proxy.folder / "data" / "subscribers.db").stat().st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_nothing(self) -> None:
        """A file that no server has made is not made; a damaged one, and a directory, are told in one line."""
        proxy = Proxy(self)
        done = run_control(proxy, "subscribers", "list")
        path = proxy.folder / "data" / "subscribers.db"
        self.assertEqual(
            (done.returncode, done.stderr), (1, f"sipproxyctl: the server is down, and there is no {path} yet\n")
        )
        self.assertEqual(os.listdir(proxy.folder), ["sipd.conf"])
        for name in ("data", "logs"):
            (proxy.folder / name).mkdir()
        path.write_bytes(b"no database" * 1000)
        for words in (["list"], ["delete", "bob"]):
            done = run_control(proxy, "subscribers", *words)
            self.assertEqual((done.returncode, "Traceback" in done.stderr), (1, False), done)
            self.assertIn(str(path), done.stderr.splitlines()[-1])

    def test_server_without_socket(self) -> None:
        """A server that runs and cannot be asked is not worked around."""
        proxy = start_proxy(self)
        (proxy.folder / "run" / "control.sock").unlink()
        done = run_control(proxy, "subscribers", "add", "bob")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "sipproxyctl: the server runs, but nobody answers at its control socket\n")


class MysqlTests(ToolTestCase):
    """Subscribers in MySQL."""

    def setUp(self) -> None:
        self.database = MariaDb()
        self.addCleanup(self.database.remove)
        self.database.install()
        secret = make_folder(self) / "secret"
        secret.write_text(f"{PASSWORD}\n")
        secret.chmod(0o600)
        self.settings = (
            f"{_FORWARDING}SubscriberDatabase mysql\nDB_MySQL_HostName {LOOPBACK}\nDB_MySQL_Port {self.database.port}\n"
            f"DB_MySQL_DB {DATABASE}\nDB_MySQL_UserName {USER}\nDB_MySQL_PasswordFile {secret}\n"
        )

    def test_both_ways(self) -> None:
        """By way of the server, and without it: before its first start, and after its end."""
        proxy = Proxy(self, self.settings)
        place = f"its subscriber database, mysql://{USER}@{LOOPBACK}:{self.database.port}/{DATABASE}"
        name = "'; DROP TABLE subscribers; --\"\\%s\N{SNOWMAN}\U0001f600\n"
        done = self.run_tool(proxy, "add", "early ", "--display-name", name)
        self.assertEqual(
            done.stderr.splitlines(),
            [f"sipproxyctl: the server is down: working on {place}", "sipproxyctl: added early "],
        )
        self.assertEqual(os.listdir(proxy.folder), ["sipd.conf"])
        proxy.start()
        self.addCleanup(proxy.see_no_complaint)
        (item,) = self.listed(proxy)
        self.assertEqual((item["key"], item["display_name"]), ("early ", name))
        self.see_status(proxy, "service", 404)
        self.see_forwarded(proxy, ["add", "service", "--unconditional"])
        path = make_folder(self) / "many.csv"
        path.write_text("".join(write_csv(some_subscribers(3000))), newline="")
        self.run_tool(proxy, "import", str(path))
        proxy.stop()
        self.assertEqual(len(self.listed(proxy)), 3002)
        self.assertEqual(run_control(proxy, "subscribers", "import", str(path), timeout=PATIENCE).returncode, 1)
        self.run_tool(proxy, "delete", "early ")
        self.run_tool(proxy, "change", "service", "--unconditional", "")
        proxy.start()
        self.see_status(proxy, "service", 480)
        self.assertEqual(len(self.listed(proxy, "--key", "5*")), 3000)

    def test_dead(self) -> None:
        """While the database is dead, commands say so in one line, both ways."""
        proxy = start_proxy(self, self.settings, clean=False)
        self.database.kill()
        for words in (("list",), ("add", "bob"), ("show", "bob")):
            done = run_control(proxy, "subscribers", *words, timeout=3 * PATIENCE)
            self.assertEqual((done.returncode, "Traceback" in done.stderr), (1, False), done)
            self.assertIn("Can't connect to MySQL server", done.stderr.splitlines()[-1])
        proxy.stop()
        done = run_control(proxy, "subscribers", "list", timeout=3 * PATIENCE)
        self.assertEqual((done.returncode, "Traceback" in done.stderr), (1, False), done)
        self.assertIn("Can't connect to MySQL server", done.stderr.splitlines()[-1])
