"""The part of JSON Schema that the control socket needs, as a checker and as words.

Knows C{type} (one, or a list of them), C{enum}, C{minimum}, C{maximum},
C{minLength}, C{maxLength}; arrays and objects are described for readers of the
OpenAPI document only, no request holds one.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_ARTICLES = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
_TRUTH = {"true": True, "false": False}


def expected(schema: Schema) -> str:
    """Say in words what values are right."""
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    words = _ARTICLES[schema["type"]]
    for key, name in (
        ("minimum", "from {}"),
        ("maximum", "to {}"),
        ("minLength", "of at least {} characters"),
        ("maxLength", "of at most {} characters"),
    ):
        if key in schema:
            words += " " + name.format(schema[key])
    return words


def is_right(value: object, schema: Schema) -> bool:
    """Tell whether a value of a JSON object is right."""
    if not isinstance(value, _TYPES[schema["type"]]):
        return False
    if isinstance(value, bool) and schema["type"] != "boolean":
        return False  # to Python it would be a number
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        return bool(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)))
    if isinstance(value, int | float):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


def read_text(text: str, schema: Schema) -> Any:
    """Give the value that a text of a query stands for.

    @raise ValueError: it stands for none
    """
    kind = schema["type"]
    if kind == "integer":
        if not text.isascii() or not text.lstrip("-").isdigit():
            raise ValueError(text)
        return int(text)
    if kind == "number":
        return float(text)
    if kind == "boolean":
        if text not in _TRUTH:
            raise ValueError(text)
        return _TRUTH[text]
    return text


def an_object(**members: Schema) -> Schema:
    """Describe a JSON object all of whose members are there."""
    return {"type": "object", "properties": members, "required": list(members)}


def an_array(items: Schema) -> Schema:
    """Describe a JSON array."""
    return {"type": "array", "items": items}


TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TRUTH: Schema = {"type": "boolean"}
#: Seconds since 1970.
TIME: Schema = {"type": "number"}
#: Seconds since 1970; null for never, or not.
MAYBE_TIME: Schema = {"type": ["number", "null"]}
