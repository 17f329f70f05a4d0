"""C{sipproxyctl} and a server that runs, has ended, or was killed."""

import json
import os
import re
import signal
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.control.unix_socket import connect
from sipproxy.databases.registry_sqlite import to_json
from sipproxy.registrar.bindings import Binding
from test.interop.control import asked, listed, run_control, sent_raw, socket_of
from test.interop.harness import PATIENCE, is_alive, wait_until
from test.interop.proxy import Proxy, start_proxy
from test.interop.telephone import Telephone

_MANY = 12_000


def resident(pid: int) -> int:
    """Give the most memory that a process has had, in octets."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


class RunningTests(SynchronousTestCase):
    """A server that runs."""

    def test_status(self) -> None:
        """It is told that the server is well, by the file of -c, of the variable, or of this folder."""
        proxy = start_proxy(self)
        ways: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = (
            ((), {}),
            (("-c", str(proxy.configuration)), {"SIPPROXY_CONF": "/none"}),
            ((), {"SIPPROXY_CONF": str(proxy.configuration)}),
        )
        for words, more in ways:
            done = run_control(proxy, *words, "status", "--json", more=more)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done)
            found = json.loads(done.stdout)
            self.assertEqual((found["healthy"], found["pid"]), (True, proxy.process.pid))
        (listener,) = found["listeners"]
        self.assertEqual(listener["address"], f"{proxy.domain}/udp")
        self.assertGreater(listener["received"], 0)
        self.assertGreaterEqual(found["since"], proxy.configuration.stat().st_mtime)
        self.assertIn("registry", run_control(proxy, "status").stdout)

    def test_socket(self) -> None:
        """The socket is the server's user's alone, and goes with the server."""
        proxy = start_proxy(self)
        mode = socket_of(proxy).stat().st_mode
        self.assertEqual((stat.S_ISSOCK(mode), stat.S_IMODE(mode)), (True, 0o600))
        proxy.stop()
        self.assertEqual(os.listdir(socket_of(proxy).parent), [])

    def test_permanent(self) -> None:
        """What is added is called at once, is kept over a restart and from telephones, and is not theirs to see."""
        proxy = start_proxy(self, "RegistryMaxContacts 1")
        alice, gate = Telephone(self, proxy.address, "alice"), Telephone(self, proxy.address, "gate")
        done = run_control(proxy, "registrations", "add", "porter@example.test", gate.contact, "--q", "0.3")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("asking the server at", done.stderr)
        self.see_called(proxy, alice, gate)
        porter = Telephone(self, proxy.address, "porter")
        self.assertEqual(porter.register().status, 200)
        self.assertEqual(porter.registered(), [porter.contact])
        aor = f"sip:porter@{proxy.domain}"
        porter.request("REGISTER", f"sip:{proxy.domain}", aor, ["Contact: *", "Expires: 0"])
        self.assertEqual(porter.final().status, 200)
        proxy.restart()
        self.see_called(proxy, alice, gate)
        (item,) = listed(proxy)
        self.assertEqual((item["contact"], item["kind"], item["q"]), (gate.contact, "permanent", 0.3))
        done = run_control(proxy, "registrations", "delete", "porter@example.test")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(alice.ask("INVITE", f"sip:porter@{proxy.domain}").status, 404)
        self.assertEqual((listed(proxy), proxy.bindings_on_disk()), ([], []))
        self.assertIn("POST /v1/registrations: 201", proxy.error_log())

    def see_called(self, proxy: Proxy, alice: Telephone, gate: Telephone) -> None:
        """Check that the gate rings when the porter is called."""
        alice.request("INVITE", f"sip:porter@{proxy.domain}")
        while True:
            invite, _ = gate.receive()
            if invite.start.startswith("INVITE "):  # else the ACK of the call before
                break
        self.assertEqual(invite.start, f"INVITE {gate.contact} SIP/2.0")
        gate.answer(invite, "486 Busy Here", proxy.address)
        self.assertEqual(alice.final().status, 486)

    def test_static_and_registered(self) -> None:
        """Static contacts are listed as such beside what is registered; they cannot be deleted, the others can."""
        proxy = start_proxy(self, "StaticRegistration boss@example.test sip:boss@192.0.2.9")
        alice = Telephone(self, proxy.address, "alice")
        self.assertEqual(alice.register().status, 200)
        found = [(item["aor"], item["contact"], item["kind"]) for item in listed(proxy)]
        boss = ("boss@example.test", "sip:boss@192.0.2.9", "static")
        self.assertEqual(found, [("alice@example.test", alice.contact, "registered"), boss])
        done = run_control(proxy, "registrations", "delete", "boss@example.test")
        self.assertEqual((done.returncode, "is static" in done.stderr), (1, True), done)
        done = run_control(proxy, "registrations", "delete", "alice@example.test", alice.contact)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(alice.registered(), [])

    def test_log_level(self) -> None:
        """A level holds from the moment that it is set."""
        proxy = start_proxy(self)
        self.assertEqual(run_control(proxy, "loglevel", "mod_sip_control", "error").returncode, 0)
        self.assertEqual(run_control(proxy, "registrations", "add", "a@example.test", "sip:a@h").returncode, 0)
        self.assertEqual(run_control(proxy, "loglevel", "mod_sip_control", "default").stdout, "info (default)\n")
        self.assertEqual(run_control(proxy, "registrations", "delete", "a@example.test").returncode, 0)
        log = proxy.error_log()
        self.assertEqual(("POST /v1/registrations" in log, "DELETE /v1/registrations" in log), (False, True), log)

    def test_large_request(self) -> None:
        """A request of 100 MB is refused before it is read, with a length or in chunks, and costs no memory."""
        proxy = start_proxy(self)
        before = resident(proxy.process.pid)
        size = 100_000_000
        fields = b"Host: x\r\nContent-Type: application/json\r\n"
        for length in (b"Content-Length: %d\r\n\r\n" % size, b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size):
            taken, answer = sent_raw(proxy, b"POST /v1/registrations HTTP/1.1\r\n" + fields + length, size)
            self.assertLess(taken, 10_000_000)
            self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer)
            self.assertEqual(json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"], "too_large")
        self.assertLess(resident(proxy.process.pid) - before, 10_000_000)
        self.assertTrue(asked(proxy, "/status")["healthy"])

    def test_long_list(self) -> None:
        """A long list begins before its end is read, and costs the server no memory."""
        proxy = start_proxy(self)
        proxy.stop()
        fill(proxy.folder / "data" / "registry.db", _MANY)
        proxy.start()
        before = resident(proxy.process.pid)
        done = run_control(proxy, "registrations", "list", timeout=60)
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, _MANY + 1), done.stderr)
        self.assertLess(resident(proxy.process.pid) - before, 20_000_000)
        self.assertEqual(len(listed(proxy, "--aor", "u00012*")), 100)
        self.assertEqual(len(listed(proxy, "--contact", "*@192.0.2.7:*")), _MANY // 100)


def fill(path: Path, count: int) -> None:
    """Fill a registry with addresses of record."""
    end = time.time() + 3600
    with closing(sqlite3.connect(path)) as database, database:
        for number in range(count):
            contact = b"sip:u%07d@192.0.2.%d:5060" % (number, number % 100)
            bindings = (Binding(contact, expires=end, updated=end - 3600, call_id=b"c", cseq=1),)
            row = (b"u%07d@example.test" % number, to_json(bindings), end, number)
            database.execute("INSERT INTO registry VALUES (?, ?, ?, ?)", row)


class EndTests(SynchronousTestCase):
    """How the control socket comes and goes with the server."""

    def test_stale(self) -> None:
        """The socket that a killed server has left is replaced."""
        proxy = start_proxy(self)
        proxy.kill()
        self.assertTrue(socket_of(proxy).exists())
        self.assertEqual(run_control(proxy, "status").returncode, 1)
        proxy.start()
        self.assertEqual(run_control(proxy, "status").returncode, 0)

    def test_of_another_server(self) -> None:
        """A socket that another server has is an error of the start, in one line."""
        first = start_proxy(self)
        second = Proxy(self, f"ControlSocket {socket_of(first)}")
        done = second.run()
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        self.assertEqual(
            done.stderr.rstrip("\n"),
            f"sipproxy: cannot open the control socket {socket_of(first)}: another server has it",
        )
        self.assertFalse((second.folder / "logs" / "sipd.pid").exists())
        self.assertEqual(run_control(first, "status").returncode, 0)

    def test_open_connections(self) -> None:
        """Connections that say nothing do not keep the server from its end."""
        proxy = start_proxy(self, "GracefulStopInS 8")
        idle = [connect(socket_of(proxy), PATIENCE) for _ in range(3)]
        for opened in idle:
            self.addCleanup(opened.close)
        idle[0].sendall(b"POST /v1/registrations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        self.assertEqual(run_control(proxy, "status").returncode, 0)
        began = time.monotonic()
        proxy.stop()
        self.assertLess(time.monotonic() - began, 3)

    def test_while_it_stops(self) -> None:
        """While calls come to their end the server still answers, and says that it stops."""
        proxy = start_proxy(self, "GracefulStopInS 3")
        alice, bob = Telephone(self, proxy.address, "alice"), Telephone(self, proxy.address, "bob")
        self.assertEqual(bob.register().status, 200)
        alice.request("INVITE", f"sip:bob@{proxy.domain}")
        invite, _ = bob.receive()
        bob.answer(invite, "180 Ringing", proxy.address)
        self.assertEqual(asked(proxy, "/status")["pending"], 1)
        began = time.monotonic()
        proxy.process.send_signal(signal.SIGTERM)
        wait_until(lambda: asked(proxy, "/status")["state"] == "stopping", "the server says that it stops", 2)
        self.assertEqual(proxy.process.wait(), -signal.SIGTERM)
        self.assertLess(time.monotonic() - began, 5)


class DownTests(SynchronousTestCase):
    """Commands without a server."""

    def test_down(self) -> None:
        """That it is down is said clearly, with exit status 1."""
        proxy = Proxy(self)
        for command in ("status", "transactions", "loglevel"):
            done = run_control(proxy, command)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done)
            self.assertEqual(
                done.stderr,
                f"sipproxyctl: the server is down: nobody answers at {socket_of(proxy)} (No such file or directory)\n",
            )
        self.assertEqual(run_control(proxy, "version").returncode, 0)
        self.assertEqual(run_control(proxy, "check").returncode, 0)
        self.assertEqual(os.listdir(proxy.folder), ["sipd.conf"])

    def test_registrations(self) -> None:
        """Registrations are listed and changed in their file, and the server has the changes when it starts."""
        proxy = start_proxy(self, "StaticRegistration boss@example.test sip:boss@192.0.2.9")
        alice, bob = Telephone(self, proxy.address, "alice"), Telephone(self, proxy.address, "bob")
        self.assertEqual((alice.register().status, bob.register().status), (200, 200))
        proxy.stop()
        done = run_control(proxy, "registrations", "list")
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 4), done)
        self.assertEqual(done.stderr, "sipproxyctl: the server is down: working on the file of its registry\n")
        self.assertEqual(run_control(proxy, "registrations", "delete", "alice@example.test").returncode, 0)
        done = run_control(proxy, "registrations", "add", "bob@example.test", "sip:mobile@192.0.2.7")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(run_control(proxy, "registrations", "delete", "carol@example.test").returncode, 1)
        proxy.start()
        self.assertEqual((alice.registered(), bob.registered()), ([], [bob.contact]))
        kinds = [(item["aor"], item["kind"]) for item in listed(proxy)]
        bobs = [("bob@example.test", "registered"), ("bob@example.test", "permanent")]
        self.assertEqual(kinds, [*bobs, ("boss@example.test", "static")])

    def test_server_without_socket(self) -> None:
        """A server that runs and cannot be asked is not worked around."""
        proxy = start_proxy(self)
        socket_of(proxy).unlink()
        done = run_control(proxy, "registrations", "list")
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        self.assertEqual(done.stderr, "sipproxyctl: the server runs, but nobody answers at its control socket\n")

    def test_damaged(self) -> None:
        """A file that is no registry is told in one line."""
        proxy = start_proxy(self)
        proxy.stop()
        path = proxy.folder / "data" / "registry.db"
        path.write_bytes(b"no database" * 1000)
        for words in (["list"], ["delete", "a@example.test"]):
            done = run_control(proxy, "registrations", *words)
            self.assertEqual((done.returncode, "Traceback" in done.stderr), (1, False), done)
            self.assertIn(str(path), done.stderr.splitlines()[-1])
        self.assertFalse(is_alive(proxy.process.pid))
