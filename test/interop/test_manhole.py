"""The manhole with OpenSSH's own client: who gets in, what he gets, and what the log says of it."""

import stat
import sys
from pathlib import Path

from twisted.trial.unittest import TestCase

from sipproxy.control import Api
from sipproxy.control.calls import calls_resource
from sipproxy.control.explain import explain_resource
from sipproxy.control.manhole import manhole_service
from sipproxy.control.manhole_console import PATIENCE
from sipproxy.control.streams import Place, StreamService
from sipproxy.control.watch_settings import HOST_KEY
from sipproxy.oversight import registrations_resource
from test.interop.embedded import Done, Embedded, aside, run, the_reactor
from test.interop.harness import LOOPBACK, free_port, program
from test.interop.telephone import Telephone

# What ssh runs to reach a Unix socket.
_RELAY = """
import os, select, socket, sys
folder, name = os.path.split(sys.argv[1])
os.chdir(folder)  # the address of a socket is short
s = socket.socket(socket.AF_UNIX)
s.connect(name)
while True:
    for ready in select.select([0, s], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else s.recv(65536)
        if not data:
            sys.exit()
        s.sendall(data) if ready == 0 else os.write(1, data)
"""


class ManholeTests(TestCase):
    """One server with a manhole."""

    timeout = 30

    async def setUp(self) -> None:  # type: ignore[override]  # trial takes a coroutine too
        self.ssh = program("ssh", "openssh-client")
        self.embedded = Embedded(self)
        self.folder = self.embedded.folder
        self.keys = self.folder / "authorized_keys"
        (self.folder / HOST_KEY).parent.mkdir(parents=True, exist_ok=True)
        self.mine, self.other = await self.make_key("mine", "ed25519"), await self.make_key("other", "ed25519")
        self.authorize("mine")
        self.service = self.open((LOOPBACK, free_port()))
        self.embedded.start()

    def open(self, place: Place) -> StreamService:
        """Make a manhole and add it to the server."""
        server, reactor = self.embedded.server, the_reactor()
        core = server.sip.core
        settings = server.composition.settings
        resources = (
            calls_resource(core.table),
            explain_resource(core),
            registrations_resource(settings, server.registry, core.generation.identity, reactor.seconds),
        )
        service = manhole_service(place, self.keys, self.folder / HOST_KEY, server, Api(resources), reactor)
        self.embedded.add(service)
        return service

    async def make_key(self, name: str, kind: str) -> Path:
        """Make a key as an operator does."""
        path = self.folder / name
        made = await run(program("ssh-keygen", "openssh-client"), ["-q", "-t", kind, "-N", "", "-C", name, "-f", path])
        self.assertEqual(made, ("", "", 0))
        return path

    def authorize(self, *names: str) -> None:
        """Let some keys in, and no others."""
        lines = [(self.folder / f"{name}.pub").read_text() for name in names]
        self.keys.write_text("# who may\n\n" + "".join(lines))
        self.keys.chmod(0o600)

    async def log_in(
        self, *words: str, key: Path | None = None, stdin: str = "", options: tuple[str, ...] = ()
    ) -> Done:
        """Run ssh.

        @param words: the command, none for a terminal
        """
        place = self.service.place
        assert not isinstance(place, Path)
        fixed = (
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            f"UserKnownHostsFile={self.folder / 'known_hosts'}",
            "StrictHostKeyChecking=accept-new",
            "LogLevel=ERROR",
        )
        set_by = [word for option in (*fixed, *options) for word in ("-o", option)]
        target: list[str | Path] = [
            "-F",
            "none",
            "-i",
            key or self.mine,
            "-p",
            str(place[1]),
            *set_by,
            f"maria@{LOOPBACK}",
        ]
        return await run(self.ssh, ["-tt" if not words else "-T", *target, *words], stdin)

    def ring(self) -> str:
        """Let alice be registered, and give the Call-ID of a call that found nobody."""
        alice = Telephone(self, self.embedded.address, "alice")
        assert alice.register().status == 200
        refusal = alice.ask("INVITE", f"sip:nobody@{alice.domain}")
        assert refusal.status == 404
        return refusal["call-id"]

    async def test_commands(self) -> None:
        """Each prepared function tells what the server knows, and each command is in the log with its user."""
        call_id = await aside(self.ring)
        commands = {
            "calls()": "pending: 0",
            "registrations('alice')": "aor: alice@example.test",
            "registrations('bob')": "registrations: none",
            "explain('INVITE', 'sip:alice@example.test')": "origin: mod_sip_registry",
            f"trace('{call_id}')": "status: 404",
            "server.sip.core.pending": "0\n",
            "help()": "explain(method: str, uri: str",
        }
        for command, expected in commands.items():
            out, complaints, status = await self.log_in(command)
            self.assertEqual((complaints, status), ("", 0), command)
            self.assertIn(expected, out)
            self.assertIn(f"manhole, maria (mine): {command!a}", self.embedded.error_log())
        self.assertNotIn(":error]", self.embedded.error_log())

    async def test_terminal(self) -> None:
        """A terminal keeps what is assigned, takes commands of several lines, and ends with exit()."""
        lines = ["a = 40", "for i in range(2):", "    a += 1", "", "print('a', 'is', a)", "1/0", "exit()", ""]
        out, _, status = await self.log_in(stdin="\r".join(lines))
        self.assertEqual(status, 0, out)
        for text in ("help() tells what there is.", ">>> ", "... ", "a is 42", "ZeroDivisionError: division by zero"):
            self.assertIn(text, out)
        log = self.embedded.error_log()
        for line in lines[:3]:
            self.assertIn(f"manhole, maria (mine): {line!a}", log)
        self.assertIn("manhole: maria (mine) has a terminal", log)

    async def test_status(self) -> None:
        """What is no Python, or not all of it, is told, and so is what goes wrong."""
        out, _, status = await self.log_in("if True:")
        self.assertEqual((out, status), ("the command is not complete\n", 1))
        out, _, _ = await self.log_in("a b")
        self.assertIn("SyntaxError: invalid syntax", out)
        out, _, _ = await self.log_in("nothing_here")
        self.assertIn("NameError: name 'nothing_here' is not defined", out)

    async def test_refused(self) -> None:
        """A key that is not authorized is refused and in the log; a password is not even asked for."""
        out, complaints, status = await self.log_in("calls()", key=self.other)
        self.assertEqual((out, status), ("", 255))
        self.assertIn("Permission denied (publickey)", complaints)
        log = self.embedded.error_log()
        self.assertRegex(
            log, r"\[client 127\.0\.0\.1:\d+\] manhole: maria is refused: the key is not authorized, SHA256:"
        )
        shown, _, _ = await run(program("ssh-keygen", "openssh-client"), ["-l", "-f", f"{self.other}.pub"])
        self.assertIn(shown.split()[1], log)
        self.assertNotIn("calls()", log)

    async def test_keys_change(self) -> None:
        """The file is read at each login: who is taken out is out, who is put in is in."""
        self.authorize("other")
        _, _, status = await self.log_in("calls()")
        self.assertEqual(status, 255)
        _, _, status = await self.log_in("calls()", key=self.other)
        self.assertEqual(status, 0)
        self.keys.chmod(0o666)
        _, _, status = await self.log_in("calls()", key=self.other)
        self.assertEqual(status, 255)
        self.assertIn(f"manhole: {self.keys} may be written by others", self.embedded.error_log())

    async def test_kinds_of_keys(self) -> None:
        """RSA and ECDSA keys get in too."""
        for kind in ("rsa", "ecdsa"):
            key = await self.make_key(kind, kind)
            self.authorize(kind)
            _, complaints, status = await self.log_in("calls()", key=key)
            self.assertEqual((complaints, status), ("", 0), kind)

    async def test_host_key(self) -> None:
        """The own key is made once, is nobody else's to read, and is the same ever after."""
        path = self.folder / HOST_KEY
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        before = path.read_bytes()
        _, _, status = await self.log_in("calls()")
        self.assertEqual(status, 0)
        self.service.disownServiceParent()
        self.service = self.open(self.service.place)
        _, complaints, status = await self.log_in("calls()", options=("StrictHostKeyChecking=yes",))
        self.assertEqual((complaints, status, path.read_bytes()), ("", 0, before))

    async def test_unix_socket(self) -> None:
        """On a Unix socket the same, and nobody else can open it."""
        place = self.folder / "run" / "manhole.sock"
        place.parent.mkdir(exist_ok=True)
        self.service.disownServiceParent()
        self.open(place)
        self.assertEqual(stat.S_IMODE(place.stat().st_mode), 0o600)
        relay = self.folder / "relay.py"
        relay.write_text(_RELAY)
        out, complaints, status = await self.log_in(
            "calls()", options=(f"ProxyCommand={sys.executable} {relay} {place}",)
        )
        self.assertEqual((complaints, status), ("", 0))
        self.assertIn("pending: 0", out)

    async def test_logged_before(self) -> None:
        """A line is in the file of the log while it runs, whatever it does to the names that it knows."""
        path = self.folder / "logs" / "error_log"
        command = f"calls = server = help = print = None; __import__('pathlib').Path({str(path)!a}).read_text()[-300:]"
        out, _, _ = await self.log_in(command)
        self.assertIn("server = help = print", out)

    async def test_endless(self) -> None:
        """A command that would never end is broken off, and the server goes on."""
        out, _, status = await self.log_in("while True: pass")
        self.assertEqual(status, 0)
        self.assertIn(f"it took longer than {PATIENCE:g} seconds", out)
        await aside(self.ring)

    async def test_no_forwarding(self) -> None:
        """The connection leads into this server and nowhere else."""
        options = ("ExitOnForwardFailure=yes", f"RemoteForward={free_port()} {LOOPBACK}:9")
        _, complaints, status = await self.log_in("calls()", options=options)
        self.assertEqual(status, 255)
        self.assertIn("remote port forwarding failed", complaints)
