"""The metrics over real HTTP: curl asks, promtool judges, and a server that carries calls is what they tell of."""

import socket
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import succeed
from twisted.trial.unittest import TestCase

from sipproxy.control.metrics import Sources, make_registry
from sipproxy.control.metrics_http import MOST, metrics_service
from sipproxy.control.tallies import Lateness, RequestTally
from sipproxy.control.watched import Watch
from test.interop.embedded import Done, Embedded, aside, run, the_reactor, until
from test.interop.harness import LOOPBACK, program
from test.interop.telephone import Telephone


class MetricsTests(TestCase):
    """One server."""

    timeout = 20

    def setUp(self) -> None:
        self.curl = program("curl", "curl")
        reactor = the_reactor()
        tally, lateness = RequestTally(), Lateness(reactor)
        self.embedded = Embedded(self, [tally])
        server = self.embedded.server
        sources = Sources(
            server.sip,
            lambda: len(server.registry),
            lambda: server.generation,
            server.parts.gateways,
            server.logs,
            tally,
            Watch(reactor.seconds),
            lateness.durations,
        )
        registry = make_registry(sources)
        self.service = metrics_service((LOOPBACK, 0), lambda: succeed(registry), reactor)
        self.embedded.add(lateness)
        self.embedded.add(self.service)
        self.embedded.start()

    @property
    def url(self) -> str:
        """Where the metrics are."""
        assert not isinstance(self.service.place, Path)
        return f"http://{LOOPBACK}:{self.service.place[1]}/metrics"

    async def page(self, *options: str) -> Done:
        """Ask for the page as any HTTP client would."""
        return await run(self.curl, ["--silent", "--show-error", "--max-time", "5", *options, self.url])

    def use(self) -> None:
        """Register, be called, ask."""
        alice = Telephone(self, self.embedded.address, "alice")
        assert alice.register().status == 200
        assert alice.ask("OPTIONS", f"sip:{alice.domain}").status == 200
        for _ in range(3):
            assert alice.ask("INVITE", f"sip:nobody@{alice.domain}").status == 404

    async def test_page(self) -> None:
        """What was done is on the page."""
        await aside(self.use)
        text, complaints, status = await self.page()
        self.assertEqual((complaints, status), ("", 0))
        found = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        self.assertEqual(found["sipproxy_requests_total", "INVITE"], 3)
        self.assertEqual(found["sipproxy_responses_total", "4xx", "INVITE"], 3)
        self.assertEqual(found["sipproxy_responses_total", "2xx", "REGISTER"], 1)
        self.assertEqual(found["sipproxy_registrations",], 1)
        # The three ACKs are received, and not answered; an INVITE may get a 100 beside its final response.
        listener = f"{LOOPBACK}:{self.embedded.address[1]}/udp"
        received, sent = (found[f"sipproxy_datagrams_{name}_total", listener] for name in ("received", "sent"))
        self.assertEqual(received, 8)
        self.assertGreaterEqual(sent, 5)
        self.assertGreater(found["sipproxy_request_duration_seconds_bucket", "0.5", "INVITE"], 0)

    async def test_promtool(self) -> None:
        """Prometheus' own checker has nothing to say against names, units and form."""
        promtool = program("promtool", "prometheus")
        await aside(self.use)
        text, _, _ = await self.page()
        printed, complaints, status = await run(promtool, ["check", "metrics"], text)
        self.assertEqual((status, printed, complaints), (0, "", ""))

    async def test_methods(self) -> None:
        """HEAD gives the head, OpenMetrics is given to who asks for it, nothing can be changed."""
        head, _, _ = await self.page("--head")
        self.assertTrue(head.startswith("HTTP/1.1 200 OK\r\n"), head)
        text, _, _ = await self.page("--header", "Accept: application/openmetrics-text; version=1.0.0")
        self.assertTrue(text.endswith("# EOF\n"), text[-100:])
        text, _, _ = await self.page("--data", "x" * 100_000, "--write-out", "%{http_code}")
        self.assertTrue(text.endswith("405"), text)

    async def test_too_many(self) -> None:
        """Who opens all connections that there may be keeps others out only as long as he stays."""
        assert not isinstance(self.service.place, Path)
        idle = [socket.create_connection(self.service.place[:2]) for _ in range(MOST)]
        try:
            await until(lambda: len(self.service.connections) == MOST)
            _, _, status = await self.page()
            self.assertNotEqual(status, 0)
        finally:
            for opened in idle:
                opened.close()
        await until(lambda: not self.service.connections)
        _, _, status = await self.page()
        self.assertEqual(status, 0)
