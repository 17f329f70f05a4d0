"""Translators and routers of who embeds the server."""

from pathlib import Path

from zope.interface import implementer

from sipproxy.app import make_service, settings_of
from sipproxy.message import Uri, parse_uri
from sipproxy.routing import IRouter, NextHop, NextHops
from sipproxy.simulation import answers
from sipproxy.translation import ITranslator, Subject, Target, Targets
from test.scenario.stage import PROXY, ScenarioTestCase


@implementer(ITranslator)
class ToTheDesk:
    """Sends calls for the boss to the desk, and knows nothing of others."""

    name = "desk"

    def translate(self, subject: Subject) -> Targets:
        """Give the desk."""
        return (Target(parse_uri(b"sip:desk@10.0.0.8"), origin=self.name),) if subject.uri.user == b"boss" else ()


@implementer(IRouter)
class ToTheGateway:
    """Knows a gateway for numbers that begin with 7."""

    name = "sevens"

    def route(self, uri: Uri, subject: Subject) -> NextHops:
        """Give the gateway."""
        return (NextHop("10.0.1.1", 5060),) if (uri.user or b"").startswith(b"7") else ()


class EmbeddingTests(ScenarioTestCase):
    """A server with modules of its owner's."""

    def test_own_modules(self) -> None:
        """They are asked first, also after a reload; what they leave goes on as configured."""
        values = {
            "ServerRoot": str(Path(self.mktemp())),
            "Listen": f"{PROXY}:5060",
            "ServerName": PROXY,
            "ProxyDomain": "example.com",
            **dict.fromkeys(("RegistryDatabase", "RoutingDatabase", "NumbersDatabase"), "memory"),
            "StaticRegistration": ["bob@example.com sip:bob@10.0.0.2", "boss@example.com sip:boss@10.0.0.3"],
        }
        simulation = self.simulation
        server = make_service(
            settings_of(values),
            simulation.clock,
            simulation.host(PROXY),
            resolver=simulation.names,
            subscribers=simulation.people,
            translators=(ToTheDesk(),),
            routers=(ToTheGateway(),),
        )
        server.startService()
        simulation.servers[PROXY] = server
        simulation.run(0.1)
        phones = {}
        for name, address in ((b"desk", "10.0.0.8"), (b"gw", "10.0.1.1"), (b"bob", "10.0.0.2")):
            phones[name] = simulation.agent(b"sip:" + name + b"@example.com", address)
            phones[name].behaviour = answers()
        alice = self.alice()
        for _ in range(2):
            for user in (b"boss", b"7001", b"bob"):
                call = alice.invite(b"sip:" + user + b"@example.com")
                simulation.run_until(lambda call=call: call.is_over)  # type: ignore[misc]
                self.assertEqual(call.final, 200, user)
            server.reload(settings_of(values))
        self.assertEqual([len(phone.calls) for phone in phones.values()], [2, 2, 2])
