"""The manhole without a client: its Python, the names that it knows, its keys, and connections that never log in."""

import io
import sys
import threading
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.keys import BadKeyError, Key
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.control import Api
from sipproxy.control.calls import calls_resource
from sipproxy.control.explain import explain_resource
from sipproxy.control.manhole_console import LONGEST_LINE, LONGEST_OUTPUT, Console
from sipproxy.control.manhole_keys import KeyFileError, fingerprint, host_key, read_authorized_keys, read_key
from sipproxy.control.manhole_namespace import Answer, Refusal, make_namespace
from sipproxy.control.manhole_ssh import GRACE, ManholeFactory
from sipproxy.errors import ListenError
from sipproxy.simulation import Simulation, rings
from test.control.fixtures import Registered


class LoggedTestCase(SynchronousTestCase):
    """Takes note of what is logged."""

    def logged(self) -> list[LogEvent]:
        """Give a list that grows with each event."""
        events: list[LogEvent] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        return events


class ConsoleTests(LoggedTestCase):
    """Python that somebody types."""

    def setUp(self) -> None:
        self.shown: list[str] = []
        self.flushed = 0
        self.console = Console("maria", {"seven": 7}, self.shown.append, self.flush, 0.2)

    def flush(self) -> None:
        """Take note that the log was written."""
        self.flushed += 1

    def typed(self, *lines: str) -> str:
        """Give what is shown for some lines."""
        self.shown.clear()
        for line in lines:
            self.console.push(line)
        return "".join(self.shown)

    def test_values(self) -> None:
        """Values are shown, None is not, and what is assigned is there in the next line."""
        self.assertEqual(self.typed("seven"), "7\n")
        self.assertEqual(self.typed("eight = seven + 1", "None", "eight", "_ + 1"), "8\n9\n")

    def test_several_lines(self) -> None:
        """A command goes on until it is complete, or is given up."""
        self.assertTrue(self.console.push("for i in range(2):"))
        self.assertTrue(self.console.push("    print(i)"))
        self.assertFalse(self.console.push(""))
        self.assertEqual("".join(self.shown), "0\n1\n")
        self.assertTrue(self.console.push("if seven:"))
        self.console.resetBuffer()
        self.assertEqual(self.typed("seven"), "7\n")

    def test_printed(self) -> None:
        """What is printed goes to the person, and standard output and displayhook are then what they were."""
        before = sys.stdout, sys.displayhook
        with redirect_stdout(io.StringIO()) as others:
            self.assertEqual(self.typed("print('here')", "1/0 if seven else 0").splitlines()[0], "here")
        self.assertEqual(others.getvalue(), "")
        self.assertEqual((sys.stdout, sys.displayhook), before)

    def test_errors(self) -> None:
        """What goes wrong is shown from the person's own lines on; it harms nobody."""
        shown = self.typed("def f(): raise KeyboardInterrupt('x')", "", "f()")
        self.assertEqual(
            shown,
            "Traceback (most recent call last):\n"
            '  File "<manhole>", line 1, in <module>\n'
            '  File "<manhole>", line 1, in f\n'
            "KeyboardInterrupt: x\n",
        )
        self.assertIn("SyntaxError", self.typed("a b"))
        self.assertEqual(self.typed("seven"), "7\n")

    def test_exit(self) -> None:
        """SystemExit is for who runs the console."""
        for command in ("raise SystemExit", "import sys; sys.exit(3)"):
            with self.assertRaises(SystemExit):
                self.console.push(command)

    def test_logged(self) -> None:
        """Each line is logged with its user before it runs, with nothing left that could forge a line."""
        events = self.logged()
        self.assertEqual(self.typed("log = None; print = None", "0/0").count("ZeroDivisionError"), 1)
        self.console.run("seven = '''\n\x1b[1m'''")
        texts = [formatEvent(event) for event in events]
        self.assertEqual(
            texts,
            [
                "manhole, maria: 'log = None; print = None'",
                "manhole, maria: '0/0'",
                "manhole, maria: \"seven = '''\"",
                "manhole, maria: \"\\x1b[1m'''\"",
            ],
        )
        self.assertEqual((self.flushed, {event["severity"] for event in events}), (4, {"notice"}))

    def test_written_before(self) -> None:
        """The log is in its file before a line runs."""
        self.console.locals["flushed"] = lambda: self.flushed
        self.assertEqual(self.typed("flushed()"), "1\n")

    def test_long_line(self) -> None:
        """A line that is too long is refused, cut in the log, and not run."""
        events = self.logged()
        self.assertEqual(self.typed("seven" + " " * LONGEST_LINE), f"a line has {LONGEST_LINE} characters at most\n")
        self.assertLess(len(formatEvent(events[0])), LONGEST_LINE + 200)
        self.assertEqual(self.typed("seven"), "7\n")

    def test_long_output(self) -> None:
        """What a command shows is bounded, and the next one has room again."""
        shown = self.typed(f"for i in range(10): print('x' * {LONGEST_OUTPUT // 2})", "")
        self.assertLess(len(shown), LONGEST_OUTPUT + 200)
        self.assertTrue(shown.endswith("(cut: more than 262144 characters)\n"))
        self.assertEqual(self.typed("seven"), "7\n")

    def test_deadline(self) -> None:
        """A command without an end is broken off, even one that takes all errors for its own."""
        self.assertIn("it took longer than 0.2 seconds", self.typed("while True: pass", ""))
        taken = ["try:", "    while True: pass", "except Exception: pass", ""]
        self.assertIn("it took longer than 0.2 seconds", self.typed(*taken))
        self.assertEqual(self.typed("seven"), "7\n")

    def test_other_thread(self) -> None:
        """In another thread than the main one there is no deadline, and all else is the same."""
        thread = threading.Thread(target=self.console.push, args=("seven",))
        thread.start()
        thread.join()
        self.assertEqual(self.shown, ["7\n"])

    def test_deferred(self) -> None:
        """Of a Deferred that is shown what it fires with, at once or later; it fires with the same for others."""
        later: Deferred[str] = Deferred()
        self.console.locals.update(later=later, now=succeed("now"), bad=fail(ValueError("bad")))
        self.assertEqual(self.typed("now"), "<Deferred #1>\n'now'\n")
        self.assertEqual(self.typed("bad"), "<Deferred #2>\nbad\n")
        self.assertEqual((self.typed("later"), self.console.waiting), ("<Deferred #3>\n", [later]))
        self.shown.clear()
        later.callback("later")
        self.assertEqual((self.shown, self.console.waiting), (["<Deferred #3>\n'later'\n"], []))
        self.assertEqual(self.successResultOf(later), "later")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 0)
        cast(Any, self.console.locals["bad"]).addErrback(lambda _: None)


class NamespaceTests(SynchronousTestCase):
    """The names that are known."""

    def setUp(self) -> None:
        self.simulation = Simulation(Path(self.mktemp()))
        self.addCleanup(self.simulation.stop)
        self.server = self.simulation.server("192.0.2.1", {"ProxyDomain": "example.com"})
        self.core = self.server.sip.core
        self.api = Api([calls_resource(self.core.table), explain_resource(self.core)])
        self.names: dict[str, Any] = make_namespace(self.server, self.api)

    def test_calls(self) -> None:
        """Calls are told of while they ring, explained before, and traced behind."""
        alice = self.simulation.agent(b"sip:alice@example.com", "10.0.0.1", proxy="192.0.2.1")
        bob = self.simulation.agent(b"sip:bob@example.com", "10.0.0.2", proxy="192.0.2.1")
        registration = bob.register()
        self.simulation.run_until(lambda: registration.is_over)
        bob.behaviour = rings
        alice.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        (call,) = self.names["calls"]()["calls"]
        self.assertEqual((call["method"], call["next_hops"]), ("INVITE", ["10.0.0.2:5060"]))
        self.assertEqual(self.names["calls"]("other")["calls"], [])
        found = self.names["trace"](call["call_id"])["calls"]
        self.assertEqual([each["uri"] for each in found], ["sip:bob@example.com"])
        explained = self.names["explain"]("INVITE", "sip:bob@example.com", sender="sip:carol@example.com")
        self.assertEqual([way["origin"] for way in explained["targets"]], ["mod_sip_registry"])
        self.assertIn(
            "  next_hops:\n      -\n        address: 10.0.0.2\n", repr(explained).replace("    next", "  next")
        )

    def test_refusal(self) -> None:
        """What is refused reads as a line, not as a fault of the server."""
        refusal = self.names["explain"]("INVITE", "no uri")
        self.assertIsInstance(refusal, Refusal)
        self.assertTrue(repr(refusal).startswith("refused: "), refusal)

    def test_help(self) -> None:
        """help() names all there is, and Python's own help, which waits for keys, is not there."""
        with redirect_stdout(io.StringIO()) as shown:
            self.names["help"]()
            self.names["help"](self.names["calls"])
        for name in ("server", "calls(", "registrations(", "explain(", "trace(", "help()"):
            self.assertIn(f"\n{name}", f"\n{shown.getvalue()}")
        self.assertIs(self.names["server"], self.server)
        with self.assertRaises(SystemExit):
            self.names["exit"]()

    def test_registrations(self) -> None:
        """A user is found at any domain, an address of record as it is; pages go on."""
        registered = Registered()
        names: dict[str, Any] = make_namespace(None, registered.api)
        for aor, count in (("boss", 1), ("boss@example.com", 1), ("b*", 1), ("boss@example.org", 0), ("bos", 0)):
            found = self.ask(registered, lambda aor=aor: names["registrations"](aor))
            self.assertEqual(len(found["registrations"]), count, aor)
        found = self.ask(registered, lambda: names["registrations"](after="boss@example.com"))
        self.assertEqual(repr(found), "registrations: none\nnext: none")

    def ask(self, registered: Registered, function: Any) -> Answer:
        """Give an answer, at hand or not."""
        found = function()
        registered.clock.advance(1)
        answer: Answer = self.successResultOf(found) if isinstance(found, Deferred) else found
        return answer


class KeyTests(SynchronousTestCase):
    """Files with keys."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.path = self.folder / "keys"
        self.key = Key(Ed25519PrivateKey.generate())
        self.line = self.key.public().toString("openssh", comment=b"maria at home")

    def write(self, content: bytes, mode: int = 0o644) -> None:
        """Write the file."""
        self.path.write_bytes(content)
        self.path.chmod(mode)

    def test_authorized(self) -> None:
        """Keys are found with their names; without one they have their fingerprint."""
        bare = self.line.rsplit(b" ", 3)[0]
        self.write(b"# who may\n\n  " + self.line + b"\r\n" + bare + b"\n")
        found = read_authorized_keys(self.path)
        self.assertEqual([key.key for key in found], [self.key.public()] * 2)
        self.assertEqual([key.name for key in found], ["maria at home", fingerprint(self.key.public())])

    def test_bad(self) -> None:
        """What is no list of keys, or can be written by others, is told with its place."""
        private = self.key.toString("openssh")
        for content, mode, text in (
            (b"", 0o644, f"{self.path} has no key"),
            (b"# none\n", 0o644, f"{self.path} has no key"),
            (self.line, 0o664, f"{self.path} may be written by others"),
            (
                b'command="x" ' + self.line,
                0o644,
                f"{self.path}:1 does not begin with the type of a key; options are not known",
            ),
            (self.line + b"\nssh-ed25519 AAAA\n", 0o644, f"{self.path}:2 is no public key"),
            (b"ssh-ed25519\n", 0o644, f"{self.path}:1 is no public key"),
            (b"ssh-rsa \xff\n", 0o644, f"{self.path}:1 is no public key"),
            (private, 0o644, f"{self.path}:1 does not begin with the type of a key; options are not known"),
            (b"#" * (2 << 20), 0o644, f"{self.path} has more than 1048576 octets"),
        ):
            self.write(content, mode)
            with self.assertRaises(KeyFileError) as caught:
                read_authorized_keys(self.path)
            self.assertEqual(str(caught.exception), text)
        for path, text in (
            (self.folder, f"{self.folder} is no file"),
            (self.folder / "none", "No such file or directory"),
        ):
            with self.assertRaises(KeyFileError) as caught:
                read_authorized_keys(path)
            self.assertIn(text, str(caught.exception))

    @given(st.binary(max_size=80), st.sampled_from(["blob", "public_openssh", None]))
    def test_any_octets(self, octets: bytes, form: str | None) -> None:
        """Any octets are a key or a BadKeyError."""
        blob = self.key.public().blob()
        for damaged in (octets, blob[: len(octets)] + octets, b"ssh-ed25519 " + octets):
            try:
                read_key(damaged, form)
            except BadKeyError:
                pass

    def test_host_key(self) -> None:
        """The own key is made once, only its owner's to read, and nothing else is left."""
        made = host_key(self.path)
        self.assertEqual((made.isPublic(), made.type(), host_key(self.path)), (False, "Ed25519", made))
        self.assertEqual((self.path.stat().st_mode & 0o777, list(self.folder.iterdir())), (0o600, [self.path]))

    def test_bad_host_key(self) -> None:
        """A key that others may read, or that is none, is not used and not replaced."""
        for content, mode, text in (
            (self.key.toString("openssh"), 0o640, "may be read by others"),
            (b"nonsense", 0o600, "is no private key without a passphrase"),
            (b"", 0o600, "is no private key without a passphrase"),
            (self.key.toString("openssh", passphrase=b"secret"), 0o600, "is no private key without a passphrase"),
            (self.line, 0o600, "is a public key"),
        ):
            self.write(content, mode)
            with self.assertRaises(ListenError) as caught:
                host_key(self.path)
            self.assertEqual(str(caught.exception), f"manhole: {self.path} {text}")
            self.assertEqual(self.path.read_bytes(), content)
        with self.assertRaises(ListenError) as caught:
            host_key(self.folder / "none" / "key")
        self.assertIn("cannot be made: No such file or directory", str(caught.exception))


class Line(StringTransport):
    """A TCP connection.

    @ivar is_aborted: whether it was closed at once
    """

    is_aborted = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """See ITCPTransport."""

    def abortConnection(self) -> None:
        """See ITCPTransport."""
        self.is_aborted = True


class ConnectionTests(LoggedTestCase):
    """Connections of strangers."""

    def setUp(self) -> None:
        self.clock = Clock()
        factory = ManholeFactory(Path("none"), Key(Ed25519PrivateKey.generate()), {}, lambda: None, self.clock)
        factory.doStart()
        self.protocol: Any = factory.buildProtocol(None)
        self.transport = Line(peerAddress=IPv4Address("TCP", "192.0.2.7", 4711))
        self.protocol.makeConnection(self.transport)

    def test_silent(self) -> None:
        """Who says nothing is not kept, and is in the log."""
        events = self.logged()
        self.protocol.dataReceived(b"SSH-2.0-stranger\r\n")
        self.clock.advance(GRACE)
        self.assertTrue(self.transport.is_aborted)
        (event,) = [event for event in events if event.get("log_namespace") == "mod_sip_control"]
        self.assertEqual(
            (formatEvent(event), event["client"]),
            ("manhole: a connection without a login is closed", ("192.0.2.7", 4711)),
        )

    def test_nonsense(self) -> None:
        """What is no SSH ends the connection and is a line of the log, not a fault of ours."""
        events = self.logged()
        self.protocol.dataReceived(b"SSH-2.0-stranger\r\n" + b"\0\0\0\x0c\x04\x14" + b"\0" * 10)
        self.assertTrue(self.transport.is_aborted)
        (event,) = [event for event in events if event.get("log_namespace") == "mod_sip_control"]
        self.assertTrue(formatEvent(event).startswith("manhole: what came is no SSH: "), formatEvent(event))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_leaves(self) -> None:
        """Who leaves by himself leaves no timer behind."""
        self.protocol.connectionLost(None)
        self.assertEqual(self.clock.getDelayedCalls(), [])
