"""The questions and answers of etcd's JSON gateway (etcd 3.4, C{/v3/}), as values; knows no network.

Keys and values go as base64. Numbers of 64 bits are texts, in both directions,
and what is zero or false is left out.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sipproxy.farm.keyspace import (
    AwayError,
    Batch,
    CompactedError,
    Condition,
    Delete,
    Event,
    HasValue,
    Item,
    KeyspaceError,
    Operation,
    Page,
)

Json = Mapping[str, Any]

# Codes of gRPC that the answers carry.
_OUT_OF_RANGE, _UNAUTHENTICATED = 11, 16
_COMPACTED = "required revision has been compacted"
# Said, with code 3, of a token that the server does not know (any more).
_INVALID_TOKEN = "invalid auth token"


def encoded(octets: bytes) -> str:
    """Give octets as they stand in JSON."""
    return b64encode(octets).decode("ascii")


def range_question(first: bytes, end: bytes, limit: int, revision: int) -> Json:
    """Ask for keys from one up to another."""
    question = {"key": encoded(first), "range_end": encoded(end), "limit": str(limit)}
    return {**question, "revision": str(revision)} if revision else question


def read_page(answer: Json, revision: int) -> Page:
    """Read the answer to that.

    @param revision: the one asked for, 0 for the present one
    """
    items = _read_items(answer)
    follows = items[-1].key + b"\0" if answer.get("more") else b""
    return Page(revision or read_revision(answer), items, follows)


def txn_question(conditions: Sequence[Condition], operations: Sequence[Operation]) -> Json:
    """Ask for a commit; where a condition does not hold, what is there is answered."""
    return {
        "compare": [_compare(condition) for condition in conditions],
        "success": [_request(operation) for operation in operations],
        "failure": [{"request_range": {"key": encoded(condition.key)}} for condition in conditions],
    }


def _compare(condition: Condition) -> Json:
    if isinstance(condition, HasValue):
        return {"key": encoded(condition.key), "target": "VALUE", "value": encoded(condition.value)}
    return {"key": encoded(condition.key), "target": "MOD", "mod_revision": str(condition.revision)}


def _request(operation: Operation) -> Json:
    if isinstance(operation, Delete):
        end = {"range_end": encoded(operation.end)} if operation.end else {}
        return {"request_delete_range": {"key": encoded(operation.key), **end}}
    lease = {"lease": str(operation.lease)} if operation.lease else {}
    return {"request_put": {"key": encoded(operation.key), "value": encoded(operation.value), **lease}}


def read_found(answer: Json) -> list[Item | None]:
    """Read what is there where a commit was not done."""
    found = [_read_items(response["response_range"]) for response in answer["responses"]]
    return [items[0] if items else None for items in found]


def watch_question(first: bytes, end: bytes, revision: int) -> Json:
    """Ask for the changes from a revision on."""
    return {"create_request": {"key": encoded(first), "range_end": encoded(end), "start_revision": str(revision)}}


def read_watched(answer: Json) -> Batch | None:
    """Read one line of a watch, None where it tells of no change.

    @raise KeyspaceError: the watch is over
    """
    if "error" in answer:
        raise error_of(answer)
    result = answer["result"]
    if "compact_revision" in result:
        raise CompactedError(_COMPACTED)
    if result.get("canceled"):
        raise AwayError(f"the watch was cancelled: {result.get('cancel_reason', 'no reason given')}")
    events = result.get("events")
    if not events:
        return None
    # The header's revision may be ahead of the events: it says where the server is.
    last = max(int(event["kv"]["mod_revision"]) for event in events)
    return Batch(last, tuple(_read_event(event) for event in events))


def _read_event(event: Json) -> Event:
    pair = event["kv"]
    return Event(b64decode(pair["key"]), None if event.get("type") == "DELETE" else b64decode(pair.get("value", "")))


def _read_items(answer: Json) -> tuple[Item, ...]:
    pairs: Iterable[Json] = answer.get("kvs", ())
    return tuple(
        Item(b64decode(pair["key"]), b64decode(pair.get("value", "")), int(pair["mod_revision"])) for pair in pairs
    )


def read_revision(answer: Json) -> int:
    """Give the revision that an answer tells in its header."""
    return int(answer["header"]["revision"])


def is_unknown_token(status: int, answer: Json) -> bool:
    """Tell whether a question was refused because its token was, so that it may be asked with a new one."""
    return status == 401 or answer.get("code") == _UNAUTHENTICATED or _INVALID_TOKEN in str(answer.get("error"))


def error_of(answer: Json) -> KeyspaceError:
    """Give the error that an answer tells."""
    inner = answer.get("error")
    if isinstance(inner, dict):  # what ends a stream, or begins none, stands a level deeper
        return error_of(inner)
    reason = str(answer.get("message") or answer.get("error") or "no reason given")
    if answer.get("code", answer.get("grpc_code")) == _OUT_OF_RANGE or _COMPACTED in reason:
        return CompactedError(reason)
    return AwayError(reason)
