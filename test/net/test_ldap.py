"""An LDAP directory: its connections, deadlines, and what a server may do to them."""

from typing import Any

from ldaptor.protocols import pureldap  # type: ignore[import-untyped]
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone, ConnectionLost

from sipproxy.errors import NameNotFoundError
from sipproxy.net.ldap import HOLD_OFF, MOST_FOUND, MOST_OPEN, PAGE
from sipproxy.net.ldap_connection import GRACE
from sipproxy.net.ldap_messages import LONGEST_MESSAGE, Bind
from test.net.ldap_server import (
    CONDITIONS,
    PAGED_RESULTS,
    READER,
    TIMEOUT,
    DirectoryTestCase,
    done,
    entry_of,
    found,
    octets,
)

NOTICE = pureldap.LDAPExtendedResponse(52, errorMessage="bye\n", responseName=b"1.3.6.1.4.1.1466.20036")


class QuestionTests(DirectoryTestCase):
    """Questions that are answered."""

    def test_search(self) -> None:
        """A connection is made and bound to, then the question is put; its answer may come in any pieces."""
        asked = self.ask()
        self.assertEqual(self.reactor.tcpClients[0][:2], ("192.0.2.1", 389))
        peer = self.connect(accept=False)
        bind = peer.accept()
        self.assertEqual((bind.version, bind.dn, bind.auth), (3, READER.encode(), b"secret"))
        (message,) = peer.heard()
        parts = [(part.attributeDesc.value, part.assertionValue.value) for part in message.value.filter]
        self.assertEqual(parts, [(b"objectClass", b"SIPIdentity"), (b"uid", b"bob")])
        for octet in found(message.id, "bob", "alice") + done(message.id):
            self.assertNoResult(asked)
            peer.say(bytes((octet,)))
        self.assertEqual(self.successResultOf(asked), [entry_of("bob"), entry_of("alice")])
        self.see_clean([peer])

    def test_nobody(self) -> None:
        """Without a name of ours we bind as nobody, so that the server has been heard before it is asked."""
        self.directory = self.make(bind=Bind("", b""))
        self.ask()
        bind = self.connect(accept=False).accept()
        self.assertEqual((bind.dn, bind.auth), (b"", b""))

    def test_several_addresses(self) -> None:
        """A server with several addresses is tried at each, for its share of the time."""
        self.names.answer = ["192.0.2.1", "192.0.2.2"]
        asked = self.ask()
        self.assertEqual(self.reactor.tcpClients[0][3], TIMEOUT / 2)
        self.refuse()
        self.assertEqual(self.reactor.tcpClients[1][0], "192.0.2.2")
        self.refuse()
        self.assertIn("cannot connect", self.reason(asked))
        self.see_clean()

    def test_pool(self) -> None:
        """A connection that has something to do is helped by another, up to their number; then they share."""
        first = self.ask()
        one = self.connect()
        others = [self.ask() for _ in range(3)]
        self.assertEqual(self.attempts, 2)
        two = self.connect()
        more = [self.ask() for _ in range(2)]
        self.assertEqual((self.attempts, len(one.numbers()), len(two.numbers())), (2, 4, 2))
        one.say(*(found(number, "bob") + done(number) for number in (5, 2, 4, 3)))
        two.say(*(done(number) for number in (2, 3)))
        for asked in (first, *others):
            self.assertEqual(self.successResultOf(asked), [entry_of("bob")])
        self.assertEqual([self.successResultOf(asked) for asked in more], [[], []])
        self.see_clean([one, two])

    def test_full(self) -> None:
        """No connection gets more than it may have; who waits goes next, or hears at the deadline that it is late."""
        self.directory = self.make(size=1)
        asked = [self.ask() for _ in range(MOST_OPEN + 2)]
        peer = self.connect()
        numbers = peer.numbers()
        self.assertEqual(len(numbers), MOST_OPEN)
        peer.say(done(numbers[0]))
        self.successResultOf(asked[0])
        self.assertEqual(len(peer.numbers()), 1)
        self.reactor.advance(TIMEOUT)
        self.assertEqual({self.reason(each) for each in asked[1:]}, {"ldap://ldap.example:389: no answer in time"})
        self.see_clean()

    def test_size_limit(self) -> None:
        """Who gives no more than a number of entries has given enough."""
        asked = self.ask()
        peer = self.connect()
        (number,) = peer.numbers()
        peer.say(found(number, "bob"), done(number, 4))
        self.assertEqual(self.successResultOf(asked), [entry_of("bob")])

    def test_refused_question(self) -> None:
        """A result other than success is told by its name, in one line."""
        asked = self.ask()
        peer = self.connect()
        (number,) = peer.numbers()
        peer.say(done(number, 50, "no\nway"))
        self.assertEqual(self.reason(asked), "ldap://ldap.example:389: insufficientAccessRights (no way)")
        self.see_clean([peer])

    def test_open(self) -> None:
        """To open is to look at the entry that searches begin at, again at each time."""
        for code, outcome in ((0, None), (32, "ldap://ldap.example:389: noSuchObject")):
            opened = self.directory.open()
            peer = self.peers[0] if self.peers else self.connect()
            (message,) = peer.heard()
            self.assertEqual((message.value.scope, message.value.attributes), (0, [b"1.1"]))
            peer.say(done(message.id, code))
            self.assertEqual(self.reason(opened) if outcome else self.successResultOf(opened), outcome)


class LossTests(DirectoryTestCase):
    """Servers that refuse, are away, are silent, or damaged."""

    def test_refused(self) -> None:
        """A server that is not there is left alone for a while; questions fail at once then."""
        asked = [self.ask() for _ in range(3)]
        self.refuse(0)
        self.refuse(1)
        for each in (*asked, self.ask()):
            self.assertIn("cannot connect: Connection was refused", self.reason(each))
        self.assertEqual(self.attempts, 2)
        self.reactor.advance(HOLD_OFF)
        self.ask()
        self.assertEqual(self.attempts, 3)

    def test_refused_bind(self) -> None:
        """A wrong password of ours is told, and the connection closed."""
        asked = self.ask()
        peer = self.connect(accept=False)
        (message,) = peer.heard()
        peer.say(octets(message.id, pureldap.LDAPBindResponse(49)))
        self.assertEqual(self.reason(asked), f"ldap://ldap.example:389: bind as {READER}: invalidCredentials")
        self.see_clean()

    def test_another_refused(self) -> None:
        """A server that takes no second connection is asked on the first one."""
        first = self.ask()
        peer = self.connect()
        second = self.ask()
        self.refuse()
        peer.answer("bob")
        self.assertEqual(self.successResultOf(first), self.successResultOf(second))
        self.see_clean([peer])

    def test_unknown_host(self) -> None:
        """A name without an address is an absent server; a mistake of ours is not."""
        self.names.answer = NameNotFoundError("no such host")
        self.assertIn("no such host", self.reason(self.ask()))
        self.reactor.advance(HOLD_OFF)
        self.names.answer = ZeroDivisionError()
        self.failureResultOf(self.ask(), ZeroDivisionError)

    def test_silent(self) -> None:
        """A silent server costs its deadline, then nothing; all its connections are given up."""
        asked = [self.ask(), self.ask()]
        one, two = self.connect(), self.connect()
        self.reactor.advance(1)
        asked.append(self.ask())
        self.reactor.advance(TIMEOUT - 1)
        for each in (*asked, self.ask()):
            self.assertIn("no answer in time", self.reason(each))
        self.assertFalse(one.is_open or two.is_open)
        self.see_clean()
        self.reactor.advance(HOLD_OFF)
        self.ask()
        self.assertEqual(self.attempts, 3)

    def test_silent_before(self) -> None:
        """So it is where the server is silent before it is bound to, or has not even been reached."""
        for is_reached in (True, False):
            asked = self.ask()
            if is_reached:
                self.connect(accept=False)
            self.reactor.advance(TIMEOUT)
            self.assertIn("no answer in time", self.reason(asked))
            self.see_clean()
            self.reactor.advance(HOLD_OFF)

    def test_slow(self) -> None:
        """A question that takes too long is abandoned, where the server answers others; those go on."""
        self.directory = self.make(size=1)
        slow = self.ask()
        peer = self.connect()
        self.reactor.advance(1)
        quick = self.ask()
        first, second = peer.numbers()
        peer.say(done(second))
        self.successResultOf(quick)
        self.reactor.advance(TIMEOUT - 1)
        self.assertIn("no answer in time", self.reason(slow))
        (message,) = peer.heard()
        self.assertIsInstance(message.value, pureldap.LDAPAbandonRequest)
        self.assertEqual(message.value.value, first)
        peer.say(found(first, "late"), done(first))
        last = self.ask()
        peer.answer("bob")
        self.assertEqual(self.successResultOf(last), [entry_of("bob")])
        self.see_clean([peer])

    def test_one_silent(self) -> None:
        """A connection on which nothing comes is given up alone, where the server is heard on another."""
        asked = [self.ask()]
        silent = self.connect()
        asked.append(self.ask())
        other = self.connect()
        asked.append(self.ask())
        self.reactor.advance(1)
        other.answer("bob")
        self.reactor.advance(TIMEOUT - 1)
        self.assertIn("no answer in time", self.reason(asked[0]))
        self.assertIn("no answer in time", self.reason(asked[1]))
        self.assertEqual(self.successResultOf(asked[2]), [entry_of("bob")])
        self.assertEqual((silent.is_open, other.is_open), (False, True))
        last = self.ask()
        other.answer("bob")
        self.assertEqual(self.successResultOf(last), [entry_of("bob")])
        self.see_clean([other])

    def test_lost(self) -> None:
        """A question whose connection is lost is asked once more, on another one, within its deadline."""
        asked = self.ask()
        peer = self.connect()
        self.reactor.advance(1)
        peer.transport.lose(ConnectionDone())
        self.assertNoResult(asked)
        again = self.connect()
        again.answer("bob")
        self.assertEqual(self.successResultOf(asked), [entry_of("bob")])
        asked = self.ask()
        again.transport.lose(ConnectionLost())
        self.connect().transport.lose(ConnectionDone())
        self.assertIn("the server has closed the connection", self.reason(asked))
        asked = self.ask()
        self.connect().transport.lose(ConnectionDone())
        self.refuse()
        self.assertIn("cannot connect", self.reason(asked))
        self.see_clean()

    def test_lost_idle(self) -> None:
        """An idle connection that is lost is forgotten."""
        self.ask()
        peer = self.connect()
        peer.answer()
        peer.transport.lose(ConnectionDone())
        self.ask()
        self.assertEqual(self.attempts, 2)

    def test_damaged(self) -> None:
        """Octets that make no sense end the connection, and the questions on it; the next one gets another."""
        for octet in (
            b"HTTP/1.1 400\r\n",
            b"\x30\x80",
            b"\x30\x84\x7f\xff\xff\xff",
            b"\x30\x85\x00\x00\x00\x00\x01",
            b"\x30\x03\x02\x01\x02",
            b"\x30\x05\x02\x01\x02\x05\x00",
            b"\x30\x84%b" % (LONGEST_MESSAGE + 1).to_bytes(4, "big"),
            octets(2, pureldap.LDAPBindRequest()),
            found(2, *(f"user{number}" for number in range(MOST_FOUND + 1))),
        ):
            asked = self.ask()
            peer = self.connect()
            peer.say(octet)
            self.assertIn("ldap://ldap.example:389: ", self.reason(asked))
            peer.say(b"more")
            self.see_clean()

    def test_notice(self) -> None:
        """A server that says that it disconnects is believed, and the question put elsewhere."""
        asked = self.ask()
        self.connect().say(octets(0, NOTICE))
        self.connect().say(octets(0, NOTICE))
        self.assertIn("the server disconnects: unavailable (bye)", self.reason(asked))
        self.see_clean()


class ScanTests(DirectoryTestCase):
    """All entries, page by page."""

    def scan(self, most: int = 5 * PAGE) -> "tuple[list[str], Any]":
        """Begin a scan, and give what it finds and its end."""
        names: list[str] = []
        return names, self.directory.scan(CONDITIONS, ("uid",), lambda entry: names.append(entry.name), most)

    def test_pages(self) -> None:
        """Pages come on a connection of their own, which is closed behind them; a second scan waits."""
        names, scanned = self.scan()
        _, second = self.scan()
        self.assertEqual(self.attempts, 1)
        peer = self.connect()
        for cookie, follows, uids in ((b"", b"a", ("one",)), (b"a", b"b", ()), (b"b", b"", ("two", "three"))):
            (message,) = peer.heard()
            ((name, _, value),) = message.controls
            self.assertEqual((name, cookie in value, message.value.sizeLimit), (PAGED_RESULTS, True, 0))
            peer.say(found(message.id, *uids), done(message.id, cookie=follows))
        self.successResultOf(scanned)
        self.assertEqual([name.partition(",")[0] for name in names], ["uid=one", "uid=two", "uid=three"])
        (message,) = peer.heard()
        self.assertIsInstance(message.value, pureldap.LDAPUnbindRequest)
        self.connect().answer()
        self.successResultOf(second)
        self.see_clean()

    def test_too_many(self) -> None:
        """More entries than are wanted are not read; neither are pages without end."""
        for uids in (("one", "two"), ()):
            _, scanned = self.scan(most=3)
            peer = self.connect()
            for _ in range(4):
                for number in peer.numbers():
                    peer.say(found(number, *uids), done(number, cookie=b"more"))
            self.assertIn("more than 3 entries", self.reason(scanned))
            self.see_clean()

    def test_no_pages(self) -> None:
        """A server that knows no pages gives all at once."""
        names, scanned = self.scan()
        self.connect().answer(*(f"user{number}" for number in range(2 * PAGE)))
        self.successResultOf(scanned)
        self.assertEqual(len(names), 2 * PAGE)

    def test_failures(self) -> None:
        """A server that is silent, or refuses, ends the scan and leaves nothing open."""
        _, scanned = self.scan()
        self.connect()
        self.reactor.advance(TIMEOUT)
        self.assertIn("no answer in time", self.reason(scanned))
        self.see_clean()
        self.assertIn("no answer in time", self.reason(self.scan()[1]))
        self.reactor.advance(HOLD_OFF)
        _, scanned = self.scan()
        peer = self.connect()
        (number,) = peer.numbers()
        peer.say(done(number, 4))
        self.assertIn("sizeLimitExceeded", self.reason(scanned))
        self.see_clean()


class TlsTests(DirectoryTestCase):
    """TLS that is begun by StartTLS; what comes of certificates only real servers show."""

    def begin(self) -> Any:
        """Ask, and give the connection and the number of StartTLS."""
        self.tls: Any = object()
        self.directory = self.make(tls=self.tls, starts_tls=True)
        self.asked = self.ask()
        peer = self.connect(accept=False)
        (message,) = peer.heard()
        self.assertEqual(message.value.requestName, b"1.3.6.1.4.1.1466.20037")
        return peer, message.id

    def test_order(self) -> None:
        """The name and password are said under TLS only."""
        peer, number = self.begin()
        peer.say(octets(number, pureldap.LDAPStartTLSResponse(0)))
        self.assertEqual(peer.transport.tls, [self.tls])
        self.assertEqual(peer.accept().auth, b"secret")

    def test_refused(self) -> None:
        """Who does not want TLS is told no password."""
        peer, number = self.begin()
        peer.say(octets(number, pureldap.LDAPStartTLSResponse(53)))
        self.assertIn("StartTLS: unwillingToPerform", self.reason(self.asked))
        self.assertEqual(peer.heard(), [])
        self.see_clean()

    def test_injected(self) -> None:
        """What comes in clear behind the answer is not taken for something that came under TLS."""
        peer, number = self.begin()
        peer.say(octets(number, pureldap.LDAPStartTLSResponse(0)), octets(2, pureldap.LDAPBindResponse(0)))
        self.assertIn("StartTLS: octets behind the answer", self.reason(self.asked))
        self.assertEqual(peer.transport.tls, [])
        self.see_clean()


class CloseTests(DirectoryTestCase):
    """The end."""

    def test_close(self) -> None:
        """What is open and who waits fail; connections, and attempts, are ended; nothing can be asked afterwards."""
        asked = [self.ask() for _ in range(2 * MOST_OPEN + 1)]
        peers = [self.connect(), self.connect(accept=False)]
        closed = self.directory.close()
        self.assertEqual({self.reason(each) for each in asked}, {"ldap://ldap.example:389: closed"})
        self.assertNoResult(closed)
        self.see_clean()
        self.successResultOf(closed)
        self.assertIsInstance(peers[0].heard()[-1].value, pureldap.LDAPUnbindRequest)
        self.assertIn("closed", self.reason(self.ask()))
        self.assertIn("closed", self.reason(self.directory.scan(CONDITIONS, (), print, 1)))
        self.successResultOf(self.directory.close())
        self.assertEqual(self.attempts, 2)

    def test_connecting(self) -> None:
        """What is being connected is given up."""
        asked = self.ask()
        self.successResultOf(self.directory.close())
        self.assertIn("closed", self.reason(asked))
        self.assertTrue(self.reactor.connectors[0].stoppedConnecting)
        self.see_clean()

    def test_scanning(self) -> None:
        """A scan that is under way fails, and so do those that wait for it."""
        scans = [self.directory.scan(CONDITIONS, ("uid",), print, 10) for _ in range(2)]
        peer = self.connect()
        self.directory.close()
        for scan in scans:
            self.assertIn("closed", self.reason(scan))
        self.assertIsInstance(peer.heard()[-1].value, pureldap.LDAPUnbindRequest)
        self.see_clean()

    def test_cancelled(self) -> None:
        """Who no longer wants an answer says so to the server; where all are cancelled at once nothing is left."""
        asked = self.ask()
        peer = self.connect()
        peer.heard()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        (message,) = peer.heard()
        self.assertIsInstance(message.value, pureldap.LDAPAbandonRequest)
        several = [self.ask(), self.ask()]
        several[0].addErrback(lambda _: several[1].cancel())
        peer.say(b"HTTP")
        self.successResultOf(several[0])
        self.failureResultOf(several[1], CancelledError)
        waiting = self.ask()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        for index in (1, 2):
            self.refuse(index)
        self.see_clean()

    def test_impolite(self) -> None:
        """A server that does not close gets no more than its grace."""
        self.ask()
        peer = self.connect()
        peer.answer()
        peer.transport.is_polite = False
        closed = self.directory.close()
        self.reactor.advance(GRACE)
        self.see_clean()
        self.successResultOf(closed)
