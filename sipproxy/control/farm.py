"""C{/v1/farm}: the members of the farm, what this one knows of it, and whether its copies are true."""

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from sipproxy.control.declarations import Arguments, ControlError, Json, Operation, Resource
from sipproxy.control.schema import COUNT, MAYBE_TIME, TEXT, TRUTH, an_array, an_object
from sipproxy.farm.farm import Farm
from sipproxy.farm.keyspace import Place

#: Differences that are named; all are counted.
_MOST = 100

_PLACE = an_object(name=TEXT, state={"type": "string", "enum": ["up", "away"]}, since=MAYBE_TIME, reason=TEXT)
_MEMBER = an_object(
    name=TEXT,
    state={"type": "string", "enum": ["here", "there", "missing"]},
    version=TEXT,
    since=MAYBE_TIME,
    listen=an_array(TEXT),
    revision=COUNT,
    lag=COUNT,
    pending=COUNT,
)
_ANSWER = an_object(
    state={"type": "string", "enum": ["up", "away"]},
    since=MAYBE_TIME,
    reason=TEXT,
    revision=COUNT,
    pending=COUNT,
    databases=an_array(TEXT),
    engine=an_array(_PLACE),
    members=an_array(_MEMBER),
    missing=an_array(TEXT),
)
_DIFFERENCE = an_object(database=TEXT, checksum=TEXT, count=COUNT, keys=an_array(TEXT))
_VERIFIED = an_object(equal=TRUTH, revision=COUNT, databases=an_array(_DIFFERENCE))


def farm_resources(farm: Farm) -> tuple[Resource, ...]:
    """Give the resources."""

    def show(_: Arguments) -> Json:
        registry = farm.databases.registry
        return {
            "state": "up" if farm.away_since is None else "away",
            "since": farm.away_since,
            "reason": farm.away_reason,
            "revision": farm.link.revision,
            "pending": 0 if registry is None else registry.pending,
            "databases": list(farm.databases.all()),
            "engine": [_place(place) for place in farm.keyspace.places],
            "members": _members(farm),
            "missing": farm.members.missing,
        }

    def verify(_: Arguments) -> Deferred[Json]:
        return Deferred.fromCoroutine(farm.verify()).addCallback(_verified, farm)

    def resynchronize(_: Arguments) -> Json:
        if farm.away_since is not None:
            raise ControlError(409, f"the farm cannot be reached: {farm.away_reason}")
        farm.resynchronize()
        return {}

    return (
        Resource("/farm", (Operation("GET", "Tell how the farm is, as this member sees it.", show, _ANSWER),)),
        Resource(
            "/farm/verify",
            (Operation("GET", "Compare the copies of this member with what the farm has.", verify, _VERIFIED),),
        ),
        Resource(
            "/farm/resync",
            (
                Operation(
                    "POST",
                    "Read all that the farm has anew.",
                    resynchronize,
                    an_object(),
                    refusals={409: "The farm cannot be reached; it is read as soon as it can."},
                ),
            ),
        ),
    )


def _place(place: Place) -> Json:
    state = "up" if place.since is None else "away"
    return {"name": place.name, "state": state, "since": place.since, "reason": place.reason}


def _members(farm: Farm) -> list[Json]:
    there, me = farm.members.there, farm.members.me
    newest = max([farm.link.revision, *(_number(member, "revision") for member in there.values())])
    found = [_member(name, there[name], newest, "here" if name == me.name else "there") for name in sorted(there)]
    return [*found, *(_member(name, {}, newest, "missing") for name in farm.members.missing)]


def _member(name: str, told: Mapping[str, Any], newest: int, state: str) -> Json:
    revision, since, listen = _number(told, "revision"), told.get("since"), told.get("listen")
    return {
        "name": name,
        "state": state,
        "version": str(told.get("version", "")),
        "since": since if isinstance(since, int | float) else None,
        "listen": [str(place) for place in listen] if isinstance(listen, list) else [],
        "revision": revision,
        "lag": newest - revision if told else 0,
        "pending": _number(told, "pending"),
    }


def _number(told: Mapping[str, Any], name: str) -> int:
    value = told.get(name)
    return value if isinstance(value, int) and value >= 0 else 0


def _verified(found: Mapping[str, list[bytes]], farm: Farm) -> Json:
    checksums = farm.checksums()
    return {
        "equal": not any(found.values()),
        "revision": farm.link.revision,
        "databases": [
            {
                "database": name,
                "checksum": checksums[name],
                "count": len(keys),
                "keys": [key.decode("utf-8", "backslashreplace") for key in keys[:_MOST]],
            }
            for name, keys in found.items()
        ],
    }
