"""The control requests, whatever they come over: what is asked, whether it may be, and the answer.

Knows no socket and no HTTP: method, target, type and octets in, status and
JSON out. L{sipproxy.control.http} brings them over the Unix socket;
C{sipproxyctl} calls it directly where no server runs.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.control.declarations import ControlError, Field, Json, Operation, Resource
from sipproxy.control.openapi import PREFIX, described
from sipproxy.control.schema import expected, is_right, read_text
from sipproxy.errors import StoreError, UnavailableError

log = Logger(namespace="mod_sip_control")

JSON_TYPE = "application/json"
#: Fields that a query may hold; no operation knows so many.
_MOST_FIELDS = 100


class Reply(NamedTuple):
    """The answer to a control request.

    @ivar status: status in HTTP
    @ivar content: the JSON object
    @ivar allow: the methods that there are, where the one asked for is not among them
    """

    status: int
    content: Json
    allow: tuple[str, ...] = ()


class Api:
    """All that can be asked of a server.

    @param resources: what there is; a resource that describes them all is added
    """

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources = described(resources)
        self._by_path = {PREFIX + resource.path: resource for resource in self.resources}

    def handle(self, method: str, target: str, media_type: str = "", body: bytes = b"") -> "Deferred[Reply]":
        """Answer a request.

        @param target: path and query
        @param media_type: the Content-Type of the body
        @return: fires with the reply, whatever is wrong
        """
        path, _, query = target.partition("?")
        resource = self._by_path.get(path)
        if resource is None:
            return succeed(_refusal(ControlError(404, f"there is no {path}")))
        operations = {operation.method: operation for operation in resource.operations}
        operation = operations.get("GET" if method == "HEAD" else method)
        if operation is None:
            allow = tuple(operations)
            refused = ControlError(405, f"{path} knows {', '.join(allow)}")
            return succeed(_refusal(refused)._replace(allow=allow))
        act: Callable[..., Any] = _act  # the types of maybeDeferred know a value or a Deferred of it, not both
        done: Deferred[Json] = maybeDeferred(act, operation, query, media_type, body)
        return done.addCallbacks(_success, _failed, callbackArgs=(operation,), errbackArgs=(f"{method} {path}",))


def _act(operation: Operation, query: str, media_type: str, body: bytes) -> "Json | Deferred[Json]":
    """Check what is asked and do it.

    @raise ControlError: it is refused
    """
    arguments = _from_query(query, operation.query)
    if operation.body:
        arguments |= _from_body(media_type, body, operation.body)
    elif body:
        raise ControlError(400, "a body is not expected")
    return operation.act(arguments)


def _from_query(query: str, fields: Sequence[Field]) -> dict[str, Any]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise ControlError(400, "the query cannot be read") from None
    given: dict[str, Any] = {}
    schemas = {field.name: field.schema for field in fields}
    for name, text in pairs:
        if name in given:
            raise ControlError(400, f"{name} is there twice")
        try:
            given[name] = read_text(text, schemas.get(name, {"type": "string"}))
        except ValueError:
            raise ControlError(400, f"{name}: expected {expected(schemas[name])}") from None
    return _checked(given, fields)


def _from_body(media_type: str, body: bytes, fields: Sequence[Field]) -> dict[str, Any]:
    if media_type.partition(";")[0].strip().lower() != JSON_TYPE:
        raise ControlError(415, f"the body is to be {JSON_TYPE}")
    try:
        given = json.loads(body, parse_constant=_no_number, parse_float=_read_number)
    except (ValueError, RecursionError):
        raise ControlError(400, "the body is not JSON") from None
    if not isinstance(given, dict):
        raise ControlError(400, "the body is not a JSON object")
    return _checked(given, fields)


def _read_number(text: str) -> float:
    """Read a number; one without a fraction is whole (JSON Schema 6.1.1), however it is written."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _no_number(text: str) -> None:
    """Refuse NaN and the infinities, which Python reads and JSON does not know.

    @raise ValueError: always
    """
    raise ValueError(text)


def _checked(given: dict[str, Any], fields: Sequence[Field]) -> dict[str, Any]:
    """Give what is given, where it is right.

    @raise ControlError: it is not
    """
    known = {field.name: field for field in fields}
    for name, value in given.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise ControlError(400, f"{name!a} is not known here; known: {names}")
        if not is_right(value, known[name].schema):
            raise ControlError(400, f"{name}: expected {expected(known[name].schema)}")
    for field in fields:
        if field.required and field.name not in given:
            raise ControlError(400, f"{field.name} is missing")
    return given


def _success(content: Json, operation: Operation) -> Reply:
    return Reply(operation.status, content)


def _failed(failure: Failure, asked: str) -> Reply:
    error = failure.value
    if isinstance(error, ControlError):
        return _refusal(error)
    if isinstance(error, StoreError | UnavailableError):
        return _refusal(ControlError(503, str(error)))
    log.failure("fault in {asked}", failure, asked=asked)
    return _refusal(ControlError(500, "a fault of the server, see its error log"))


def _refusal(error: ControlError) -> Reply:
    return Reply(error.status, error.content())


def encode(content: Mapping[str, Any]) -> bytes:
    """Write JSON, in ASCII."""
    return json.dumps(content, separators=(",", ":")).encode("ascii")
