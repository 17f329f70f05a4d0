"""The control socket of an owner: what concerns calls is asked of the workers, all else the owner knows itself.

Descriptions and checks are those of one process; only what is done is replaced.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from sipproxy.control import Arguments, ControlError, Json, Operation, Resource
from sipproxy.workers import merging
from sipproxy.workers.channel import RefusedError
from sipproxy.workers.merging import Merge
from sipproxy.workers.processes import Workers

#: What is asked of the workers alone.
THEIRS: Mapping[tuple[str, str], Merge] = {
    ("GET", "/calls"): merging.calls,
    ("GET", "/transactions"): merging.transactions,
    ("GET", "/explain"): merging.past_calls,
    ("POST", "/explain"): merging.first,
    ("GET", "/gateways"): merging.gateways,
    ("GET", "/gatekeepers"): merging.first,
    ("GET", "/nams"): merging.nams,
}


def spread(resource: Resource, workers: Workers) -> Resource:
    """Give a resource of the owner as that of the whole server."""
    operations = [_spread(operation, resource.path, workers) for operation in resource.operations]
    return replace(resource, operations=tuple(operations))


def _spread(operation: Operation, path: str, workers: Workers) -> Operation:
    key = (operation.method, path)
    merge = THEIRS.get(key)
    if merge is not None:
        return replace(operation, act=_asked(operation.method, path, merge, workers))
    wrap = _BOTH.get(key)
    return operation if wrap is None else replace(operation, act=wrap(operation, path, workers))


def _ask(method: str, path: str, arguments: Arguments, workers: Workers) -> "Deferred[list[Json]]":
    """Ask all.

    @return: fires with the answers
    @raise ControlError: in the Deferred: none has one
    """
    found = workers.answers("control", method=method, path=path, arguments=dict(arguments))
    return found.addCallback(_answers)


def _answers(found: Sequence[Any]) -> list[Json]:
    answers = [each for each in found if not isinstance(each, RefusedError)]
    if answers:
        return answers
    refused = next(iter(found), RefusedError(503, "no worker serves now"))
    raise ControlError(refused.status, str(refused))


def _asked(method: str, path: str, merge: Merge, workers: Workers) -> Callable[[Arguments], "Deferred[Json]"]:
    def act(arguments: Arguments) -> "Deferred[Json]":
        return _ask(method, path, arguments, workers).addCallback(lambda answers: merge(arguments, answers))

    return act


def _status(operation: Operation, path: str, workers: Workers) -> Callable[[Arguments], "Deferred[Json]"]:
    def act(arguments: Arguments) -> "Deferred[Json]":
        found = workers.answers("control", method="GET", path=path, arguments={})
        return found.addCallback(
            lambda each: merging.status(
                _value(operation.act(arguments)), [answer for answer in each if not isinstance(answer, RefusedError)]
            )
        )

    return act


def _drain(operation: Operation, path: str, workers: Workers) -> Callable[[Arguments], "Deferred[Json]"]:
    def act(arguments: Arguments) -> "Deferred[Json]":
        operation.act(arguments)  # So that a worker that is started later knows.
        answers = _ask(operation.method, path, arguments, workers)
        return answers.addCallback(lambda found: merging.drain(arguments, found))

    return act


def _log_levels(operation: Operation, path: str, workers: Workers) -> Callable[[Arguments], "Deferred[Json]"]:
    def act(arguments: Arguments) -> "Deferred[Json]":
        own = operation.act(arguments)  # What is refused here is told to nobody.
        asked: Deferred[Any] = _ask(operation.method, path, arguments, workers)
        return asked.addCallback(lambda _: own)

    return act


def _value(content: "Json | Deferred[Json]") -> Json:
    assert isinstance(content, dict)
    return content


#: What the owner does, and the workers too.
_BOTH: Mapping[tuple[str, str], Callable[[Operation, str, Workers], Callable[[Arguments], "Deferred[Json]"]]] = {
    ("GET", "/status"): _status,
    ("GET", "/drain"): _drain,
    ("POST", "/drain"): _drain,
    ("PUT", "/log-levels"): _log_levels,
}
