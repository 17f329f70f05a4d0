"""Whether the name servers answer."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.names.error import DNSNameError, DNSQueryTimeoutError, DNSServerError
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.net.dns import Reply
from sipproxy.net.name_servers import NameServers

NOTHING: Reply = ((), (), ())
TIMEOUT = 2.0


class NameServersTests(SynchronousTestCase):
    """Name servers whose replies the test gives."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.questions: list[tuple[str, Deferred[Reply]]] = []
        self.servers = NameServers(self.lookup, self.clock, TIMEOUT)

    def lookup(self, name: str, record_type: int) -> "Deferred[Reply]":
        """Take a question."""
        self.assertEqual(record_type, dns.A if name else dns.NS)
        self.questions.append((name, Deferred()))
        return self.questions[-1][1]

    def ask(self, name: str = "example.test") -> "Deferred[Reply]":
        """Ask for an address."""
        return self.servers(name, dns.A)

    def state(self) -> tuple[bool, float | None, str]:
        """Give what is known."""
        return self.servers.is_asked, self.servers.away_since, self.servers.away_reason

    def fall_silent(self) -> None:
        """Let a question have no answer."""
        asked = self.ask()
        self.questions[-1][1].errback(DNSQueryTimeoutError(1))
        self.failureResultOf(asked, DNSQueryTimeoutError)

    def test_unasked(self) -> None:
        """Before the first reply nothing is known, and nobody is asked by a look."""
        self.servers.look()
        self.ask()
        self.assertEqual((len(self.questions), self.state()), (1, (False, None, "")))

    def test_replies(self) -> None:
        """Whatever they reply they are there, and the one who asks gets it."""
        for error in (DNSNameError(), DNSServerError()):
            asked = self.ask()
            self.questions[-1][1].errback(error)
            self.failureResultOf(asked, type(error))
            self.assertEqual(self.state(), (True, None, ""))
        asked = self.ask()
        self.questions[-1][1].callback(NOTHING)
        self.assertEqual(self.successResultOf(asked), NOTHING)

    def test_silent(self) -> None:
        """What is not answered says that they are away, since the first such question; a reply that they are back."""
        for error in (DNSQueryTimeoutError(1), OSError("no route")):
            asked = self.ask()
            self.clock.advance(1)
            self.questions[-1][1].errback(error)
            self.failureResultOf(asked, type(error))
            self.assertEqual(self.state()[:2], (True, 1001.0))
        self.assertEqual(self.servers.away_reason, "no route")
        self.ask()
        self.questions[-1][1].callback(NOTHING)
        self.assertEqual(self.state(), (True, None, ""))

    def test_deadline(self) -> None:
        """A question that its asker's deadline ends has had no answer."""
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked)
        self.assertEqual(self.state(), (True, 1000.0, "no answer in time"))

    def test_one_name(self) -> None:
        """Where others were answered meanwhile it is the fault of one domain."""
        slow, _ = self.ask("slow.test"), self.ask()
        self.clock.advance(1)
        self.questions[1][1].callback(NOTHING)
        self.questions[0][1].errback(DNSQueryTimeoutError(1))
        self.failureResultOf(slow)
        self.assertEqual(self.state(), (True, None, ""))

    def test_bug(self) -> None:
        """An error of ours says nothing about them."""
        asked = self.ask()
        self.questions[0][1].errback(ZeroDivisionError())
        self.failureResultOf(asked, ZeroDivisionError)
        self.assertEqual(self.state(), (False, None, ""))

    def test_look(self) -> None:
        """A look at those who are away asks them what no call does, once at a time, and its answer brings them back."""
        self.fall_silent()
        for _ in range(3):
            self.servers.look()
        self.assertEqual([name for name, _ in self.questions], ["example.test", ""])
        self.clock.advance(TIMEOUT)
        self.assertEqual(self.state()[:2], (True, 1000.0))
        self.servers.look()
        self.questions[2][1].callback(NOTHING)
        self.assertEqual(self.state(), (True, None, ""))
        self.servers.look()
        self.assertEqual((len(self.questions), self.clock.getDelayedCalls()), (3, []))
