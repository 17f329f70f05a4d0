"""Why a request goes where it goes: the dry run, and what is remembered of live calls."""

from sipproxy.message import Request, parse_message
from sipproxy.proxy.explain import Explained, explain, line
from sipproxy.simulation import rejects
from test.scenario.stage import BOB, ScenarioTestCase

INVITE = (
    b"INVITE %b SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx\r\nMax-Forwards: %d\r\n"
    b"From: <sip:alice@example.com>;tag=1\r\nTo: <%b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n%bContent-Length: 0\r\n\r\n"
)


def invite(uri: bytes, headers: bytes = b"", max_forwards: int = 70) -> Request:
    """Write an INVITE."""
    message = parse_message(INVITE % (uri, max_forwards, uri, headers))
    assert isinstance(message, Request)
    return message


OFF = [
    "translation mod_sip_call_forward: skipped: all CallForward directives Off",
    "translation mod_sip_enum: skipped: EnumModule Off",
    "translation mod_sip_gktmp: skipped: GKTMPModule Off",
]
NO_GATEKEEPER = "routing mod_sip_ras: skipped: RASModule Off"


class ExplainTests(ScenarioTestCase):
    """A server that is asked."""

    def explain(self, request: Request, address: str = "10.0.0.1") -> Explained:
        """Ask it, and wait for the answer; nothing may be sent meanwhile."""
        core = self.simulation.servers["192.0.2.1"].sip.core
        sent = len(self.simulation.network.transcript)
        answer = explain(core, request, (address, 5060))
        self.simulation.run(3)
        self.assertEqual(len(self.simulation.network.transcript), sent)
        return self.successResultOf(answer)

    def lines(self, explained: Explained) -> list[str]:
        """Give the trace as a person reads it."""
        return [f"{stage} {module}: {line(value)}" for stage, module, value in explained.trace]

    def test_registered(self) -> None:
        """Each stage with its result, and the message as it would leave."""
        self.serve_bob(f"sip:bob@{BOB}", "sip:bob@10.0.0.3:5070 q=0.5")
        explained = self.explain(invite(b"sip:bob@example.com"))
        self.assertEqual(
            self.lines(explained),
            [
                "access mod_sip_authen: skipped: Authentication Off",
                f"translation mod_sip_registry: sip:bob@{BOB} q=1, sip:bob@10.0.0.3:5070 q=0.5",
                *OFF,
                "routing mod_sip_routing: nothing",
                f"routing dns: {BOB}:5060",
                "routing mod_sip_routing: nothing",
                "routing dns: 10.0.0.3:5070 (10.0.0.3:5070)",
                NO_GATEKEEPER,
            ],
        )
        self.assertEqual([way.target.q for way in explained.ways], [1.0, 0.5])
        self.assertIsNone(explained.status)
        self.assertTrue(
            explained.ways[0].message.startswith(b"INVITE sip:bob@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192")
        )
        self.assertIn(b"Max-Forwards: 69", explained.ways[0].message)

    def test_number(self) -> None:
        """A number that is expanded, and that nobody has."""
        self.serve(NumExpand="5.... 1408555....")
        explained = self.explain(invite(b"sip:50001@example.com"))
        self.assertEqual(
            self.lines(explained)[1:],
            [
                "expansion mod_sip: sip:14085550001@example.com",
                "translation mod_sip_registry: nothing",
                *OFF,
                "routing mod_sip_routing: nothing",
                NO_GATEKEEPER,
            ],
        )
        self.assertEqual(explained.status, 404)

    def test_not_asked(self) -> None:
        """Modules that are on and are not asked, with the reason; a Route header bypasses all of them."""
        cluster = {"<RASGateKeeperCluster 1>": [{"RASGatekeeper": "10.0.0.7 1719"}]}
        self.serve_bob(EnumModule="On", RASModule="On", **cluster)
        lines = self.lines(self.explain(invite(b"sip:bob@example.com")))
        self.assertIn("translation mod_sip_enum: skipped: another one has contacts", lines)
        self.assertIn("routing mod_sip_ras: skipped: no contact is a number at this server", lines)
        lines = self.lines(self.explain(invite(b"sip:bob@10.0.0.9")))
        self.assertIn("translation mod_sip_registry: skipped: the host is not this server", lines)
        lines = self.lines(self.explain(invite(b"sip:bob@example.com", b"Route: <sip:10.0.0.9;lr>\r\n")))
        self.assertEqual([text for text in lines if "skipped" in text], [lines[0]])

    def test_slow_names(self) -> None:
        """What has to be asked for is waited for."""
        self.serve()
        self.simulation.names.known["there.example"] = ["10.0.0.9"]
        self.simulation.names.delay = 1.0
        explained = self.explain(invite(b"sip:bob@there.example"))
        self.assertEqual([hop.host for way in explained.ways for hop in way.hops], ["10.0.0.9"])

    def test_refused(self) -> None:
        """What would be refused, and how."""
        self.serve()
        for request, status in (
            (invite(b"sip:bob@example.com", max_forwards=0), 483),
            (invite(b"sips:bob@example.com"), 416),
            (invite(b"sip:bob@nowhere.example"), 404),
            (invite(b"sip:bob@example.com", b"Proxy-Require: foo\r\n"), 420),
        ):
            self.assertEqual(self.explain(request).status, status)

    def test_redirect(self) -> None:
        """What a redirect server would name."""
        self.serve_bob(SIPServerMode="Redirect")
        explained = self.explain(invite(b"sip:bob@example.com"))
        self.assertEqual((explained.status, explained.contacts), (302, [b"<sip:bob@10.0.0.2>"]))

    def test_route(self) -> None:
        """A Route header bypasses translation, and that is said."""
        self.serve_bob()
        explained = self.explain(invite(b"sip:bob@example.com", b"Route: <sip:10.0.0.4;lr>\r\n"))
        self.assertIn("translation mod_sip: bypassed: Route header", self.lines(explained))


class HistoryTests(ScenarioTestCase):
    """What is remembered of calls."""

    def test_finished(self) -> None:
        """A finished call is found by its Call-ID, with what each branch came to."""
        server = self.serve_bob(f"sip:bob@{BOB}", "sip:bob@10.0.0.3")
        self.callee(0, rejects(404))
        self.callee(1)
        call = self.call_bob(self.alice())
        history = server.sip.core.history
        assert history is not None
        [found] = history.find(call.responses[0].call_id)
        self.assertEqual((found.status, found.uri), (200, b"sip:bob@example.com"))
        told = [f"{stage} {line(value)}" for stage, _, value in found.trace]
        self.assertEqual(told[-2:], [f"sent {BOB}:5060: 404", "sent 10.0.0.3:5060: 200"])

    def test_limit(self) -> None:
        """The oldest calls are forgotten; 0 keeps none."""
        server = self.serve_bob(ExplainHistory="2")
        self.callee(0)
        alice = self.alice()
        calls = [self.call_bob(alice) for _ in range(3)]
        history = server.sip.core.history
        assert history is not None
        found = [len(list(history.find(call.responses[0].call_id))) for call in calls]
        self.assertEqual(found, [0, 1, 1])
        self.assertIsNone(self.simulation.server("192.0.2.9", {"ExplainHistory": "0"}).sip.core.history)
