"""Tests of L{sipproxy.access.access} with L{sipproxy.access.schemes} and L{sipproxy.access.checks}."""

from ipaddress import ip_network
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipproxy.access.checks import ICheck, SubscriberCheck
from sipproxy.access.failures import Rate
from sipproxy.access.keys import CallerKeys
from sipproxy.access.schemes import DigestScheme, IScheme
from sipproxy.errors import RequestError, SilenceError, UnavailableError
from sipproxy.interfaces import Address, IAccess, ISubscriber, ISubscribers
from sipproxy.message import Request

from .fixtures import PHONE, Book, Door, Person, answer, challenge_of, request

BODY = "v=0\r\n"


class AccessTestCase(SynchronousTestCase):
    """Sends requests to a door."""

    def refused(self, door: Door, sent: Request, source: Address = PHONE, registrar: bool = False) -> RequestError:
        """Give the error that a request is refused with at once."""
        error: RequestError = self.assertRaises(RequestError, door.access.admit, sent, source, registrar)
        return error

    def challenge(self, door: Door, sent: Request | None = None, source: Address = PHONE) -> dict[str, str]:
        """Give the challenge that a request meets as at a proxy."""
        error = self.refused(door, sent or request(), source)
        self.assertEqual(error.status, 407)
        return challenge_of(error)

    def attempt(self, door: Door, sent: Request, source: Address = PHONE) -> Any:
        """Tell what becomes of a request: the user, the status, or that it is stale."""
        try:
            notes = door.access.admit(sent, source, False)
        except RequestError as error:
            return "stale" if any(b"stale=true" in header for header in error.headers) else error.status
        assert isinstance(notes, dict)
        return notes["user"]


class ChallengeTests(AccessTestCase):
    """Who is asked, and how."""

    def test_interfaces(self) -> None:
        """The classes are what their interfaces say."""
        door = Door()
        verifyObject(IAccess, door.access)
        verifyObject(IScheme, DigestScheme("r", ("MD5",), ("auth",), door.nonces))
        verifyObject(ISubscribers, Book())
        verifyObject(ISubscriber, Person("bob"))
        verifyObject(ICheck, SubscriberCheck(Book(), Random(1)))

    def test_proxy(self) -> None:
        """As a proxy 407, an algorithm a header, in the configured order and with one nonce."""
        error = self.refused(Door(), request())
        self.assertEqual(error.status, 407)
        first, second = error.headers
        self.assertRegex(
            first,
            rb'^Proxy-Authenticate: Digest realm="example.com", nonce="[\w-]+", opaque="[0-9a-f]{16}", '
            rb'algorithm=MD5, qop="auth,auth-int"$',
        )
        self.assertEqual(second, first.replace(b"=MD5", b"=SHA-256"))

    def test_registrar(self) -> None:
        """As a registrar 401."""
        error = self.refused(Door(algorithms=("SHA-256",)), request(method="REGISTER"), registrar=True)
        self.assertEqual(error.status, 401)
        self.assertRegex(error.headers[0], b"^WWW-Authenticate: Digest .*algorithm=SHA-256")
        self.assertEqual(len(error.headers), 1)

    def test_methods(self) -> None:
        """Methods that are not configured need no credentials."""
        self.assertEqual(Door().access.admit(request(method="OPTIONS"), PHONE, False), {})
        self.challenge(Door(methods=("OPTIONS",)), request(method="OPTIONS"))

    def test_trusted(self) -> None:
        """Trusted peers need none; an IPv4 address counts also as IPv6 writes it."""
        door = Door(trusted=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/64")))
        for host in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7"):
            self.assertEqual(door.access.admit(request(), (host, 5060), False), {})
        for host in ("192.0.3.7", "2001:db8:1::7", "fe80::1%eth0"):
            self.challenge(door, source=(host, 5060))

    def test_others_credentials(self) -> None:
        """Those for other realms, schemes, algorithms and roles are not ours, nor those nobody can read."""
        door = Door()
        ours = answer(self.challenge(door))
        for line in (
            ours.replace('realm="example.com"', 'realm="example.org"'),
            ours.replace("algorithm=MD5", "algorithm=MD5-sess"),
            ours.replace("Digest", "Basic"),
            ours.replace("Digest", "Digest ="),
            ours.replace("qop=auth", "qop=other"),
            ours.replace("Proxy-Authorization", "Authorization"),
        ):
            self.assertEqual(self.attempt(door, request(line)), 407, line)
        self.assertEqual(door.book.asked, [])

    def test_not_yet(self) -> None:
        """One who was not challenged yet may send credentials without nonce and response (RFC 8760 2.7)."""
        line = 'Proxy-Authorization: Digest username="bob", realm="example.com", uri="sip:a@b", nonce="", response=""'
        self.assertNotIn("stale", self.challenge(Door(), request(line)))

    def test_improper(self) -> None:
        """Credentials for our realm that lack something are told what."""
        door = Door()
        ours = answer(self.challenge(door))
        for old, new, reason in (
            ("username=", "user=", b"Missing username In Credentials"),
            ("nc=0", "n=0", b"Bad Nonce Count Or Cnonce In Credentials"),
            ('uri="sip:', 'uri="<', b"Bad URI"),
        ):
            error = self.refused(door, request(ours.replace(old, new)))
            self.assertEqual((error.status, error.reason), (400, reason))


class DigestTests(AccessTestCase):
    """Right and wrong credentials."""

    def test_right(self) -> None:
        """Both algorithms, both qops, and none, by an independent client."""
        for algorithm in ("MD5", "SHA-256"):
            for qop in ("auth", "auth-int", ""):
                door = Door()
                challenge = challenge_of(self.refused(door, request()), algorithm)
                line = answer(challenge, qop=qop, body=BODY)
                self.assertEqual(self.attempt(door, request(line, body=BODY, cseq=2)), "bob")

    def test_integrity(self) -> None:
        """With auth-int the body counts."""
        door = Door()
        line = answer(self.challenge(door), qop="auth-int", body=BODY)
        self.assertEqual(self.attempt(door, request(line, body="v=1\r\n")), 407)

    def test_without_qop(self) -> None:
        """Clients without qop are let in where auth is offered, and not where only auth-int is (RFC 8760 2.6)."""
        for qops, outcome in ((("auth",), "bob"), (("auth-int",), 407)):
            door = Door(qops=qops)
            self.assertEqual(self.attempt(door, request(answer(self.challenge(door), qop=""))), outcome)

    def test_register(self) -> None:
        """A REGISTER with 401 and Authorization."""
        door = Door()

        def register(*lines: str) -> Request:
            return request(*lines, method="REGISTER", uri="sip:example.com", to="<sip:bob@example.com>")

        challenge = challenge_of(self.refused(door, register(), registrar=True))
        line = answer(challenge, method="REGISTER", uri="sip:example.com", header="Authorization")
        self.assertEqual(door.access.admit(register(line), PHONE, True), {"user": "bob"})

    def test_retargeted(self) -> None:
        """The Request-URI may have changed on the way (RFC 3261 22.4 item 6)."""
        door = Door()
        line = answer(self.challenge(door))
        self.assertEqual(self.attempt(door, request(line, uri="sip:carol@192.0.2.1")), "bob")

    def test_wrong_looks_unknown(self) -> None:
        """A wrong password, an unknown user, a name that is none, and a missing hash look the same."""
        door = Door(Person("bob", algorithms="SHA-256"), Person("carol"))
        shapes = set()
        for user, password in (("bob", "secret"), ("carol", "x"), ("nobody", "x"), ("\t", "x")):
            error = self.refused(door, request(answer(self.challenge(door), user=user, password=password)))
            self.assertNotIn(b"stale", error.headers[0])
            shapes.add((error.status, error.reason, tuple(header[:48] for header in error.headers)))
        self.assertEqual(len(shapes), 1)

    def test_disabled(self) -> None:
        """A disabled subscriber is told so with the right password only."""
        door = Door(Person("bob", enabled=False))
        self.assertEqual(self.attempt(door, request(answer(self.challenge(door)))), 403)
        self.assertEqual(self.attempt(door, request(answer(self.challenge(door), password="x"))), 407)

    def test_several(self) -> None:
        """Of several credentials those of our realm count, fresh before stale, then by algorithm."""
        door = Door(algorithms=("SHA-256", "MD5"))
        error = self.refused(door, request())
        sha, weak = (answer(challenge_of(error, algorithm)) for algorithm in ("SHA-256", "MD5"))
        foreign = sha.replace("example.com", "example.org")
        old = sha.replace('nonce="', 'nonce="x')
        self.assertEqual(self.attempt(door, request(foreign, old, weak)), "bob")
        wrong = answer(challenge_of(error, "MD5"), password="x", nc=2)
        for lines in ((wrong, sha), (sha, wrong)):
            self.assertEqual(self.attempt(door, request(*lines)), "bob")

    def test_check_user(self) -> None:
        """The one who authenticated must be the user of From, or of To in REGISTER, unless told otherwise."""
        alice = "<sip:alice@example.com>;tag=1"
        for check, outcome in ((True, 403), (False, "bob")):
            door = Door(check_user=check)
            self.assertEqual(self.attempt(door, request(answer(self.challenge(door)), from_=alice)), outcome)
        door = Door()
        line = answer(self.challenge(door), method="REGISTER", header="Proxy-Authorization")
        for to, wanted in (("<sip:alice@example.com>", 403), ("<sip:bob@example.com>", "bob")):
            self.assertEqual(self.attempt(door, request(line, method="REGISTER", from_=alice, to=to)), wanted)

    def test_from(self) -> None:
        """With OrigUserNameSource From the subscriber is who From says, and the credentials must be theirs."""
        door = Door(Person("bob@example.com"), Person("alice"), keys=CallerKeys("example.com", "From"))
        self.assertEqual(self.attempt(door, request(answer(self.challenge(door)))), "bob@example.com")
        self.assertEqual(self.attempt(door, request(answer(self.challenge(door), user="alice"))), 407)


class NonceTests(AccessTestCase):
    """Stale nonces and replays."""

    def test_stale(self) -> None:
        """A nonce that is too old or none of ours is stale, without a look at the password."""
        door = Door()
        challenge = self.challenge(door)
        door.clock.advance(301)
        self.assertEqual(self.attempt(door, request(answer(challenge))), "stale")
        self.assertEqual(self.attempt(door, request(answer({**challenge, "nonce": "x"}))), "stale")
        self.assertEqual(door.book.asked, [])

    def test_counts(self) -> None:
        """A client may go on with a nonce by counting."""
        door = Door()
        challenge = self.challenge(door)
        for count in (1, 3, 2):
            self.assertEqual(self.attempt(door, request(answer(challenge, nc=count), cseq=count)), "bob")

    def test_replay(self) -> None:
        """The same count for another request is a replay: another CSeq, Call-ID, Contact, or sender."""
        door = Door()
        line = answer(self.challenge(door))
        contact = "Contact: <sip:bob@192.0.2.7>"
        sent = request(line, contact)
        self.assertEqual(self.attempt(door, sent), "bob")
        self.assertEqual(self.attempt(door, request(line, contact, cseq=2)), "stale")
        self.assertEqual(self.attempt(door, request(line, contact, call_id="c2")), "stale")
        self.assertEqual(self.attempt(door, request(line, contact.replace("bob", "eve"))), "stale")
        self.assertEqual(self.attempt(door, sent, ("192.0.2.99", 5060)), "stale")
        self.assertEqual(self.attempt(door, sent), "bob")

    def test_replay_without_qop(self) -> None:
        """A nonce without count is good for one request."""
        door = Door()
        line = answer(self.challenge(door), qop="")
        self.assertEqual(self.attempt(door, request(line)), "bob")
        self.assertEqual(self.attempt(door, request(line)), "bob")
        self.assertEqual(self.attempt(door, request(line, cseq=2)), "stale")

    def test_wrong_spends_nothing(self) -> None:
        """Who does not know the password cannot use up somebody's counts."""
        door = Door()
        challenge = self.challenge(door)
        self.assertEqual(self.attempt(door, request(answer(challenge, password="x"))), 407)
        self.assertEqual(self.attempt(door, request(answer(challenge), cseq=2)), "bob")


class BackendTests(AccessTestCase):
    """Databases that are slow or away."""

    def test_late(self) -> None:
        """An answer that comes later is as good, or as bad."""
        for found, outcome in ((Person("bob"), "bob"), (None, 407)):
            door = Door()
            line = answer(self.challenge(door))
            door.book.late = []
            admitted = door.access.admit(request(line), PHONE, False)
            assert isinstance(admitted, Deferred)
            self.assertNoResult(admitted)
            door.book.answer(found)
            if found is None:
                self.assertEqual(self.failureResultOf(admitted, RequestError).value.status, outcome)
            else:
                self.assertEqual(self.successResultOf(admitted), {"user": outcome})

    def test_away(self) -> None:
        """A database that is away is 503 with Retry-After, at once or later, and no failure of the sender."""
        door = Door(rate=Rate(1, 60.0))
        for _ in range(5):
            line = answer(self.challenge(door))
            door.book.error = UnavailableError()
            error = self.refused(door, request(line))
            self.assertEqual((error.status, error.headers), (503, (b"Retry-After: 30",)))
        door.book.error, door.book.late = None, []
        admitted = door.access.admit(request(line), PHONE, False)
        assert isinstance(admitted, Deferred)
        door.book.answer(Failure(UnavailableError()))
        self.assertEqual(self.failureResultOf(admitted, UnavailableError).value.status, 503)

    def test_fault(self) -> None:
        """A fault of ours is none of the sender's, and goes through."""
        door = Door()
        line = answer(self.challenge(door))
        door.book.error = ZeroDivisionError()
        self.assertRaises(ZeroDivisionError, door.access.admit, request(line), PHONE, False)


class FailureTests(AccessTestCase):
    """Who fails often."""

    def test_limit(self) -> None:
        """At once, late, then never, even with the right password; others are not concerned."""
        door = Door(Person("bob"), Person("carol"), rate=Rate(1, 60.0))
        challenge = self.challenge(door)
        wrong, right = request(answer(challenge, password="x")), request(answer(challenge))
        self.assertEqual(self.attempt(door, wrong), 407)
        late = door.access.admit(wrong, PHONE, False)
        assert isinstance(late, Deferred)
        self.assertNoResult(late)
        door.clock.advance(2)
        self.assertEqual(self.failureResultOf(late, RequestError).value.status, 407)
        self.assertRaises(SilenceError, door.access.admit, right, PHONE, False)
        carol = answer(challenge, user="carol")
        self.assertEqual(self.attempt(door, request(carol, from_="<sip:carol@example.com>;tag=1")), "carol")
        door.clock.advance(120)
        self.assertEqual(self.attempt(door, right), "bob")

    def test_at_one_time(self) -> None:
        """Guesses that wait for the database together are no better than those one after the other."""
        door = Door(rate=Rate(1, 60.0))
        challenge = self.challenge(door)
        door.book.late = []
        sent = [request(answer(challenge, password=password)) for password in ("x", "y", "secret")]
        outcomes = [door.access.admit(guess, PHONE, False) for guess in sent]
        door.book.answer(Person("bob"))
        door.clock.advance(2)
        for outcome, error in zip(outcomes, (RequestError, RequestError, SilenceError), strict=True):
            assert isinstance(outcome, Deferred)
            self.failureResultOf(outcome, error)

    def test_forged_source(self) -> None:
        """The address that was given the nonce pays, so that nobody can be silenced by forged datagrams."""
        door = Door(rate=Rate(1, 60.0))
        elsewhere = ("198.51.100.1", 5060)
        guesses = self.challenge(door, source=elsewhere)
        self.assertEqual(self.attempt(door, request(answer(guesses, password="x"))), 407)
        late = door.access.admit(request(answer(guesses, password="y")), PHONE, False)
        assert isinstance(late, Deferred)
        self.assertRaises(SilenceError, door.access.admit, request(answer(guesses)), elsewhere, False)
        self.assertEqual(self.attempt(door, request(answer(self.challenge(door)))), "bob")
        door.clock.advance(2)
        self.failureResultOf(late, RequestError)
