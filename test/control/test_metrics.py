"""The metrics of a server on a network in memory, and the page that they stand on."""

import json
import re
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipproxy import __version__
from sipproxy.app import make_service, settings_of
from sipproxy.control.metrics import Sources, make_registry
from sipproxy.control.metrics_http import MAX_LINE, MetricsFactory
from sipproxy.control.status import Dependency
from sipproxy.control.tallies import Lateness, RequestTally
from sipproxy.control.watched import Watch
from sipproxy.net.hep import HepSender
from sipproxy.simulation import Simulation

DASHBOARD = Path(__file__).resolve().parent.parent.parent / "etc" / "grafana" / "sipproxy.json"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples_of(text: str) -> Samples:
    """Give the value of each sample on a page, by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class PageTests(SynchronousTestCase):
    """A server with all that can be counted."""

    def setUp(self) -> None:
        self.simulation = Simulation(Path(self.mktemp()))
        self.addCleanup(self.simulation.stop)
        clock, host = self.simulation.clock, self.simulation.host("192.0.2.1")
        settings = settings_of(
            {
                "ServerRoot": self.mktemp(),
                "Listen": "192.0.2.1:5060",
                "ProxyDomain": "example.com",
                "ServerName": "192.0.2.1",
                "RegistryDatabase": "memory",
                "RoutingDatabase": "memory",
                "NumbersDatabase": "memory",
            }
        )
        self.tally, self.watch, self.lateness = RequestTally(), Watch(clock.seconds), Lateness(clock)
        names, people = self.simulation.names, self.simulation.people
        self.server = make_service(settings, clock, host, observers=[self.tally], resolver=names, subscribers=people)
        self.server.startService()
        self.addCleanup(self.server.stopService)
        self.hep = HepSender(("203.0.113.9", 9060), 1, b"", host, names, clock)
        self.away = Dependency("RADIUS", 5.0, "no answer")
        self.registry = make_registry(
            Sources(
                self.server.sip,
                lambda: len(self.server.registry),
                lambda: self.server.generation,
                self.server.parts.gateways,
                self.server.logs,
                self.tally,
                self.watch,
                self.lateness.durations,
                self.hep,
                lambda: [Dependency("registry", None, ""), self.away, Dependency("DNS", None, "", is_asked=False)],
            )
        )

    def ask(self, request: bytes = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") -> tuple[bytes, str]:
        """Give head and body of what is answered."""
        protocol = MetricsFactory(lambda: succeed(self.registry), Clock()).buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(request)
        head, _, body = transport.value().partition(b"\r\n\r\n")
        return head, body.decode()

    def test_quiet(self) -> None:
        """A server that nobody uses has its names and zeros."""
        found = samples_of(self.ask()[1])
        self.assertEqual(found["sipproxy_build_info", (("version", __version__),)], 1)
        for name, value in (
            ("sipproxy_serving", 1),
            ("sipproxy_configuration_generation", 1),
            ("sipproxy_registrations", 0),
            ("sipproxy_requests_pending", 0),
            ("sipproxy_transactions_limit", 200_000),
            ("sipproxy_retransmissions_received_total", 0),
            ("sipproxy_reactor_lateness_seconds_count", 0),
            ("sipproxy_log_lines_lost_total", 0),
        ):
            self.assertEqual(found[name, ()], value, name)
        self.assertEqual(found["sipproxy_dependency_up", (("name", "registry"),)], 1)
        self.assertEqual(found["sipproxy_dependency_up", (("name", "RADIUS"),)], 0)
        self.assertNotIn(("sipproxy_dependency_up", (("name", "DNS"),)), found)
        self.assertGreater(found["process_resident_memory_bytes", ()], 1_000_000)

    def test_traffic(self) -> None:
        """Requests, responses, transactions and what was no SIP are counted."""
        alice = self.simulation.agent(b"sip:alice@example.com", "10.0.0.1", proxy="192.0.2.1")
        bob = self.simulation.agent(b"sip:bob@example.com", "10.0.0.2", proxy="192.0.2.1")
        registration = bob.register()
        self.simulation.run_until(lambda: registration.is_over)
        call = alice.invite(b"sip:bob@example.com")
        self.simulation.run_until(lambda: call.is_over)
        missed = alice.invite(b"sip:carol@example.com")
        self.simulation.run_until(lambda: missed.is_over)
        stranger = self.simulation.endpoint("stranger", "10.0.0.9")
        stranger.send(b"INVITE nonsense\r\n\r\n", ("192.0.2.1", 5060))
        self.simulation.run(1)
        found = samples_of(self.ask()[1])
        self.assertEqual(found["sipproxy_requests_total", (("method", "INVITE"),)], 2)
        self.assertEqual(found["sipproxy_responses_total", (("class", "2xx"), ("method", "INVITE"))], 1)
        self.assertEqual(found["sipproxy_responses_total", (("class", "4xx"), ("method", "INVITE"))], 1)
        self.assertEqual(found["sipproxy_responses_total", (("class", "2xx"), ("method", "REGISTER"))], 1)
        self.assertEqual(found["sipproxy_request_duration_seconds_count", (("method", "INVITE"),)], 2)
        self.assertEqual(found["sipproxy_registrations", ()], 1)
        listener = (("listener", "192.0.2.1:5060/udp"),)
        self.assertEqual(found["sipproxy_messages_malformed_total", listener], 1)
        self.assertEqual(found["sipproxy_requests_denied_total", listener], 0)
        table = self.server.sip.core.table
        self.assertEqual(found["sipproxy_transactions", (("kind", "server"),)], table.servers)
        self.assertEqual(found["sipproxy_transactions", (("kind", "client"),)], len(table) - table.servers)

    def test_watched(self) -> None:
        """What was counted elsewhere is shown with its labels."""
        self.watch.translations["mod_sip_registry", "found"] = 3
        self.watch.routes["mod_sip_routing", "none"] = 2
        self.watch.timed("dns", self.simulation.names.addresses("192.0.2.9"))
        self.watch.failures["dns"] = 1
        self.hep.sent = 7
        self.lateness.durations.add(0.02)
        found = samples_of(self.ask()[1])
        self.assertEqual(found["sipproxy_translations_total", (("module", "mod_sip_registry"), ("result", "found"))], 3)
        self.assertEqual(found["sipproxy_routes_total", (("module", "mod_sip_routing"), ("result", "none"))], 2)
        self.assertEqual(found["sipproxy_backend_failures_total", (("backend", "dns"),)], 1)
        self.assertEqual(found["sipproxy_hep_packets_total", (("result", "sent"),)], 7)
        buckets = {
            le: found["sipproxy_reactor_lateness_seconds_bucket", (("le", le),)] for le in ("0.01", "0.025", "+Inf")
        }
        self.assertEqual(buckets, {"0.01": 0, "0.025": 1, "+Inf": 1})
        self.assertEqual(found["sipproxy_reactor_lateness_seconds_sum", ()], 0.02)

    def test_stopping(self) -> None:
        """A server that takes no new calls says so."""
        self.server.sip.core.draining = True
        self.assertEqual(samples_of(self.ask()[1])["sipproxy_serving", ()], 0)

    def test_openmetrics(self) -> None:
        """Who asks for OpenMetrics gets it, with the same values."""
        accept = b"Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n"
        head, body = self.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + accept + b"\r\n")
        self.assertIn(b"application/openmetrics-text; version=1.0.0", head)
        names = {family.name for family in read_openmetrics(body)}
        self.assertLessEqual({"sipproxy_requests", "sipproxy_transactions", "process_cpu_seconds"}, names)

    def test_dashboard(self) -> None:
        """The dashboard in etc asks for nothing that there is not, and shows all that is the server's own."""
        dashboard = json.loads(DASHBOARD.read_text())
        asked = {
            name.removesuffix("_bucket")
            for panel in dashboard["panels"]
            for target in panel["targets"]
            for name in re.findall(r"\b(?:sipproxy|process)_[a-z_]+", target["expr"])
        }
        there = {family.name for family in self.registry.collect()}
        plain = {name.removesuffix("_total").removesuffix("_sum").removesuffix("_count") for name in asked}
        self.assertEqual(plain - there, set())
        unseen = {"sipproxy_configuration_generation"}
        self.assertEqual({name for name in there - plain if name.startswith("sipproxy_")}, unseen)
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))

    def test_head(self) -> None:
        """HEAD gives the length of what GET gives."""
        head, body = self.ask(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual((head.split(b"\r\n")[0], body), (b"HTTP/1.1 200 OK", ""))
        self.assertIn(b"text/plain; version=0.0.4; charset=utf-8", head)

    def test_refusals(self) -> None:
        """Other paths and methods are refused; what cannot be read, or is too long, ends the connection."""
        for request, status in (
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
            (b"GET /metrics/more HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
            (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", b"405"),
            (b"nonsense\r\n\r\n", b"400"),
            (b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * MAX_LINE + b"\r\n", b"400"),
        ):
            head, _ = self.ask(request)
            self.assertEqual(head.split(b" ")[1], status, request[:40])

    def test_late(self) -> None:
        """What must be gathered first is shown then, or to nobody where the one who asked has gone."""
        waiting: list[Deferred[Collector]] = []

        def gather() -> Deferred[Collector]:
            waiting.append(Deferred())
            return waiting[-1]

        bodies = []
        for is_gone in (False, True):
            protocol = MetricsFactory(gather, Clock()).buildProtocol(None)
            transport = StringTransport()
            protocol.makeConnection(transport)
            protocol.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(transport.value(), b"")
            if is_gone:
                protocol.connectionLost(Failure(ConnectionDone()))
            waiting[-1].callback(self.registry)
            bodies.append(transport.value())
        self.assertIn(b"sipproxy_registrations 0", bodies[0])
        self.assertEqual(bodies[1], b"")

    def test_fault(self) -> None:
        """A fault in what is gathered is answered, and in the log."""
        protocol = MetricsFactory(lambda: fail(ZeroDivisionError()), Clock()).buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b" 500 ", transport.value().partition(b"\r\n")[0])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_body_not_kept(self) -> None:
        """A body that a stranger sends is not kept, whatever it says of its length."""
        protocol = MetricsFactory(lambda: succeed(self.registry), Clock()).buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(100):
            protocol.dataReceived(b"x" * 10_000)
        (request,) = protocol.requests
        self.assertEqual(request.content.getvalue(), b"")
