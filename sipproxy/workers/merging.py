"""One answer of the control socket made of those of all workers. Pure.

Each function is given the answers and gives what one process would have
answered: numbers are added, lists joined, and of what each worker knows by
itself, as of the health of gateways, the worst is told.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
#: What was asked, and what each has answered.
Merge = Callable[[Mapping[str, Any], Sequence[Json]], Json]

_USUAL_CALLS = 1000
_WORST = ("down", "away", "blocked", "probing", "suspect", "connecting", "stopped", "up")
#: States of what a server depends on, the one that is told first.
_KNOWN = ("away", "up", "unasked")


def sums(answers: Sequence[Mapping[str, Any]]) -> Json:
    """Add numbers by name."""
    return {name: sum(answer[name] for answer in answers) for name in answers[0]}


def transactions(_: Mapping[str, Any], answers: Sequence[Json]) -> Json:
    """Add the counts."""
    return sums(answers)


def calls(arguments: Mapping[str, Any], answers: Sequence[Json]) -> Json:
    """Join what is pending, the oldest first."""
    found = sorted((call for answer in answers for call in answer["calls"]), key=lambda call: call["since"])
    limit = arguments.get("limit", _USUAL_CALLS)
    return {"calls": found[:limit], "pending": sum(answer["pending"] for answer in answers)}


def past_calls(_: Mapping[str, Any], answers: Sequence[Json]) -> Json:
    """Join calls, in the order in which they began."""
    return {"calls": sorted((call for answer in answers for call in answer["calls"]), key=lambda call: call["started"])}


def first(_: Mapping[str, Any], answers: Sequence[Json]) -> Json:
    """Give the first one."""
    return answers[0]


def drain(_: Mapping[str, Any], answers: Sequence[Json]) -> Json:
    """Add what is pending."""
    return {
        "draining": all(answer["draining"] for answer in answers),
        "pending": sum(answer["pending"] for answer in answers),
    }


def gateways(_: Mapping[str, Any], answers: Sequence[Json]) -> Json:
    """Give each next hop as the worker has it that thinks worst of it."""
    return {"gateways": _worst(answers, "gateways", ("address", "port", "transport"))}


def nams(_: Mapping[str, Any], answers: Sequence[Json]) -> Json:
    """Give each server as the worker has it that thinks worst of it."""
    return {"nams": _worst(answers, "nams", ("server",))}


def _worst(answers: Sequence[Json], name: str, key: Iterable[str]) -> list[Json]:
    found: dict[tuple[Any, ...], Json] = {}
    for answer in answers:
        for item in answer[name]:
            identity = tuple(item[each] for each in key)
            known = found.get(identity)
            if known is None or _rank(item) < _rank(known):
                found[identity] = item
    return list(found.values())


def _rank(item: Json) -> int:
    return _WORST.index(item["state"]) if item["state"] in _WORST else len(_WORST)


def status(own: Json, answers: Sequence[Json]) -> Json:
    """Give the state of the server.

    @param own: what the owner says of itself: what there is once
    """
    listeners: dict[str, list[Json]] = {}
    for answer in answers:
        for listener in answer["listeners"]:
            listeners.setdefault(listener["address"], []).append(listener)
    problems = [*own["logs"]["problems"], *(each for answer in answers for each in answer["logs"]["problems"])]
    return {
        **own,
        "healthy": own["healthy"] and bool(answers) and all(answer["healthy"] for answer in answers),
        "pending": sum(answer["pending"] for answer in answers),
        "traffic": sums([answer["traffic"] for answer in answers]) if answers else own["traffic"],
        "transactions": sums([answer["transactions"] for answer in answers]) if answers else own["transactions"],
        "listeners": [{**sums(list(map(_counters, each))), "address": name} for name, each in listeners.items()],
        "dependencies": _dependencies([own, *answers]),
        "logs": {
            "problems": list(dict.fromkeys(problems)),
            "lost": own["logs"]["lost"] + sum(answer["logs"]["lost"] for answer in answers),
        },
        "workers": [{name: answer[name] for name in ("pid", "since", "pending")} for answer in answers],
    }


def _counters(listener: Json) -> Json:
    return {name: value for name, value in listener.items() if name != "address"}


def _dependencies(answers: Sequence[Json]) -> list[Json]:
    """Give each once; as away where it is so for anybody, as up where anybody has asked it."""
    found: dict[str, Json] = {}
    for answer in answers:
        for dependency in answer["dependencies"]:
            known = found.get(dependency["name"])
            if known is None or _KNOWN.index(dependency["state"]) < _KNOWN.index(known["state"]):
                found[dependency["name"]] = dependency
    return list(found.values())
