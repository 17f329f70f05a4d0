"""A reload, or the end, while something is being looked up; what a reload changes for those who authenticated."""

from typing import Any

from sipproxy.app import settings_of
from sipproxy.config import Settings
from sipproxy.directives import SERVER_ROOT
from sipproxy.simulation import answers, rejects
from test.scenario.stage import PROXY
from test.scenario.test_call_forward import ALL, MAIL, ForwardingTestCase
from test.scenario.test_review_access import BOB_URI, AccessTestCase


def settings_like(server: Any, **values: Any) -> Settings:
    """Read the configuration of a server for example.com with something changed."""
    usual = {
        "ServerRoot": str(server.composition.settings[SERVER_ROOT]),
        "Listen": f"{PROXY}:5060",
        "ServerName": PROXY,
        "RegistryDatabase": "memory",
        "RoutingDatabase": "memory",
        "NumbersDatabase": "memory",
        "ProxyDomain": "example.com",
    }
    return settings_of({**usual, **values})


class InFlightTests(ForwardingTestCase):
    """A call that waits for the subscriber database."""

    def test_wish_is_looked_up(self) -> None:
        """The call goes on by the configuration that it began with, which is closed only then."""
        self.people(bob={"busy": "sip:box@example.com"}, box={"unconditional": MAIL})
        server = self.serve_bob(**ALL)
        mail = self.at("10.0.0.9", b"mail", answers(after=3.0))
        self.callee(0, rejects(486, after=1.0))
        old = server.composition.service
        call = self.alice().invite(BOB_URI)
        self.simulation.run(0.5)
        self.simulation.people.delay = 2.0
        self.simulation.run(1)
        server.reload(settings_like(server))
        self.simulation.run(3)
        self.assertEqual((len(mail.calls), old.parent), (1, server))
        self.simulation.run(5)
        self.assertEqual((call.final, old.parent), (200, None))

    def test_first_lookup(self) -> None:
        """So does one whose targets are not known yet."""
        self.people(bob={"unconditional": MAIL})
        server = self.serve_bob(**ALL)
        self.at("10.0.0.9", b"mail", answers())
        self.simulation.people.delay = 2.0
        call = self.alice().invite(BOB_URI)
        self.simulation.run(1)
        server.reload(settings_like(server, SIPServerMode="Redirect"))
        self.simulation.run(3)
        self.assertEqual(call.final, 200)

    def test_end_while_located(self) -> None:
        """So it is while the address of a telephone is looked up."""
        server = self.serve_bob("sip:bob@two.example", GracefulStopInS="0")
        self.simulation.names.known["two.example"] = ["10.0.0.2"]
        self.simulation.names.delay = 2.0
        bob = self.callee(0)
        self.alice().invite(BOB_URI)
        self.simulation.run(1)
        server.stopService()
        self.simulation.run(10)
        self.assertEqual((bob.calls, server.sip.core.pending, len(server.sip.core.table)), ([], 0, 0))

    def test_end(self) -> None:
        """The end comes while targets and wishes are looked up: nothing comes of their answers, nor any fault."""
        for delay in (0.0, 2.0):
            self.begin()
            self.people(bob={"busy": "sip:box@example.com"}, box={"unconditional": MAIL})
            server = self.serve_bob(**ALL, GracefulStopInS="0")
            mail = self.at("10.0.0.9", b"mail", answers())
            self.callee(0, rejects(486, after=1.0))
            self.simulation.people.delay = delay
            self.alice().invite(BOB_URI)
            self.simulation.run(0.5)
            self.simulation.people.delay = 2.0
            self.simulation.run(1)
            server.stopService()
            self.simulation.run(10)
            self.assertEqual((mail.calls, server.sip.core.pending, len(server.sip.core.table)), ([], 0, 0))


class AuthenticationTests(AccessTestCase):
    """Who authenticated before a reload, and calls after it."""

    def challenge(self) -> None:
        """Be asked for credentials."""
        self.ask(b"INVITE", from_=b"<sip:alice@example.com>;tag=a", call_id=b"one")
        self.assertEqual(self.response.status, 407)

    def test_nonce(self) -> None:
        """A challenge of before is answered after; another realm asks anew."""
        for changed, status in (({}, 100), ({"AuthRealm": "elsewhere"}, 407)):
            self.open_with()
            self.challenge()
            right = self.credentials(b"INVITE", BOB_URI)
            bob = "bob@example.com sip:bob@10.0.0.2"
            self.server.reload(settings_like(self.server, Authentication="On", StaticRegistration=bob, **changed))
            self.ask(b"INVITE", right, from_=b"<sip:alice@example.com>;tag=a", cseq=b"2 INVITE", call_id=b"one")
            self.assertEqual(self.response.status, status)

    def test_dialog(self) -> None:
        """The key of a call holds after a reload."""
        self.open_with()
        self.admit()
        self.answer(200, b"Contact: <sip:bob@10.0.0.2>")
        route = b"Route: " + self.forwarded.values("record-route")[0]
        self.server.reload(settings_like(self.server, Authentication="On"))
        within = {"from_": b"<sip:alice@example.com>;tag=a", "to": b"<sip:bob@example.com>;tag=b", "call_id": b"one"}
        self.ask(b"INVITE", route, uri=b"sip:bob@10.0.0.2", cseq=b"3 INVITE", **within)
        self.assertEqual(self.forwarded.cseq, (3, b"INVITE"))

    def test_while_looked_up(self) -> None:
        """Credentials that are being checked count; what follows is by the configuration of the beginning."""
        self.open_with()
        self.challenge()
        right = self.credentials(b"INVITE", BOB_URI)
        self.simulation.people.delay = 1.0
        self.ask(b"INVITE", right, from_=b"<sip:alice@example.com>;tag=a", cseq=b"2 INVITE", call_id=b"one")
        self.server.reload(settings_like(self.server, Authentication="Off", SIPServerMode="Redirect"))
        self.simulation.run(2)
        self.assertEqual(self.forwarded.cseq, (2, b"INVITE"))
