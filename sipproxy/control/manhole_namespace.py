"""What somebody in the manhole finds prepared: the server, and functions that ask it what the control socket asks.

There is no second implementation of anything here: C{calls()} is C{GET /v1/calls}.
What a function gives is a value to go on with, and reads well where it is shown.
"""

import json
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any
from urllib.parse import urlencode

from twisted.internet.defer import Deferred

from sipproxy.control.api import JSON_TYPE, Api, Reply


class Answer(dict[str, Any]):
    """What was asked for, shown as lines."""

    def __repr__(self) -> str:
        return "\n".join(_lines(self, "")) or "nothing"


class Refusal(str):
    """Why something was not answered, shown as it is."""

    def __repr__(self) -> str:
        return f"refused: {self}"


def make_namespace(server: object, api: Api) -> dict[str, object]:
    """Give the names that are known in the manhole.

    @param server: the server (L{sipproxy.app.Server})
    @param api: what can be asked of it
    """

    def ask(method: str, path: str, query: Mapping[str, object], body: Mapping[str, object] | None = None) -> Any:
        target = f"/v1{path}?{urlencode(query)}" if query else f"/v1{path}"
        octets = b"" if body is None else json.dumps(body).encode("ascii")
        return _at_hand(api.handle(method, target, JSON_TYPE if octets else "", octets).addCallback(_answer))

    def calls(call_id: str = "*", limit: int = 100) -> Any:
        """The requests that have no final response yet; * stands for any text in the Call-ID."""
        return ask("GET", "/calls", {"call_id": call_id, "limit": limit})

    def registrations(aor: str = "*", after: str = "", limit: int = 1000) -> Any:
        """The contacts of a user, or of an address of record; 'after' goes on behind a page."""
        query: dict[str, object] = {"aor": aor if set(aor) & set("@*") else f"{aor}@*", "limit": limit}
        return ask("GET", "/registrations", query | ({"after": after} if after else {}))

    def explain(method: str, uri: str, **more: str) -> Any:
        """Why a request would go where it goes; nothing is sent. More: sender, source, headers."""
        # "from" is no name in Python.
        fields = {"from" if name == "sender" else name: value for name, value in more.items()}
        return ask("POST", "/explain", {}, {"method": method, "uri": uri, **fields})

    def trace(call_id: str) -> Any:
        """Why the calls of a Call-ID have gone where they went."""
        return ask("GET", "/explain", {"call_id": call_id})

    functions: tuple[Callable[..., Any], ...] = (calls, registrations, explain, trace)

    # Python's own help would wait for keys that nobody can press, its exit close the standard input of the server.

    def help(*_: object) -> None:
        """This text."""
        print("server\n    The server (sipproxy.app.Server); all of it can be looked at, and broken.")
        for function in (*functions, help):
            print(f"{function.__name__}{signature(function) if function is not help else '()'}\n    {function.__doc__}")
        print("exit(), or Control-D\n    The end.")

    def exit() -> None:
        """The end."""
        raise SystemExit

    named = {function.__name__: function for function in (*functions, help, exit)}
    return {"server": server, "quit": exit, "__name__": "__manhole__", "__doc__": None, **named}


def _answer(reply: Reply) -> Answer | Refusal:
    if reply.status >= 400:
        return Refusal(reply.content["error"]["message"])
    return Answer(reply.content)


def _at_hand(answer: "Deferred[Any]") -> Any:
    """Give an answer itself where it is there."""
    found: list[Any] = []

    def keep(value: Any) -> Any:
        found.append(value)
        return value

    answer.addCallback(keep)
    return found[0] if found else answer


def _lines(value: Any, margin: str) -> list[str]:
    """Write a JSON value for a person: a line for each member, deeper ones further in."""
    pairs = value.items() if isinstance(value, dict) else (("-", item) for item in value)
    found = []
    for name, item in pairs:
        mark = name if name == "-" else f"{name}:"
        if isinstance(item, list | dict) and item:
            found += [f"{margin}{mark}", *_lines(item, f"{margin}  ")]
        else:
            text = "none" if item in (None, [], {}) else str(item)
            found.append(f"{margin}{mark} {text}")
    return found
