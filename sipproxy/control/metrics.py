"""What Prometheus is shown (MetricsListen): names, units and values, read from the server when it asks.

Nothing is counted here. Counters that the server has anyway are read; what needs
a count of its own is in L{sipproxy.control.tallies} and L{sipproxy.control.watched}.
Names follow Prometheus' conventions: a prefix, base units, C{_total} behind what
only grows. L{sipproxy.control.metrics_http} has the HTTP.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from sipproxy import __version__
from sipproxy.control.status import Dependency
from sipproxy.control.tallies import Durations, RequestTally
from sipproxy.control.watched import Results, Watch
from sipproxy.logs import Logs
from sipproxy.proxy.listener import Listener
from sipproxy.proxy.points import sent_by
from sipproxy.routing.gateways import Gateways
from sipproxy.server import SipService

# Name of the metric, attribute of the port or listener, what it is.
_PORT_COUNTERS = (
    ("sipproxy_datagrams_received", "received", "Datagrams received."),
    ("sipproxy_datagrams_sent", "sent", "Datagrams that the kernel has taken."),
    ("sipproxy_datagrams_dropped", "dropped_sends", "Datagrams that the kernel had no room for."),
    ("sipproxy_datagrams_failed", "send_errors", "Datagrams that could not be sent, or came back by ICMP."),
)
_LISTENER_COUNTERS = (
    ("sipproxy_messages_malformed", "malformed", "Datagrams that are no SIP."),
    ("sipproxy_requests_denied", "denied", "Requests refused by their source address."),
)
_STATES = ("up", "suspect", "down", "probing")


class Copies(Protocol):
    """What sends copies to HEPServer."""

    sent: int
    dropped: int
    refused: int


@dataclass(frozen=True)
class Sources:
    """Where the values are read.

    @ivar sip: ports, transactions and core
    @ivar registrations: gives the number of addresses of record
    @ivar generation: gives the number of configurations that were served by
    @ivar requests: what was counted of requests, by an observer
    @ivar watch: what was counted of translators, routers and backends
    @ivar lateness: how late the reactor was
    @ivar copies: what sends copies to HEPServer, None where nothing does
    @ivar dependencies: gives the states of all that the server needs
    """

    sip: SipService
    registrations: Callable[[], int]
    generation: Callable[[], int]
    gateways: Gateways
    logs: Logs
    requests: RequestTally
    watch: Watch
    lateness: Durations
    copies: Copies | None = None
    dependencies: Callable[[], Iterable[Dependency]] = tuple


def make_registry(sources: Sources) -> CollectorRegistry:
    """Give all metrics of a server and its process."""
    registry = CollectorRegistry()
    registry.register(ServerCollector(sources))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class ServerCollector(Collector):
    """The metrics of a server."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def describe(self) -> Iterable[Metric]:
        """Give nothing: to be registered must not need a server that runs."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read all values."""
        yield from self._state()
        yield from self._requests()
        yield from self._transactions()
        yield from _listeners(self._sources.sip.listeners)
        yield from self._found()
        yield from self._backends()
        yield from self._watchers()

    def _state(self) -> Iterator[Metric]:
        sources = self._sources
        info = GaugeMetricFamily("sipproxy_build_info", "The release, as a label.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        serves = 0 if sources.sip.core.draining else 1
        yield _gauge("sipproxy_serving", "Whether new calls are taken: 1, or 0 while the server stops.", serves)
        yield _gauge("sipproxy_configuration_generation", "Configurations that were served by.", sources.generation())
        yield _gauge(
            "sipproxy_registrations", "Addresses of record that have contacts registered.", sources.registrations()
        )

    def _requests(self) -> Iterator[Metric]:
        tally = self._sources.requests
        requests = CounterMetricFamily("sipproxy_requests", "Requests that are done.", labels=["method"])
        for method, count in sorted(tally.requests.items()):
            requests.add_metric([method], count)
        yield requests
        responses = CounterMetricFamily(
            "sipproxy_responses", "Final responses sent to requests.", labels=["method", "class"]
        )
        for (method, digit), count in sorted(tally.responses.items()):
            responses.add_metric([method, f"{digit}xx"], count)
        yield responses
        yield _histogram(
            "sipproxy_request_duration_seconds",
            "From a request to its final response; an INVITE rings meanwhile.",
            "method",
            tally.durations,
        )
        yield _gauge(
            "sipproxy_requests_pending", "Requests without a final response yet.", self._sources.sip.core.pending
        )

    def _transactions(self) -> Iterator[Metric]:
        table = self._sources.sip.core.table
        live = GaugeMetricFamily("sipproxy_transactions", "Live transactions (RFC 3261 17).", labels=["kind"])
        live.add_metric(["server"], table.servers)
        live.add_metric(["client"], len(table) - table.servers)
        yield live
        yield _gauge("sipproxy_transactions_limit", "MaxTransactions.", table.limit)
        yield _counter("sipproxy_retransmissions_received", "Requests that were received again.", table.retransmissions)

    def _found(self) -> Iterator[Metric]:
        watch = self._sources.watch
        yield _results("sipproxy_translations", "What each translator gave.", watch.translations)
        yield _results("sipproxy_routes", "What each router gave.", watch.routes)

    def _backends(self) -> Iterator[Metric]:
        sources = self._sources
        yield _histogram(
            "sipproxy_backend_duration_seconds",
            "How long a module or backend took where it had to be waited for.",
            "backend",
            sources.watch.durations,
        )
        failures = CounterMetricFamily(
            "sipproxy_backend_failures", "How often it could not be asked, or had no answer.", labels=["backend"]
        )
        for name, count in sorted(sources.watch.failures.items()):
            failures.add_metric([name], count)
        yield failures
        up = GaugeMetricFamily(
            "sipproxy_dependency_up",
            "Whether something that the server needs is there; nothing before it was asked.",
            labels=["name"],
        )
        for dependency in sources.dependencies():
            if dependency.state != "unasked":
                up.add_metric([dependency.name], 1 if dependency.state == "up" else 0)
        yield up
        hops = GaugeMetricFamily("sipproxy_next_hops", "Next hops used of late, by their health.", labels=["state"])
        counts = dict.fromkeys(_STATES, 0)
        for health in sources.gateways.states():
            counts[health.state] += 1
        for name, count in counts.items():
            hops.add_metric([name], count)
        yield hops

    def _watchers(self) -> Iterator[Metric]:
        sources = self._sources
        yield _histogram(
            "sipproxy_reactor_lateness_seconds",
            "How late the reactor did what was due.",
            None,
            {"": sources.lateness},
        )
        yield _counter("sipproxy_log_lines_lost", "Lines of the logs that could not be written.", sources.logs.lost)
        if sources.copies is not None:
            copies = CounterMetricFamily(
                "sipproxy_hep_packets", "Copies of messages for HEPServer, by what became of them.", labels=["result"]
            )
            for result in ("sent", "dropped", "refused"):
                copies.add_metric([result], getattr(sources.copies, result))
            yield copies


def _listeners(listeners: Iterable[Listener]) -> Iterator[Metric]:
    for name, attribute, text in _PORT_COUNTERS:
        counter = CounterMetricFamily(name, text, labels=["listener"])
        for listener in listeners:
            # A port of a network in memory counts nothing.
            counter.add_metric([_address(listener)], getattr(listener.port, attribute, 0))
        yield counter
    for name, attribute, text in _LISTENER_COUNTERS:
        counter = CounterMetricFamily(name, text, labels=["listener"])
        for listener in listeners:
            counter.add_metric([_address(listener)], getattr(listener, attribute))
        yield counter


def _address(listener: Listener) -> str:
    port: Any = listener.port
    return f"{sent_by(*port.address)}/udp"


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _results(name: str, text: str, results: Results) -> Metric:
    family = CounterMetricFamily(name, text, labels=["module", "result"])
    for (module, result), count in sorted(results.items()):
        family.add_metric([module, result], count)
    return family


def _histogram(name: str, text: str, label: str | None, found: Mapping[str, Durations]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=[] if label is None else [label])
    for value, durations in sorted(found.items()):
        buckets: list[Any] = [("+Inf" if math.isinf(end) else repr(end), count) for end, count in durations.cumulated()]
        family.add_metric([] if label is None else [value], buckets, durations.total)
    return family
