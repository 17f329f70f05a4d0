"""HTTP over a connection in memory."""

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.control import Api, Arguments, Field, Json, Operation, Resource
from sipproxy.control.http import IDLE, MAX_BODY, http_factory

_TEXT = Field("text", {"type": "string"}, "A text.", True)


class HttpTests(SynchronousTestCase):
    """One connection."""

    def setUp(self) -> None:
        self.late: Deferred[Json] = Deferred()
        self.texts: list[str] = []

        def take(arguments: Arguments) -> Json:
            self.texts.append(arguments["text"])
            return {"taken": len(arguments["text"])}

        api = Api(
            [
                Resource(
                    "/things",
                    (
                        Operation("GET", "Look.", lambda _: {"things": []}, {"type": "object"}),
                        Operation("POST", "Take.", take, {"type": "object"}, body=(_TEXT,)),
                    ),
                ),
                Resource("/late", (Operation("GET", "Wait.", lambda _: self.late, {"type": "object"}),)),
            ]
        )
        self.clock = Clock()
        factory: Any = http_factory(api, self.clock)
        self.transport = StringTransport()
        self.protocol: Any = factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> bytes:
        """Send octets, and give what came back."""
        self.transport.clear()
        self.protocol.dataReceived(data)
        answer: bytes = self.transport.value()
        return answer

    def ask(self, head: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Send a request, and give status, header fields and body of the answer."""
        return parsed(self.send(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body))

    def test_get(self) -> None:
        """Answers are JSON with a length, one after the other on one connection."""
        for _ in range(2):
            status, fields, body = self.ask("GET /v1/things HTTP/1.1\nHost: x")
            self.assertEqual((status, fields["content-type"]), (200, "application/json"))
            self.assertEqual((int(fields["content-length"]), json.loads(body)), (len(body), {"things": []}))

    def test_head(self) -> None:
        """HEAD has the length of the body that GET has, and no body."""
        status, fields, body = self.ask("HEAD /v1/things HTTP/1.1\nHost: x")
        self.assertEqual((status, fields["content-length"], body), (200, "13", b""))

    def test_post(self) -> None:
        """A body is read, with its length or in chunks."""
        body = b'{"text":"abc"}'
        head = "POST /v1/things HTTP/1.1\nHost: x\nContent-Type: application/json\n"
        self.assertEqual(self.ask(f"{head}Content-Length: {len(body)}", body)[2], b'{"taken":3}')
        chunks = b"5\r\n" + body[:5] + b"\r\n%x\r\n" % len(body[5:]) + body[5:] + b"\r\n0\r\n\r\n"
        self.assertEqual(self.ask(f"{head}Transfer-Encoding: chunked", chunks)[2], b'{"taken":3}')

    def test_not_allowed(self) -> None:
        """405 names the methods that there are."""
        status, fields, _ = self.ask("DELETE /v1/things HTTP/1.1\nHost: x")
        self.assertEqual((status, fields["allow"]), (405, "GET, POST"))

    def see_too_large(self, answer: bytes) -> None:
        """Check that a body was refused for its size, and the connection closed."""
        status, fields, body = parsed(answer)
        self.assertEqual((status, fields["connection"]), (413, "close"))
        self.assertEqual(json.loads(body)["error"]["code"], "too_large")
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(self.texts, [])

    def test_too_large(self) -> None:
        """A body that says to be too large is refused before any of it is read, and none of it is kept."""
        head = "POST /v1/things HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\nExpect: 100-continue\r\n\r\n"
        self.see_too_large(self.send(head.encode()))
        self.assertEqual(self.send(b"x" * 100_000), b"")

    def test_too_large_in_chunks(self) -> None:
        """A body that turns out to be too large is refused then."""
        self.send(b"POST /v1/things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        answers = [self.send(chunk) for _ in range(MAX_BODY // 0x10000 + 1)]
        self.assertEqual(set(answers[:-1]), {b""})
        self.see_too_large(answers[-1])
        self.assertEqual(self.send(b"0\r\n\r\n"), b"")

    def test_largest(self) -> None:
        """A body of the largest size is read."""
        body = b'{"text":"' + b"x" * (MAX_BODY - 11) + b'"}'
        head = "POST /v1/things HTTP/1.1\nHost: x\nContent-Type: application/json"
        status, _, answer = self.ask(f"{head}\nContent-Length: {MAX_BODY}", body)
        self.assertEqual((status, answer), (200, b'{"taken":%d}' % (MAX_BODY - 11)))

    def test_left(self) -> None:
        """Whoever has gone when the answer is there gets none, and that is no error."""
        self.send(b"GET /v1/late HTTP/1.1\r\nHost: x\r\n\r\n")
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.late.callback({"late": True})
        self.assertEqual(self.transport.value(), b"")

    def test_idle(self) -> None:
        """A connection that says nothing is closed after a while."""
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(IDLE)
        self.assertTrue(self.transport.disconnecting)


def parsed(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Give status, header fields and body of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), fields, body
