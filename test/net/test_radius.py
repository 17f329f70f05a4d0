"""The RADIUS client on a network in memory."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.python.failure import Failure

from sipproxy.errors import UnavailableError
from sipproxy.net.radius import RadiusServer
from sipproxy.simulation.names import Names
from sipproxy.simulation.network import Faults
from sipproxy.wire.radius import ACCESS_ACCEPT, ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE, Reply
from test.net.radius_peers import SECRET, RadiusTestCase


class AnswerTests(RadiusTestCase):
    """Questions that are answered."""

    def test_answer(self) -> None:
        """The answer is given, and counted; nothing is left."""
        server = self.server("192.0.2.1")
        server.words = "welcome"
        self.client(server.configured())
        self.ask()
        self.clock.run(0.1)
        self.assertEqual(self.results, [Reply(ACCESS_ACCEPT, self.results[0].attributes)])
        self.assertEqual(self.results[0].attributes["Reply-Message"], ["welcome"])
        self.assertEqual(self.state().counters.replies, {ACCESS_ACCEPT: 1})
        self.assertEqual((self.state().away_since, self.state().last_answer), (None, 1000.002))
        self.see_nothing_left()

    def test_kinds(self) -> None:
        """Authentication and accounting each have their servers."""
        auth, acct = self.server("192.0.2.1"), self.server("192.0.2.2", "acct")
        self.client(auth.configured(), acct.configured())
        self.ask(ACCOUNTING_REQUEST, Acct_Status_Type="Start")
        self.clock.run(0.1)
        self.assertEqual(self.results, [Reply(ACCOUNTING_RESPONSE, {})])
        self.assertEqual((len(auth.packets), len(acct.packets)), (0, 1))
        self.assertTrue(acct.packet(acct.packets[0]).VerifyAcctRequest())

    def test_repetition(self) -> None:
        """The same octets are sent again, after a second and then after two, each a tenth more or less."""
        server = self.server("192.0.2.1")
        server.react = server.ignore
        self.client(server.configured())
        self.ask()
        self.clock.run(3.4)
        times = [sent.time for sent in self.network.transcript]
        self.assertEqual(len(times), 3)
        self.assertTrue(0.9 <= times[1] - times[0] <= 1.1)
        ratio = (times[2] - times[1]) / (times[1] - times[0])
        self.assertTrue(1.9 <= ratio <= 2.1)
        self.assertEqual(len(set(server.packets)), 1)
        server.accept(server.packets[-1])
        self.clock.run(0.1)
        self.assertEqual(self.results[0].code, ACCESS_ACCEPT)
        self.assertEqual((self.state().counters.requests, self.state().counters.retransmissions), (1, 2))
        self.see_nothing_left()

    def test_longest_wait(self) -> None:
        """Waits grow to 16 seconds, no further (RFC 5080 2.2.1, MRT)."""
        server = self.server("192.0.2.1")
        server.react = server.ignore
        self.client(server.configured(), retries=7)
        self.ask()
        self.clock.run(200.0)
        times = [sent.time for sent in self.network.transcript]
        waits = [later - earlier for earlier, later in pairwise(times)]
        self.assertEqual(len(waits), 7)
        self.assertLessEqual(max(waits), 17.6)
        self.assertGreaterEqual(waits[-1], 14.4)
        self.assertNotEqual(waits[-1], waits[-2])

    def test_changed_repetition(self) -> None:
        """A value that has changed makes a packet of its own; the answer to an earlier one still counts."""
        server = self.server("192.0.2.1", "acct")
        server.react = server.ignore
        self.client(server.configured())
        asked = self.clock.seconds()
        self.account(Acct_Delay_Time=lambda: int(self.clock.seconds() - asked))
        self.clock.run(3.4)
        packets = [server.packet(datagram) for datagram in server.packets]
        self.assertEqual([packet["Acct-Delay-Time"] for packet in packets], [[0], [1], [3]])
        self.assertEqual(len({packet.id for packet in packets}), 3)
        self.assertEqual(len({packet.authenticator for packet in packets}), 3)
        server.reply(packets[0])
        self.clock.run(0.1)
        self.assertEqual(self.results, [Reply(ACCOUNTING_RESPONSE, {})])
        self.see_nothing_left()

    def test_unchanged_repetition(self) -> None:
        """A value that is asked for and stays the same makes the same packet."""
        server = self.server("192.0.2.1", "acct")
        server.react = server.ignore
        self.client(server.configured())
        self.account(Acct_Delay_Time=lambda: 0)
        self.clock.run(3.4)
        self.assertEqual((len(server.packets), len(set(server.packets))), (3, 1))

    def test_ipv6(self) -> None:
        """A server may have an IPv6 address."""
        server = self.server("2001:db8::1")
        self.client(server.configured())
        self.ask()
        self.clock.run(0.1)
        self.assertEqual(self.results[0].code, ACCESS_ACCEPT)
        self.assertEqual(self.state().name, "radius auth [2001:db8::1]:1812")


class BrokenNames(Names):
    """A resolver with a bug."""

    def addresses(self, host: str) -> "Deferred[list[str]]":
        """Fail as no resolver should."""
        return fail(ZeroDivisionError())


class NameTests(RadiusTestCase):
    """Servers with host names."""

    def test_name(self) -> None:
        """Names are looked up for each question, at once or later."""
        server = self.server("192.0.2.1")
        self.names.known["aaa.example.com"] = ["192.0.2.1", "2001:db8::1"]
        self.client(server.configured("aaa.example.com"))
        for delay in (0.0, 0.5):
            self.names.delay = delay
            self.ask()
            self.clock.run(1.0)
        self.assertEqual([reply.code for reply in self.results], [ACCESS_ACCEPT] * 2)

    def test_unknown(self) -> None:
        """A server whose name nobody knows is away; the next one is asked."""
        server = self.server("192.0.2.1")
        self.client(server.configured("nobody.example.com"), server.configured())
        for delay in (0.0, 0.5):
            self.names.delay = delay
            self.ask()
            self.clock.run(1.0)
        self.assertEqual([reply.code for reply in self.results], [ACCESS_ACCEPT] * 2)
        self.assertEqual(self.state().away_reason, "nobody knows nobody.example.com")
        self.names.known["silent.example.com"] = []
        self.client(server.configured("silent.example.com"))
        self.ask()
        self.clock.run(1.0)
        self.assertIsInstance(self.results[-1].value, UnavailableError)
        self.see_nothing_left()

    def test_end_during_lookup(self) -> None:
        """Who stops, or gives up, while a name is looked up leaves nothing behind."""
        self.names.delay = 5.0
        self.client(RadiusServer("auth", "aaa.example.com", 1812, SECRET))
        self.ask().cancel()
        self.ask()
        self.clock.run(1.0)
        self.radius.stop()
        self.assertEqual([type(failure.value) for failure in self.results], [CancelledError, UnavailableError])
        self.see_nothing_left()

    def test_bug_of_resolver(self) -> None:
        """An error that no resolver should have is told to who asked."""
        self.names = BrokenNames(self.clock)
        self.client(RadiusServer("auth", "aaa.example.com", 1812, SECRET))
        self.ask()
        self.assertIsInstance(self.results[0].value, ZeroDivisionError)
        self.see_nothing_left()


class FailoverTests(RadiusTestCase):
    """Several servers, and servers that are away."""

    def test_priority(self) -> None:
        """The lowest priority is asked first, of equal ones the first."""
        third, first, second = (
            self.server(f"192.0.2.{number}", priority=priority) for number, priority in ((1, 20), (2, 10), (3, 10))
        )
        self.client(third.configured(), first.configured(), second.configured())
        self.ask()
        self.clock.run(0.1)
        first.port.stop()
        self.ask()
        self.clock.run(0.1)
        second.port.stop()
        self.ask()
        self.clock.run(0.1)
        self.assertEqual([reply.code for reply in self.results], [ACCESS_ACCEPT] * 3)
        self.assertEqual([len(server.packets) for server in (first, second, third)], [1, 1, 1])

    def test_silence(self) -> None:
        """A silent server is given up after its time, and passed over for the dead time; then one question tries it."""
        primary, secondary = self.server("192.0.2.1"), self.server("192.0.2.2", priority=2)
        primary.react = primary.ignore
        self.client(primary.configured(), secondary.configured())
        self.ask()
        self.clock.run(8.0)
        self.assertEqual(self.results[0].code, ACCESS_ACCEPT)
        self.assertEqual(len(primary.packets), 3)
        self.assertEqual(self.state().away_reason, "it does not answer")
        since = self.state().away_since
        assert since is not None
        self.assertTrue(1006.0 < since < 1008.0)
        self.ask()
        self.clock.run(0.1)
        self.assertEqual((len(primary.packets), len(self.results)), (3, 2))
        self.clock.run(30.0)
        self.ask()
        self.ask()
        self.clock.run(0.1)
        self.assertEqual((len(primary.packets), len(self.results)), (4, 3))
        self.clock.run(1.2)
        self.assertEqual((len(primary.packets), len(self.results)), (4, 4))
        self.assertEqual(self.state().away_since, since)
        primary.react = primary.accept
        self.clock.run(30.0)
        self.ask()
        self.clock.run(0.1)
        self.assertEqual(len(primary.packets), 5)
        self.assertEqual((self.state().away_since, self.state().away_reason), (None, ""))
        self.see_nothing_left()

    def test_lost_question(self) -> None:
        """A server that answers others is not away because one question was lost."""
        server = self.server("192.0.2.1")
        self.client(server.configured())
        server.react = server.ignore
        self.ask()
        self.clock.run(2.0)
        server.react = server.accept
        self.ask(User_Name="eve")
        self.clock.run(0.1)
        server.react = server.ignore
        self.clock.run(10.0)
        self.assertIsInstance(self.results[1].value, UnavailableError)
        self.assertEqual(self.state().away_since, None)

    def test_seen_by_others(self) -> None:
        """What waits for a server that has turned out to be away goes on to the next one at its next turn."""
        primary, secondary = self.server("192.0.2.1"), self.server("192.0.2.2", priority=2)
        primary.react = primary.ignore
        self.client(primary.configured(), secondary.configured())
        self.ask()
        self.clock.run(6.0)
        self.ask()
        self.clock.run(4.0)
        self.assertEqual([reply.code for reply in self.results], [ACCESS_ACCEPT] * 2)
        self.assertLess(len(primary.packets), 6)

    def test_late_answer(self) -> None:
        """The answer of a server that was given up still counts while the next one is asked."""
        primary, secondary = self.server("192.0.2.1"), self.server("192.0.2.2", priority=2)
        primary.react, secondary.react = primary.ignore, secondary.ignore
        self.client(primary.configured(), secondary.configured())
        self.ask()
        self.clock.run(8.0)
        self.assertEqual(len(secondary.packets), 1)
        primary.accept(primary.packets[0])
        self.clock.run(0.1)
        self.assertEqual(self.results[0].code, ACCESS_ACCEPT)
        self.assertEqual([state.away_since for state in self.radius.servers], [None, None])
        self.see_nothing_left()

    def test_refused(self) -> None:
        """What the network refuses goes to the next server at once; the next time the server is passed over."""
        primary, secondary = self.server("192.0.2.1"), self.server("192.0.2.2", priority=2)
        primary.port.stop()
        self.client(primary.configured(), secondary.configured())
        self.ask()
        self.clock.run(0.005)
        self.assertEqual(self.results[0].code, ACCESS_ACCEPT)
        self.assertEqual((self.state().away_reason, self.state().counters.refused), ("Connection refused", 1))
        self.see_nothing_left()

    def test_restart(self) -> None:
        """A single server that was there a moment ago is waited for; what is asked meanwhile fails at once."""
        server = self.server("192.0.2.1")
        self.client(server.configured())
        server.port.stop()
        self.ask()
        self.clock.run(0.1)
        self.ask()
        self.clock.run(0.1)
        self.assertIsInstance(self.results[0].value, UnavailableError)
        server.open()
        self.clock.run(1.2)
        self.assertEqual(self.results[1].code, ACCESS_ACCEPT)
        self.assertEqual(self.state().away_since, None)
        self.see_nothing_left()

    def test_nobody(self) -> None:
        """Where no server answers the question fails as unavailable, the reason is the network's."""
        server = self.server("192.0.2.1")
        self.client(server.configured())
        server.port.stop()
        self.ask()
        self.clock.run(10.0)
        error = self.results[0].value
        self.assertIsInstance(error, UnavailableError)
        self.assertEqual((error.status, error.headers), (503, (b"Retry-After: 30",)))
        self.assertEqual(self.state().away_reason, "Connection refused")
        self.see_nothing_left()

    def test_none(self) -> None:
        """Without a server of its kind, before the start and after the end a question fails at once."""
        server = self.server("192.0.2.1")
        client = self.client(server.configured())
        self.ask(ACCOUNTING_REQUEST)
        client.stop()
        self.ask()
        client.start()
        self.ask()
        self.clock.run(0.1)
        self.assertEqual([isinstance(result, Failure) for result in self.results], [True, True, False])


class DroppedTests(RadiusTestCase):
    """Answers that do not count."""

    def setUp(self) -> None:
        """Ask a server that says nothing by itself."""
        super().setUp()
        self.peer = self.server("192.0.2.1")
        self.peer.react = self.peer.ignore
        self.client(self.peer.configured())
        self.ask()
        self.clock.run(0.1)
        self.asked, self.source = self.peer.received[0]

    def see_dropped(self, **expected: int) -> None:
        """See that nothing was taken, and what was counted."""
        self.clock.run(0.1)
        self.assertEqual(self.results, [])
        names = ("malformed", "bad_authenticators", "unknown_types", "unexpected")
        counters = self.state().counters
        self.assertEqual({name: getattr(counters, name) for name in names}, dict.fromkeys(names, 0) | expected)
        self.peer.accept(self.asked)
        self.clock.run(0.1)
        self.assertEqual(self.results[0].code, ACCESS_ACCEPT)

    def test_forged(self) -> None:
        """One who does not know the secret, or the request, is not believed."""
        packet = self.peer.packet(self.asked)
        packet.secret = b"guessed"
        self.peer.reply(packet)
        other = self.peer.packet(self.asked)
        other.authenticator = bytes(16)
        self.peer.reply(other)
        self.see_dropped(bad_authenticators=2)

    def test_damaged(self) -> None:
        """Octets that are no packet are not read."""
        for data in (bytes((2, self.asked[1])), bytes((2, self.asked[1])) + bytes(30)):
            self.peer.port.write(data, self.source)
        self.see_dropped(malformed=2)

    def test_other_code(self) -> None:
        """A signed packet that is no answer is none."""
        packet = self.peer.packet(self.asked)
        answer = packet.CreateReply()
        answer.code = ACCOUNTING_RESPONSE
        self.peer.port.write(answer.ReplyPacket(), self.source)
        self.see_dropped(unknown_types=1)

    def test_other_source(self) -> None:
        """A right answer from elsewhere, or another port, does not count."""
        answer = self.peer.packet(self.asked).CreateReply().ReplyPacket()
        stranger = self.server("192.0.2.66")
        stranger.port.write(answer, self.source)
        self.peer.host.listen("192.0.2.1", 1999, stranger).write(answer, self.source)
        self.see_dropped()
        self.assertEqual(self.radius.strangers, 2)

    def test_other_identifier(self) -> None:
        """An answer with an identifier that nobody waits for is counted only."""
        packet = self.peer.packet(self.asked)
        packet.id = (packet.id + 1) % 256
        self.peer.reply(packet)
        self.peer.port.write(b"", self.source)
        self.see_dropped(unexpected=2)

    def test_duplicate(self) -> None:
        """The second copy of an answer is counted only."""
        self.peer.accept(self.asked)
        self.peer.accept(self.asked)
        self.clock.run(0.1)
        self.assertEqual(len(self.results), 1)
        self.assertEqual(self.state().counters.unexpected, 1)

    def test_wrong_secret(self) -> None:
        """Where all answers are forged the reason says what that may mean."""
        self.peer.secret = b"another"
        self.peer.react = self.peer.accept
        self.clock.run(10.0)
        self.assertIsInstance(self.results[0].value, UnavailableError)
        self.assertIn("is the secret the same?", self.state().away_reason)


class ManyTests(RadiusTestCase):
    """Many questions at a time."""

    def test_identifiers(self) -> None:
        """A port has 256 identifiers at a time, then a further one is opened; beyond the bound nothing is asked."""
        server = self.server("192.0.2.1")
        server.react = server.ignore
        self.client(server.configured(), most_ports=4)
        for _ in range(1024):
            self.ask()
        self.assertEqual((self.radius.pending, self.radius.ports, self.results), (1024, 4, []))
        self.ask()
        self.assertEqual(self.results.pop().value.reason, b"Too many RADIUS requests")
        self.clock.run(0.1)
        self.assertEqual(len({(source, datagram[1]) for datagram, source in server.received}), 1024)
        self.assertEqual(len({datagram[4:20] for datagram in server.packets}), 1024)
        for datagram, source in list(server.received):
            server.reply(server.packet(datagram), to=source)
        self.clock.run(0.1)
        self.assertEqual([reply.code for reply in self.results], [ACCESS_ACCEPT] * 1024)
        self.assertEqual(self.radius.ports, 4)
        self.see_nothing_left()

    def test_identifiers_in_turn(self) -> None:
        """An identifier is used again only after all others."""
        server = self.server("192.0.2.1")
        self.client(server.configured())
        for _ in range(512):
            self.ask()
            self.clock.run(0.01)
        identifiers = [datagram[1] for datagram in server.packets]
        self.assertEqual(len(set(identifiers[:256])), 256)
        self.assertEqual(identifiers[:256], identifiers[256:])
        self.assertNotEqual(identifiers[:256], sorted(identifiers[:256]))
        self.assertEqual(self.radius.ports, 1)

    def test_no_port(self) -> None:
        """Where no port can be opened that is said; the server is away for this reason."""
        self.client(self.server("192.0.2.1").configured())
        self.own.addresses = ()
        self.ask()
        self.assertEqual(self.results[0].value.reason, b"No port for RADIUS")
        self.assertIn("is not an address of this host", self.state().away_reason)
        self.see_nothing_left()

    def test_no_slot_for_repetition(self) -> None:
        """A changed repetition that finds no identifier ends its question, and frees what it held."""
        server = self.server("192.0.2.1", "acct")
        server.react = server.ignore
        self.client(server.configured(), most_ports=1)
        for _ in range(256):
            self.account(Acct_Delay_Time=lambda: int(self.clock.seconds()))
        self.clock.run(60.0)
        self.assertEqual({type(failure.value) for failure in self.results}, {UnavailableError})
        self.assertEqual(len(self.results), 256)
        self.see_nothing_left()

    def test_cancel(self) -> None:
        """Who gives up holds nothing any more; what is answered then is nobody's."""
        server = self.server("192.0.2.1")
        self.client(server.configured())
        self.ask().cancel()
        self.assertIsInstance(self.results[0].value, CancelledError)
        self.clock.run(0.1)
        self.assertEqual(self.state().counters.unexpected, 1)
        self.see_nothing_left()

    def test_stop(self) -> None:
        """The end fails all questions and closes the ports."""
        server = self.server("192.0.2.1")
        server.react = server.ignore
        client = self.client(server.configured())
        for _ in range(300):
            self.ask()
        client.stop()
        self.assertEqual([type(failure.value) for failure in self.results], [UnavailableError] * 300)
        self.assertEqual(client.ports, 0)
        self.clock.run(0.1)
        self.assertEqual(client.strangers, 0)
        self.see_nothing_left()


class BadQuestionTests(RadiusTestCase):
    """Questions that are our own mistake."""

    def test_mistakes(self) -> None:
        """They fail with what was wrong, also in a later sending, and leave nothing behind."""
        server, other = self.server("192.0.2.1"), self.server("192.0.2.2", "acct")
        server.react, other.react = server.ignore, other.ignore
        self.client(server.configured(), other.configured())
        self.ask(Nobody=1)
        self.ask(User_Name="x" * 254)
        values = iter(["bob"])
        self.account(User_Name=lambda: next(values))
        self.clock.run(2.0)
        self.assertEqual([type(result.value) for result in self.results], [KeyError, ValueError, StopIteration])
        self.see_nothing_left()


class ChanceTests(RadiusTestCase):
    """Lossy networks."""

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 2**32), st.floats(0, 0.6), st.floats(0, 0.5), st.integers(1, 3))
    def test_any_network(self, seed: int, loss: float, duplication: float, servers: int) -> None:
        """Each question has one answer or fails as unavailable, in bounded time, and nothing is left."""
        self.setUp()
        peers = [self.server(f"192.0.2.{number}") for number in range(1, servers + 1)]
        self.network.set_faults(Faults(0.01, 0.3, loss, duplication))
        self.chance.seed(seed)
        self.client(*(peer.configured() for peer in peers))
        for _ in range(20):
            self.ask()
            self.clock.run(0.2)
        self.clock.run(servers * 8.0)
        self.assertEqual(len(self.results), 20)
        for result in self.results:
            if isinstance(result, Failure):
                self.assertIsInstance(result.value, UnavailableError)
            else:
                self.assertEqual(result.code, ACCESS_ACCEPT)
        if loss == 0:
            self.assertFalse([result for result in self.results if isinstance(result, Failure)])
        self.assertEqual(self.radius.pending, 0)
        self.clock.run(1.0)
        self.see_nothing_left()
