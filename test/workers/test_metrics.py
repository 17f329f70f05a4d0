"""The metrics of all processes as those of one server."""

from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.workers.metrics import AllMetrics, Gathered, told


def metrics(requests: int, pending: int, *, up: int = 1, registrations: int = 0) -> list[Metric]:
    """Give some metrics of a process."""
    counter = CounterMetricFamily("sipproxy_requests", "Requests.", labels=["method"])
    counter.add_metric(["INVITE"], requests)
    histogram = HistogramMetricFamily("sipproxy_reactor_lateness_seconds", "Late.")
    histogram.add_metric([], [("0.1", requests), ("+Inf", requests + 1)], 0.5)
    dependency = GaugeMetricFamily("sipproxy_dependency_up", "There.", labels=["name"])
    dependency.add_metric(["DNS"], up)
    return [
        counter,
        histogram,
        dependency,
        GaugeMetricFamily("sipproxy_requests_pending", "Pending.", value=pending),
        GaugeMetricFamily("sipproxy_registrations", "Registered.", value=registrations),
        GaugeMetricFamily("process_open_fds", "Open.", value=10),
    ]


def registry_of(found: list[Metric]) -> CollectorRegistry:
    """Give a registry with these."""
    registry = CollectorRegistry()
    registry.register(Gathered(found))
    return registry


def worker(pid: int, *numbers: int, **others: int) -> dict[str, Any]:
    """Give what a worker tells."""
    return told(pid, Gathered(metrics(*numbers, **others)))


def values(found: list[Metric]) -> dict[str, float]:
    """Give the values by name, and by the last label where there is one."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value for metric in found for sample in metric.samples
    }


class MetricsTests(SynchronousTestCase):
    """An owner that has two workers."""

    def setUp(self) -> None:
        """Make what the owner shows."""
        self.all = AllMetrics(registry_of(metrics(0, 7, registrations=5)))

    def show(self, *answers: dict[str, Any], living: tuple[int, ...] = (1, 2)) -> dict[str, float]:
        """Give what is shown after some answers."""
        return values(self.all.combined(answers, living))

    def test_rules(self) -> None:
        """Counts are added, what there is once is the owner's, and what is away for anybody is away."""
        found = self.show(worker(1, 10, 1, registrations=3), worker(2, 20, 2, up=0, registrations=4))
        self.assertEqual(found["sipproxy_requests_total INVITE"], 30)
        self.assertEqual(found["sipproxy_reactor_lateness_seconds_bucket 0.1"], 30)
        self.assertEqual(found["sipproxy_reactor_lateness_seconds_count"], 33)
        self.assertEqual(found["sipproxy_reactor_lateness_seconds_sum"], 1.5)
        self.assertEqual(found["sipproxy_requests_pending"], 3)
        self.assertEqual(found["process_open_fds"], 30)
        self.assertEqual(found["sipproxy_registrations"], 5)
        self.assertEqual(found["sipproxy_dependency_up DNS"], 0)

    def test_never_less(self) -> None:
        """Counters keep what a dead worker, and one that does not answer now, had counted; gauges do not."""
        self.show(worker(1, 10, 1), worker(2, 20, 2))
        silent = self.show(worker(1, 11, 1))
        self.assertEqual(silent["sipproxy_requests_total INVITE"], 31)
        self.assertEqual(silent["sipproxy_requests_pending"], 1)
        for _ in range(2):
            replaced = self.show(worker(1, 11, 1), worker(3, 1, 0), living=(1, 3))
            self.assertEqual(replaced["sipproxy_requests_total INVITE"], 32)
            self.assertEqual(replaced["sipproxy_requests_pending"], 1)

    def test_none(self) -> None:
        """Where no worker answers, the owner's own are shown."""
        found = self.show()
        self.assertEqual(found["sipproxy_requests_total INVITE"], 0)
        self.assertEqual(found["sipproxy_registrations"], 5)

    def test_any_collector(self) -> None:
        """What was gathered can be asked again, as an encoder does."""
        gathered: Collector = Gathered(self.all.combined([worker(1, 1, 1)], [1]))
        self.assertEqual(list(gathered.collect()), list(gathered.collect()))
