"""Control requests without a socket, for tests."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.control import Api
from sipproxy.control.registrations import Configured, Registrations
from sipproxy.databases.registry import LINGER, Registry
from sipproxy.databases.registry_store import MemoryStore
from sipproxy.proxy.identity import Identity
from sipproxy.registrar.bindings import Binding, Bindings

NOW = 1_790_000_000.0
IDENTITY = Identity(["example.com"], ["192.0.2.1"], [5060])
STATIC = {b"boss@example.com": (Binding(b"sip:boss@192.0.2.9", q=0.5),)}


def binding(contact: bytes, seconds: float = 3600) -> Binding:
    """Give a registered binding that lasts some seconds from L{NOW}."""
    return Binding(contact, expires=NOW + seconds, updated=NOW, call_id=b"c1", cseq=1)


class Registered:
    """A registry in memory, and what the control socket makes of it.

    @ivar api: the requests
    @ivar clock: the clock of its delays
    """

    def __init__(self, static: Mapping[bytes, Bindings] = STATIC) -> None:
        self.clock = Clock()
        self.registry = Registry(MemoryStore(), self.clock, lambda: NOW)
        self.registry.start()
        self.configured = Configured(static, IDENTITY.aor_key)
        self.api = Api([Registrations(self.registry, lambda: self.configured, lambda: NOW).resource()])

    def store(self, aor: bytes, *bindings: Binding) -> None:
        """Register."""
        self.registry.store(aor, bindings)
        self.clock.advance(LINGER)


class ApiTestCase(SynchronousTestCase):
    """Asks an L{Api} whose operations need at most the time of one commit."""

    api: Api
    clock = Clock()

    def ask(self, method: str, path: str, body: object = None, **query: object) -> tuple[int, Any]:
        """Give the status and the JSON of an answer."""
        target = f"/v1{path}?{urlencode(query)}" if query else f"/v1{path}"
        data = b"" if body is None else json.dumps(body).encode()
        done = self.api.handle(method, target, "application/json" if data else "", data)
        self.clock.advance(LINGER)
        reply = self.successResultOf(done)
        self.assertEqual(json.loads(json.dumps(reply.content)), reply.content)
        return reply.status, reply.content

    def refused(self, method: str, path: str, body: object = None, **query: object) -> tuple[int, str]:
        """Give the status and the message of a refusal."""
        status, content = self.ask(method, path, body, **query)
        self.assertEqual(list(content), ["error"])
        self.assertEqual(sorted(content["error"]), ["code", "message"])
        return status, content["error"]["message"]
