"""Checks by RADIUS, over a client of the tests' own."""

import hashlib
from collections.abc import Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.access.radius import ChapCheck, RadiusDigestCheck, RadiusVerdict
from sipproxy.errors import RequestError, UnavailableError
from sipproxy.wire.radius import (
    ACCESS_ACCEPT,
    ACCESS_CHALLENGE,
    ACCESS_REJECT,
    ACCESS_REQUEST,
    Attribute,
    Packer,
    Reply,
    load_dictionary,
    make_request,
    nas_attributes,
)

NAS = nas_attributes("192.0.2.1")
CREDENTIALS = {"username": "bob", "realm": "r", "nonce": "n", "uri": "sip:r", "response": "d", "algorithm": "MD5"}


class Answers:
    """A client that gives one answer.

    @ivar asked: the attributes of each question
    """

    def __init__(self, reply: Reply) -> None:
        self.error: Exception | None = None
        self._reply = reply
        self.asked: list[Sequence[Attribute]] = []

    def send(self, code: int, attributes: Sequence[Attribute]) -> "Deferred[Reply]":
        """Give the answer."""
        assert code == ACCESS_REQUEST
        self.asked.append(attributes)
        return succeed(self._reply) if self.error is None else fail(self.error)


class ChapTests(SynchronousTestCase):
    """ChapCheck."""

    def test_request(self) -> None:
        """The server can compute what was sent from the password alone, and a challenge is never used twice."""
        client = Answers(Reply(ACCESS_ACCEPT, {}))
        check = ChapCheck(client, NAS, Random(1))
        for _ in range(2):
            fields = {"username": "bob", "password": "pä"}
            verdict = self.successResultOf(check.check(fields, b"INVITE", b"sip:r", b"", "bob@example.com"))
            self.assertEqual(verdict, RadiusVerdict("accepted"))
        first, second = (dict(asked) for asked in client.asked)
        self.assertEqual(first["User-Name"], b"bob@example.com")
        self.assertEqual(first["NAS-IP-Address"], "192.0.2.1")
        answer, challenge = first["CHAP-Password"], first["CHAP-Challenge"]
        assert isinstance(answer, bytes) and isinstance(challenge, bytes)
        self.assertEqual(len(challenge), 16)
        self.assertEqual(answer[1:], hashlib.md5(answer[:1] + "pä".encode() + challenge).digest())
        self.assertNotEqual(challenge, second["CHAP-Challenge"])

    def test_names(self) -> None:
        """No name, and one too long, are not asked for."""
        client = Answers(Reply(ACCESS_ACCEPT, {}))
        for name in ("", "x" * 254):
            asked = ChapCheck(client, NAS, Random(1)).check({"password": "x"}, b"INVITE", b"sip:r", b"", name)
            self.assertEqual(self.failureResultOf(asked, RequestError).value.status, 400)
        self.assertEqual(client.asked, [])


class DigestTests(SynchronousTestCase):
    """RadiusDigestCheck."""

    def check(self, reply: Reply, fields: dict[str, str] = CREDENTIALS, uri: bytes = b"sip:r") -> RadiusVerdict:
        """Check credentials."""
        self.client = Answers(reply)
        return self.successResultOf(RadiusDigestCheck(self.client, NAS).check(fields, b"INVITE", uri, b"", "bob"))

    def test_request(self) -> None:
        """Both forms are in one request."""
        self.check(Reply(ACCESS_ACCEPT, {}))
        (asked,) = self.client.asked
        self.assertEqual(asked[0], ("User-Name", b"bob"))
        names = [name for name, _ in asked]
        self.assertEqual(names.count("Digest-Response"), 1)
        self.assertEqual(names.count("Sterman-Digest-Response"), 1)
        self.assertEqual(names.count("Sterman-Digest-Attributes"), 6)

    def test_verdicts(self) -> None:
        """Acceptance, refusal and a challenge, which is a refusal too; of what else is said nothing counts."""
        said: dict[str, list[Any]] = {
            "Session-Timeout": [90, 5],
            "Reply-Message": ["Hello, ", b"\xff", "bob"],
            "Class": [b"x"],
        }
        words = "Hello, \ufffdbob"
        self.assertEqual(self.check(Reply(ACCESS_ACCEPT, said)), RadiusVerdict("accepted", 90, words))
        self.assertEqual(self.check(Reply(ACCESS_REJECT, said)), RadiusVerdict("refused", None, words))
        self.assertEqual(self.check(Reply(ACCESS_CHALLENGE, {})).outcome, "refused")

    def test_away(self) -> None:
        """Where no server answers that is not a refusal."""
        client = Answers(Reply(ACCESS_ACCEPT, {}))
        client.error = UnavailableError()
        asked = RadiusDigestCheck(client, NAS).check(CREDENTIALS, b"INVITE", b"sip:r", b"", "bob")
        self.assertEqual(self.failureResultOf(asked, UnavailableError).value.status, 503)

    def test_too_long(self) -> None:
        """Credentials that no packet can hold are the telephone's fault."""
        client = Answers(Reply(ACCESS_ACCEPT, {}))
        check = RadiusDigestCheck(client, NAS)
        many = CREDENTIALS | dict.fromkeys(("username", "realm", "nonce", "cnonce", "opaque", "uri"), "x" * 250)
        for fields, user in ((CREDENTIALS | {"cnonce": "c" * 252}, "bob"), (many, "bob"), (CREDENTIALS, "b" * 254)):
            error = self.failureResultOf(check.check(fields, b"INVITE", b"sip:r", b"", user), RequestError).value
            self.assertEqual(error.status, 400)
        self.assertEqual(client.asked, [])

    def test_largest(self) -> None:
        """The longest credentials that are let through fit into a packet, in both forms."""
        names = ("username", "nonce", "cnonce", "opaque", "uri", "response")
        fields = CREDENTIALS | dict.fromkeys(names, "x" * (1480 // len(names)))
        self.check(Reply(ACCESS_ACCEPT, {}), fields)
        (asked,) = self.client.asked
        made = make_request(ACCESS_REQUEST, 0, b"s", Packer(load_dictionary()).pack(asked), bytes(16))
        self.assertLess(len(made.data), 3400)
