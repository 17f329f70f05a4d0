"""What a resource declares: its path, its operations, and the values that they take and give.

A declaration is read twice: L{sipproxy.control.api} checks requests by it, and
L{sipproxy.control.openapi} describes it to others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred

from sipproxy.control.schema import Schema
from sipproxy.errors import SipproxyError

#: A JSON object.
Json = dict[str, Any]
#: What an operation is given: values by the name of their field, those that were left out are not there.
Arguments = Mapping[str, Any]

#: What a refusal is called in its JSON, by the status that it has in HTTP.
CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
    500: "internal_error",
    503: "unavailable",
}


class ControlError(SipproxyError):
    """A control request that is refused.

    @ivar status: the status in HTTP, one of L{CODES}
    @ivar message: why, one line for the operator
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message

    def content(self) -> Json:
        """Give the JSON that says so."""
        return {"error": {"code": CODES[self.status], "message": self.message}}


@dataclass(frozen=True)
class Field:
    """A value that an operation takes.

    @ivar name: its name in the query, or in the JSON object of the body
    @ivar schema: what values are right
    @ivar sentence: what it means
    @ivar required: whether it must be there
    """

    name: str
    schema: Schema
    sentence: str
    required: bool = False


@dataclass(frozen=True)
class Operation:
    """What one method does with a resource.

    @ivar method: C{GET}, C{POST}, C{PUT} or C{DELETE}
    @ivar summary: what it does, one sentence
    @ivar act: does it; may raise L{ControlError}, or fail with it, with a StoreError or an UnavailableError
    @ivar answer: the schema of what C{act} gives
    @ivar query: what the query may hold
    @ivar body: what the JSON object of the body may hold; where there is nothing there is no body
    @ivar status: the status in HTTP where it succeeds
    @ivar refusals: when it is refused, by status; 400, 413, 500 and 503 need not be named
    """

    method: str
    summary: str
    act: Callable[[Arguments], "Json | Deferred[Json]"]
    answer: Schema
    query: tuple[Field, ...] = ()
    body: tuple[Field, ...] = ()
    status: int = 200
    refusals: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Resource:
    """Something that has a path of its own.

    @ivar path: behind the version, C{/status}
    @ivar operations: what can be done with it, one for each method
    """

    path: str
    operations: tuple[Operation, ...]
