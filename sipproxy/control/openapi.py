"""The OpenAPI document of the control socket, made from the declarations (OpenAPI 3.1)."""

from collections.abc import Iterable
from typing import Any

from sipproxy import __version__
from sipproxy.control.declarations import CODES, Arguments, Field, Json, Operation, Resource
from sipproxy.control.schema import Schema, an_object

#: The version stands before every path; what changes its meaning gets another one.
PREFIX = "/v1"

_PATH = "/openapi.json"
_ERROR = an_object(error=an_object(code={"type": "string", "enum": list(CODES.values())}, message={"type": "string"}))
_ALWAYS = {
    400: "The request is not what this document says.",
    413: "The body is too large.",
    500: "A fault of the server.",
    503: "What it needs is away.",
}
_BODY_TYPE = {415: "The body is not JSON."}


def described(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Give resources, and one more that describes them all."""

    def describe(_: Arguments) -> Json:
        return document(everything)

    operation = Operation("GET", "Give this document.", describe, {"type": "object"})
    everything = (*resources, Resource(_PATH, (operation,)))
    return everything


def document(resources: Iterable[Resource]) -> Json:
    """Describe resources."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "sipproxy control socket", "version": __version__},
        "paths": {
            PREFIX + resource.path: {
                operation.method.lower(): _operation(resource, operation) for operation in resource.operations
            }
            for resource in resources
        },
        "components": {"schemas": {"Error": _ERROR}},
    }


def _operation(resource: Resource, operation: Operation) -> Json:
    refusals = {**_ALWAYS, **(_BODY_TYPE if operation.body else {}), **operation.refusals}
    described: dict[str, Any] = {
        "operationId": operation.method.lower() + resource.path.replace("/", "_").replace(".", "_"),
        "summary": operation.summary,
        "responses": {
            str(operation.status): {"description": "Done.", "content": _content(operation.answer)},
            **{str(status): _refusal(sentence) for status, sentence in sorted(refusals.items())},
        },
    }
    if operation.query:
        described["parameters"] = [_parameter(field) for field in operation.query]
    if operation.body:
        described["requestBody"] = {"required": True, "content": _content(_body(operation.body))}
    return described


def _parameter(field: Field) -> Json:
    return {
        "name": field.name,
        "in": "query",
        "description": field.sentence,
        "required": field.required,
        "schema": field.schema,
    }


def _body(fields: tuple[Field, ...]) -> Schema:
    return {
        "type": "object",
        "properties": {field.name: {**field.schema, "description": field.sentence} for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def _content(schema: Schema) -> Json:
    return {"application/json": {"schema": schema}}


def _refusal(sentence: str) -> Json:
    return {"description": sentence, "content": _content({"$ref": "#/components/schemas/Error"})}
