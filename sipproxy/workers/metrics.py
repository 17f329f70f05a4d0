"""The metrics of all processes as those of one server (MetricsListen), which the owner shows.

Counters and histograms are added, and never become less: what a worker had
counted when it was last asked stays in the sum after its death. Of gauges those
are added that count something; of the others each has the rule that is right
for it, and what there is once is told by the owner.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from twisted.internet.defer import Deferred

from sipproxy.workers.channel import Json, RefusedError
from sipproxy.workers.processes import Workers

#: A sample of a family: its name, and its labels in order.
Key = tuple[str, tuple[tuple[str, str], ...]]
Values = dict[Key, float]

#: Gauges of workers alone that count something, and those that count something in every process.
_ADDED_OF_WORKERS = ("sipproxy_requests_pending", "sipproxy_transactions", "sipproxy_transactions_limit")
_ADDED = ("process_virtual_memory_bytes", "process_resident_memory_bytes", "process_open_fds")
#: Those that are 0 where they are so for anybody, and those of which each process knows a part.
_LEAST = ("sipproxy_serving", "sipproxy_dependency_up")
_MOST = ("sipproxy_next_hops",)
_GROWING = ("counter", "histogram")


def told(pid: int, registry: Collector) -> Json:
    """Give the metrics of a process as JSON.

    @param pid: its number
    """
    families = [
        [
            family.name,
            family.documentation,
            family.type,
            [[each.name, each.labels, each.value] for each in family.samples],
        ]
        for family in registry.collect()
    ]
    return {"pid": pid, "families": families}


#: What two values of the same sample become.
Rule = Callable[[float, float], float]


class Families:
    """Metrics of one process or several.

    @ivar kinds: documentation and type of each family, by its name
    @ivar values: of the samples of each family, by its name
    """

    def __init__(self) -> None:
        self.kinds: dict[str, tuple[str, str]] = {}
        self.values: dict[str, Values] = {}

    def combine(self, name: str, text: str, kind: str, samples: Iterable[Sequence[Any]], rule: Rule) -> None:
        """Take in the samples of a family.

        @param rule: what two values of the same sample become
        """
        self.kinds.setdefault(name, (text, kind))
        values = self.values.setdefault(name, {})
        for sample, labels, value in samples:
            key = sample, tuple(labels.items())
            values[key] = rule(values[key], value) if key in values else value

    def add_growing(self, told: Json) -> None:
        """Add the counters and histograms of a process, nothing else."""
        for name, text, kind, samples in told["families"]:
            if kind in _GROWING:
                self.combine(name, text, kind, samples, _add)

    def metrics(self) -> Iterator[Metric]:
        """Give all."""
        for name, (text, kind) in self.kinds.items():
            metric = Metric(name, text, kind)
            for (sample, labels), value in self.values[name].items():
                metric.add_sample(sample, dict(labels), value)
            yield metric

    def copy(self) -> "Families":
        """Give others that begin as these."""
        copied = Families()
        copied.kinds = dict(self.kinds)
        copied.values = {name: dict(values) for name, values in self.values.items()}
        return copied


def _add(one: float, other: float) -> float:
    return one + other


_RULES: Mapping[str, Rule] = {
    **dict.fromkeys((*_ADDED_OF_WORKERS, *_ADDED), _add),
    **dict.fromkeys(_LEAST, min),
    **dict.fromkeys(_MOST, max),
}


class AllMetrics:
    """The metrics of an owner and its workers.

    @param own: those of the owner's process
    """

    def __init__(self, own: CollectorRegistry) -> None:
        self._own = own
        # What workers had counted that are no more, and what each of the others told last, by its number.
        self._past = Families()
        self._last: dict[int, Json] = {}

    def combined(self, answers: Iterable[Json], living: Iterable[int]) -> list[Metric]:
        """Give what the whole server shows.

        @param answers: what workers have told
        @param living: the process numbers of all workers that there are
        """
        present = list(answers)
        self._last |= {answer["pid"]: answer for answer in present}
        for pid in self._last.keys() - set(living) - {answer["pid"] for answer in present}:
            self._past.add_growing(self._last.pop(pid))
        found = self._past.copy()
        own = told(0, self._own)
        for each in (own, *self._last.values()):
            found.add_growing(each)
        for each in (own, *present):
            _add_gauges(found, each, bool(present) and each is own)
        return list(found.metrics())


def _add_gauges(found: Families, told: Json, leave_to_workers: bool) -> None:
    """Take in the gauges of a process.

    @param leave_to_workers: whether workers tell what is theirs
    """
    for name, text, kind, samples in told["families"]:
        if kind not in _GROWING and not (leave_to_workers and name in _ADDED_OF_WORKERS):
            found.combine(name, text, kind, samples, _RULES.get(name, _first))


def _first(one: float, _: float) -> float:
    return one


class Gathered(Collector):
    """Metrics that have been gathered, for an encoder to ask."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Give them."""
        return self._metrics


def gather_all(own: CollectorRegistry, workers: Workers) -> "Callable[[], Deferred[Collector]]":
    """Give what gathers the metrics of all processes."""
    known = AllMetrics(own)

    def combine(found: Sequence[Any]) -> Collector:
        answers = [each for each in found if not isinstance(each, RefusedError)]
        return Gathered(known.combined(answers, {worker.pid for worker in workers.all}))

    return lambda: workers.answers("metrics").addCallback(combine)
