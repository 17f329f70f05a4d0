"""Tests of the simulated NAM in virtual time, and of its command's options."""

import io
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from sipproxy import nam_tap
from sipproxy.config import ConfigError, Settings
from sipproxy.errors import ListenError
from sipproxy.simulation.nam import MOST_WAITING, NamService
from sipproxy.simulation.nam_settings import FAULTS, MODULE
from sipproxy.wire.gktmp import Decoder, GktmpError, Message
from sipproxy.wire.gktmp_tags import Question, TagTable, write_question

TABLES = (
    "800 18005551212 LCF number=14085551234",
    "800 1800T LRJ reason=unallocatedNumber",
    "900 1900T LCF number=14085550900 patience=400 delay=600",
    "LNP 1408555.... LCF number=1408544....",
    "LNP 1T LRQ number=......................",
    "LCR 1T LCF host=192.0.2.1:5060,gw.example.org name=gw mail=bob@example.org",
)


class Wire(StringTransport):
    """A connection to the NAM."""

    aborted = False

    def abortConnection(self) -> None:
        """See ITCPTransport."""
        self.aborted = True

    def messages(self) -> list[tuple[str, bytes]]:
        """Give the names and bodies of what was said since the last time."""
        decoder, found = Decoder(), []
        decoder.feed(self.value())
        self.clear()
        while (message := decoder.next_message()) is not None:
            found.append((message.name, message.body))
        return found


class NamTests(SynchronousTestCase):
    """L{NamService}."""

    def start(self, *answers: str, **directives: str) -> None:
        """Start a NAM and connect to it."""
        self.reactor = MemoryReactorClock()
        settings = Settings.of((MODULE,), {"Answer": list(answers or TABLES), **directives})
        self.service = NamService(settings, self.reactor)
        self.service.startService()
        (self.port, factory, _, self.interface) = self.reactor.tcpServers[0]
        connection: Any = factory.buildProtocol(None)  # type: ignore[arg-type]
        self.connection = connection
        self.wire = Wire()
        connection.makeConnection(self.wire)

    def ask(self, service: str, called: str, **headers: str) -> None:
        """Ask about a number."""
        body = write_question(Question(service, called), TagTable())
        self.connection.dataReceived(Message("REQUEST", "LRQ", tuple(headers.items()), body).encode())

    def test_tables(self) -> None:
        """The most specific pattern of the service answers; dots are filled, where the number has digits enough."""
        self.start()
        for service, called, answer in (
            ("800", "18005551212", ("LCF", b"d=E:14085551234\r\n")),
            ("800", "18005550000", ("LRJ", b"R=unallocatedNumber\r\n")),
            ("800", "1900", ("LRJ", b"R=unallocatedNumber\r\n")),
            ("LNP", "14085551234", ("LCF", b"d=E:14085441234\r\n")),
            ("LNP", "12125551234", ("LRQ", b"d=E:12125551234\r\n")),
            ("LCR", "12", ("LCF", b"d=H:gw M:bob@example.org\r\nc=I:192.0.2.1:5060 I:gw.example.org\r\n")),
            ("700", "12", ("LRJ", b"R=unallocatedNumber\r\n")),
        ):
            self.ask(service, called)
            self.assertEqual(self.wire.messages(), [answer])
        self.assertEqual(self.service.nam.asked[0], Question("800", "18005551212"))

    def test_headers(self) -> None:
        """A response names the NAM, who asked, and the Transaction-Id where there was one."""
        self.start(Identity="NAM-7")
        self.ask("800", "1", From="sps1", To="NAM-7")
        self.ask("800", "1", From="sps1")
        self.ask("800", "1", **{"TRANSACTION-ID": "0042"})
        self.assertIn(b"From:NAM-7\r\nTo:sps1\r\nContent-Length", self.wire.value())
        self.assertIn(b"To:\r\nTransaction-Id:0042\r\n", self.wire.value())

    def test_no_service(self) -> None:
        """A question that names no service is looked up in all tables."""
        self.start()
        for called, name in (("18005551212", "LCF"), ("14085551234", "LCF"), ("2", "LRJ")):
            self.ask("", called)
            self.assertEqual(self.wire.messages()[0][0], name)

    def test_delays(self) -> None:
        """An answer waits for its delay and the general one; a RIP comes first where it asks for patience."""
        self.start(DelayInMs="100")
        self.ask("900", "19005550000")
        self.assertEqual(self.wire.messages(), [("RIP", b"D=400\r\n")])
        self.reactor.advance(0.69)
        self.assertEqual(self.wire.messages(), [])
        self.reactor.advance(0.02)
        self.assertEqual(self.wire.messages(), [("LCF", b"d=E:14085550900\r\n")])

    def test_keepalive(self) -> None:
        """REQUEST ALV is answered, notifications and responses are not."""
        self.start()
        self.connection.dataReceived(
            b"REQUEST ALV\r\n\r\nREQUEST ALV\r\nNotification-Only\r\n\r\nRESPONSE ALV\r\n\r\nREQUEST RRQ\r\n\r\n"
        )
        self.assertEqual(self.wire.messages(), [("ALV", b"")])

    def test_faults(self) -> None:
        """Each fault is what it is called."""
        self.start(*(f"800 {number} LCF number=1408 fault={fault}" for number, fault in enumerate(FAULTS)))
        good = b"d=E:1408\r\n"
        said = {}
        for number, fault in enumerate(FAULTS):
            self.wire.disconnecting = False
            if self.wire.producer is None:
                self.wire.registerProducer(self.wire, True)
            self.ask("800", str(number), **{"Transaction-Id": "7"})
            said[fault] = (self.wire.value(), self.wire.disconnecting)
            self.wire.clear()
        self.assertEqual((said["silent"], said["close"]), ((b"", False), (b"", True)))
        self.assertTrue(said["half"][1])
        self.assertNotIn(good, said["half"][0])
        self.assertEqual(said["twice"][0].count(good), 2)
        self.assertIn(b"Transaction-Id:not-yours\r\n", said["wrong-id"][0])
        for fault in ("garbage", "long-line", "wrong-length"):
            decoder = Decoder()
            decoder.feed(said[fault][0])
            self.assertRaises(GktmpError, decoder.next_message)

    def test_bad_input(self) -> None:
        """What is not GKTMP, or asks about nothing, ends the connection."""
        for octets in (b"\x00\r\n", b"x" * 2000, b"REQUEST LRQ\r\n\r\n"):
            self.start()
            self.connection.dataReceived(octets)
            self.assertTrue(self.wire.aborted)

    def test_waiting_is_bounded(self) -> None:
        """A connection whose answers wait in large numbers is ended; what waits goes with a connection."""
        self.start("800 1 LCF delay=1000")
        for _ in range(MOST_WAITING):
            self.ask("800", "1")
        self.assertFalse(self.wire.aborted)
        self.ask("800", "1")
        self.assertTrue(self.wire.aborted)
        self.connection.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_mute_and_deaf(self) -> None:
        """With Speaking Off nothing is said; with Reading Off nothing is read; both hold their connections."""
        self.start(Speaking="Off")
        self.ask("800", "18005551212")
        self.connection.dataReceived(b"REQUEST ALV\r\n\r\n")
        self.assertEqual(self.wire.value(), b"")
        self.start(Reading="Off")
        self.assertEqual((self.wire.producerState, len(self.service.nam.connections)), ("paused", 1))

    def test_stop(self) -> None:
        """Stopping closes the port and all connections."""
        self.start(Listen="127.0.0.2:1234")
        self.assertEqual((self.port, self.interface), (1234, "127.0.0.2"))
        stopped = self.service.stopService()
        self.assertTrue(self.wire.aborted)
        self.assertNoResult(stopped)
        self.connection.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(stopped)

    def test_port_in_use(self) -> None:
        """A port that cannot be opened is told in one line."""

        class Occupied(MemoryReactorClock):
            def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
                raise CannotListenError(interface, port, OSError(98, "Address already in use"))

        service = NamService(Settings.of((MODULE,), {}), Occupied())
        with self.assertRaises(ListenError) as caught:
            service.open()
        self.assertEqual(
            str(caught.exception), "cannot listen on 127.0.0.1:1751/tcp: [Errno 98] Address already in use"
        )


class SettingsTests(SynchronousTestCase):
    """The file of a NAM."""

    def test_wrong(self) -> None:
        """Everything that is wrong is told with its place."""
        for value, error in (
            ("", "1:7: expected a service, a pattern"),
            ("800 1", "1:13: expected a service, a pattern"),
            ("700 1 LCF", "1:8: expected 800 or 900 or LNP or LCR, got 700"),
            ("800 x LCF", "1:12: expected a pattern of digits"),
            ("800 1 ACF", "1:14: expected LCF or LRQ or LRJ, got ACF"),
            ("800 1 LCF 1408", "1:18: expected number=, name=, mail=, host=, reason=, delay=, patience= or fault="),
            ("800 1 LCF number=1 number=2", "1:27: expected number=, name="),
            ("800 1 LCF number=1,,2", "1:18: expected numbers, with dots"),
            ("800 1 LCF host=..", "1:18: expected hosts, each perhaps with a port"),
            ("800 1 LCF delay=x", "1:18: expected a whole number of milliseconds from 0 to 3600000"),
            ("800 1 LCF fault=fire", "1:18: expected silent or close or half"),
            ('800 1 LRJ "reason=\x01"', "expected text without control characters"),
        ):
            with self.assertRaises(ConfigError) as caught:
                Settings.of((MODULE,), {"Answer": [value]})
            self.assertIn(error, str(caught.exception))

    def test_tag_table(self) -> None:
        """A table of tags is used, a wrong one is an error."""
        folder = Path(self.mktemp())
        folder.mkdir()
        place = (folder / "tags").resolve()
        place.write_text("separator :\nservice -\n")
        nam = NamService(Settings.of((MODULE,), {"TagTable": str(place)}), MemoryReactorClock()).nam
        self.assertEqual((nam.table.separator, nam.table.service), (":", "-"))
        place.write_text("x")
        self.assertRaises(ConfigError, Settings.of, (MODULE,), {"TagTable": str(place)})


class OptionsTests(SynchronousTestCase):
    """C{twistd sipproxy-nam}."""

    def options(self, written: str, *arguments: str) -> tuple[nam_tap.Options | int | str | None, str]:
        """Give the options, or the exit status, and what was printed."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "nam.conf").write_text(written)
        printed, options = io.StringIO(), nam_tap.Options()
        with redirect_stderr(printed):
            try:
                options.parseOptions(["-c", str(folder / "nam.conf"), *arguments])
            except SystemExit as end:
                return end.code, printed.getvalue()
        return options, printed.getvalue()

    def test_check(self) -> None:
        """The configuration is checked, its errors told one a line."""
        status, printed = self.options("Listen 127.0.0.1:1751\n", "--check")
        self.assertEqual(status, 0)
        self.assertIn("configuration is right", printed)
        status, printed = self.options("Listen x y\nAnswers 800\n")
        self.assertEqual((status, len(printed.splitlines())), (1, 2))
        self.assertIn("did you mean Answer?", printed)

    def test_right(self) -> None:
        """A right file gives settings; an unknown option is refused."""
        options, _ = self.options("Identity NAM-9\n")
        assert isinstance(options, nam_tap.Options)
        self.assertIsInstance(options["settings"], Settings)
        self.assertRaises(UsageError, nam_tap.Options().parseOptions, ["--nothing"])
