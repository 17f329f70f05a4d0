"""Tests of L{sipproxy.access.radius_check} and L{sipproxy.access.basic}."""

from base64 import b64encode
from collections.abc import Mapping
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipproxy.access.access import Access
from sipproxy.access.basic import BasicCredentials, BasicScheme, parse_basic
from sipproxy.access.checks import ICheck
from sipproxy.access.failures import FailureLimit
from sipproxy.access.keys import CallerKeys
from sipproxy.access.nonces import Nonces
from sipproxy.access.radius import RadiusVerdict
from sipproxy.access.radius_check import Naming, RadiusCheck, as_it_is, with_domain
from sipproxy.access.schemes import DigestScheme, IScheme
from sipproxy.access.settings import Policy
from sipproxy.errors import RequestError, UnavailableError

from .fixtures import NOW, PHONE, REALM, answer, challenge_of, request


class Judge:
    """A RADIUS server that is told what to answer.

    @ivar asked: the fields and the User-Name of each question
    """

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], str]] = []
        self.answer: Deferred[RadiusVerdict] = Deferred()

    def check(
        self, fields: Mapping[str, str], method: bytes, uri: bytes, body: bytes, user: str
    ) -> "Deferred[RadiusVerdict]":
        """Answer later."""
        self.asked.append((dict(fields), user))
        return self.answer


def basic(text: bytes) -> str:
    """Give a header line with Basic credentials."""
    return f"Proxy-Authorization: Basic {b64encode(text).decode()}"


class RadiusCheckTests(SynchronousTestCase):
    """An access that asks a RADIUS server."""

    def setUp(self) -> None:
        """Make one with Basic."""
        self.judge = Judge()
        self.clock = Clock()
        self.clock.advance(NOW)
        self.access = self.made(BasicScheme(REALM))

    def made(self, scheme: IScheme, naming: Naming = as_it_is) -> Access:
        """Make an access with a scheme."""
        return Access(
            Policy(frozenset((b"INVITE",)), (), True),
            scheme,
            RadiusCheck(self.judge, naming),
            FailureLimit(None, self.clock),
            CallerKeys(REALM, "Auth"),
        )

    def admit(self, *lines: str) -> "Deferred[dict[str, str]]":
        """Send an INVITE that has to wait for the server."""
        admitted = self.access.admit(request(*lines), PHONE, False)
        assert isinstance(admitted, Deferred)
        self.assertNoResult(admitted)
        return admitted

    def test_interfaces(self) -> None:
        """The classes are what their interfaces say."""
        verifyObject(ICheck, RadiusCheck(self.judge))
        verifyObject(IScheme, BasicScheme(REALM))

    def test_challenge(self) -> None:
        """Basic is asked for, also of those whose credentials cannot be read."""
        for lines in ((), ("Proxy-Authorization: Basic ?",), (basic(b"bob"),), ("Proxy-Authorization: Digest a=b",)):
            error = self.assertRaises(RequestError, self.access.admit, request(*lines), PHONE, False)
            self.assertEqual((error.status, error.headers), (407, (b'Proxy-Authenticate: Basic realm="example.com"',)))

    def test_accepted(self) -> None:
        """What the server says is kept with the request."""
        admitted = self.admit(basic(b"bob:a:b"))
        self.assertEqual(self.judge.asked, [({"username": "bob", "password": "a:b"}, "bob")])
        self.judge.answer.callback(RadiusVerdict("accepted", 3600, "hello"))
        self.assertEqual(
            self.successResultOf(admitted), {"user": "bob", "session-timeout": "3600", "reply-message": "hello"}
        )

    def test_domain(self) -> None:
        """RadiusUserNameAttrAddDomain: the User-Name has the domain of From or its own, the user stays who it is."""
        for name, asked in ((b"bob", "bob@example.com"), (b"bob@example.com", "bob@example.com")):
            self.judge = Judge()
            self.access = self.made(BasicScheme(REALM), with_domain)
            admitted = self.admit(basic(name + b":x"))
            self.assertEqual(self.judge.asked[-1][1], asked)
            self.judge.answer.callback(RadiusVerdict("accepted", None, ""))
            self.assertEqual(self.successResultOf(admitted)["user"], name.decode())

    def test_refused(self) -> None:
        """A refusal is challenged anew."""
        admitted = self.admit(basic(b"bob:x"))
        self.judge.answer.callback(RadiusVerdict("refused", None, "no"))
        self.assertEqual(self.failureResultOf(admitted, RequestError).value.status, 407)

    def test_away(self) -> None:
        """No server answers: 503."""
        admitted = self.admit(basic(b"bob:x"))
        self.judge.answer.errback(UnavailableError())
        self.assertEqual(self.failureResultOf(admitted, RequestError).value.status, 503)

    def test_nobody(self) -> None:
        """A name that is none is not asked about."""
        self.assertRaises(RequestError, self.access.admit, request(basic(b"\xff:x")), PHONE, False)
        self.assertEqual(self.judge.asked, [])

    def test_digest(self) -> None:
        """With Digest the parameters go on, and each count is good once."""
        self.access = self.made(DigestScheme(REALM, ("MD5",), ("auth",), Nonces(Random(1), self.clock.seconds, 300)))
        challenge = challenge_of(self.assertRaises(RequestError, self.access.admit, request(), PHONE, False))
        admitted = self.admit(answer(challenge))
        fields, user = self.judge.asked[0]
        self.assertEqual((user, fields["username"], fields["nonce"]), ("bob", "bob", challenge["nonce"]))
        self.assertEqual((fields["nc"], fields["cnonce"], fields["qop"]), ("00000001", "c0ffee", "auth"))
        self.judge.answer.callback(RadiusVerdict("accepted"))
        self.assertEqual(self.successResultOf(admitted), {"user": "bob"})
        self.judge.answer = succeed(RadiusVerdict("accepted"))
        replayed = self.access.admit(request(answer(challenge), cseq=2), PHONE, False)
        assert isinstance(replayed, Deferred)
        self.assertIn(b"stale=true", self.failureResultOf(replayed, RequestError).value.headers[0])

    @given(st.binary(max_size=40))
    def test_any_octets(self, octets: bytes) -> None:
        """Any octets are credentials or not."""
        parse_basic(octets)
        parse_basic(b"Basic " + octets)
        found = parse_basic(b"basic " + b64encode(octets))
        self.assertEqual(found, BasicCredentials(*octets.split(b":", 1)) if b":" in octets else None)
