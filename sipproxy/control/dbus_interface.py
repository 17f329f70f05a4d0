"""The interface C{org.sipproxy.Server1} on D-Bus: its methods, its signals, and what is told of them to those who look.

A method is one operation of the control interface (docs/control.md), and what
it answers is that operation's JSON in one text: D-Bus has no null, and what the
server tells nests deep. A method of few fields takes them as arguments; one of
many takes C{a{sv}}, fields by name, so that a field more is no other method.
What is refused is an error C{org.sipproxy.Error.NotFound} and the like, with the
message of the refusal. Checks are those of the control interface, made there.

Not here: properties. What changes is told by signals, all else by C{Status}.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import quoteattr

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from txdbus.interface import DBusInterface, Method, Signal  # type: ignore[import-untyped]
from txdbus.objects import IDBusObject  # type: ignore[import-untyped]
from zope.interface import implementer

from sipproxy.control.api import JSON_TYPE, Api, Reply, encode
from sipproxy.control.openapi import PREFIX
from sipproxy.errors import SipproxyError

log = Logger(namespace="mod_sip_control")

#: The name on the bus, and of the interface.
NAME = "org.sipproxy.Server1"
PATH = "/org/sipproxy/Server1"
#: How the names of errors begin.
ERRORS = "org.sipproxy.Error"
#: Method calls that wait for their answer at one time.
MOST_CALLS = 100

_FIELDS = "a{sv}"


@dataclass(frozen=True)
class Argument:
    """What a method takes or a signal tells.

    @ivar name: of a field, unless it is C{a{sv}}
    @ivar signature: its type on D-Bus
    """

    name: str
    signature: str = "s"


@dataclass(frozen=True)
class BusMethod:
    """A method.

    @ivar method: of the operation
    @ivar path: of the operation's resource
    @ivar sentence: what it does
    @ivar arguments: its fields
    """

    name: str
    method: str
    path: str
    sentence: str
    arguments: tuple[Argument, ...] = ()

    def ask(self, api: Api, values: Sequence[Any]) -> "Deferred[Reply]":
        """Ask the control interface.

        @param values: one for each argument
        """
        fields: dict[str, Any] = {}
        for argument, value in zip(self.arguments, values, strict=True):
            fields |= value if argument.signature == _FIELDS else {argument.name: value}
        if self.method == "GET":
            query = urlencode({name: _text(value) for name, value in fields.items()})
            return api.handle("GET", f"{PREFIX}{self.path}?{query}")
        return api.handle(self.method, PREFIX + self.path, JSON_TYPE, encode(fields))


@dataclass(frozen=True)
class BusSignal:
    """A signal.

    @ivar sentence: what it tells
    @ivar arguments: the particulars
    """

    name: str
    sentence: str
    arguments: tuple[Argument, ...]


METHODS = (
    BusMethod("Status", "GET", "/status", "Tell how the server is."),
    BusMethod(
        "Reload",
        "POST",
        "/reload",
        "Read the configuration file again and serve by it, or with dry_run only tell what would change.",
        (Argument("dry_run", "b"),),
    ),
    BusMethod("Drain", "POST", "/drain", "Take no new calls, or take them again.", (Argument("on", "b"),)),
    BusMethod(
        "Registrations",
        "GET",
        "/registrations",
        "List registrations, a page at a time. Fields: aor, contact, after, limit.",
        (Argument("fields", _FIELDS),),
    ),
    BusMethod(
        "Explain",
        "POST",
        "/explain",
        "Take a request through the server without sending it. Fields: method, uri, from, source, headers.",
        (Argument("fields", _FIELDS),),
    ),
    BusMethod(
        "ExplainCall",
        "GET",
        "/explain",
        "Tell why the calls of a Call-ID went where they went.",
        (Argument("call_id"),),
    ),
)
SIGNALS = (
    BusSignal(
        "Registered",
        "An address of record has been registered, refreshed or changed, and has these contacts now.",
        (Argument("aor"), Argument("contacts", "as")),
    ),
    BusSignal("Unregistered", "An address of record has no contacts any more.", (Argument("aor"),)),
    BusSignal(
        "CallStarted",
        "A call was answered at a next hop; a call that is answered at several is told several times.",
        (Argument("call_id"), Argument("from"), Argument("to"), Argument("uri"), Argument("next_hop")),
    ),
    BusSignal(
        "CallEnded",
        "A call was hung up (status 200), or was never answered (the status that its INVITE was refused with).",
        (Argument("call_id"), Argument("from"), Argument("to"), Argument("status", "q")),
    ),
    BusSignal(
        "BackendChanged",
        "Something that the server depends on is away, or up again.",
        (Argument("name"), Argument("state"), Argument("reason")),
    ),
    BusSignal("Lost", "So many signals were not sent, as there were too many.", (Argument("count", "u"),)),
)

_BY_NAME: Mapping[str, BusMethod] = {method.name: method for method in METHODS}
_DOCUMENTATION = "org.gtk.GDBus.DocString"


class RefusedError(SipproxyError):
    """A method call that is refused.

    @ivar dbusErrorName: the name of the error; txdbus looks for it by this name
    """

    def __init__(self, code: str, message: str) -> None:
        """
        @param code: one of L{sipproxy.control.declarations.CODES}, C{not_found}
        """
        super().__init__(message)
        self.dbusErrorName = f"{ERRORS}.{''.join(word.capitalize() for word in code.split('_'))}"


class _Interface(DBusInterface):  # type: ignore[misc]
    """The interface; unlike txdbus's own its description has names of arguments, and sentences."""

    @property
    def introspectionXml(self) -> str:
        """Give its description (D-Bus Specification, "Introspection Data Format")."""
        lines = [f'  <interface name="{self.name}">']
        for method in METHODS:
            given = (*((argument, "in") for argument in method.arguments), (Argument("answer"), "out"))
            lines += _member("method", method.name, method.sentence, given)
        for signal in SIGNALS:
            lines += _member("signal", signal.name, signal.sentence, [(argument, "") for argument in signal.arguments])
        return "\n".join([*lines, "  </interface>"])


def _member(kind: str, name: str, sentence: str, arguments: Sequence[tuple[Argument, str]]) -> list[str]:
    """Describe a method or a signal."""
    lines = [f'    <{kind} name="{name}">']
    for argument, direction in arguments:
        where = f' direction="{direction}"' if direction else ""
        lines.append(f'      <arg name="{argument.name}" type="{argument.signature}"{where}/>')
    lines.append(f'      <annotation name="{_DOCUMENTATION}" value={quoteattr(sentence)}/>')
    return [*lines, f"    </{kind}>"]


def signature(arguments: Sequence[Argument]) -> str:
    """Give the types of arguments in a row, as D-Bus writes them."""
    return "".join(argument.signature for argument in arguments)


@implementer(IDBusObject)
class ServerObject:
    """The object that is on the bus.

    @ivar pending: method calls that wait for their answer
    """

    def __init__(self, api: Api) -> None:
        self.pending = 0
        self._api = api
        methods = [Method(method.name, signature(method.arguments), "s") for method in METHODS]
        signals = [Signal(signal.name, signature(signal.arguments)) for signal in SIGNALS]
        self._interface = _Interface(NAME, *methods, *signals, noRegister=True)

    # IDBusObject: the names are txdbus's.

    def getInterfaces(self) -> list[Any]:
        """Give the interface."""
        return [self._interface]

    def getObjectPath(self) -> str:
        """Give the path."""
        return PATH

    def setObjectHandler(self, handler: object) -> None:
        """Be on a bus; nothing depends on which."""

    def getAllProperties(self, interface: str) -> dict[str, object]:
        """Give no properties."""
        return {}

    def executeMethod(self, interface: object, name: str, values: Sequence[Any] | None, sender: str) -> "Deferred[str]":
        """Do what a method says.

        @param values: its arguments, None for none
        @param sender: the caller's name on the bus
        @return: fires with the JSON of the answer
        @raise RefusedError: raised, or in the Deferred
        """
        if self.pending >= MOST_CALLS:
            raise RefusedError("unavailable", f"{MOST_CALLS} calls wait for their answer already")
        method = _BY_NAME[name]
        self.pending += 1
        answered = method.ask(self._api, values or ()).addBoth(self._done)
        return answered.addCallback(_answer, method, sender)

    def _done(self, result: Any) -> Any:
        self.pending -= 1
        return result


def _answer(reply: Reply, method: BusMethod, sender: str) -> str:
    """Give the answer.

    @raise RefusedError: it is a refusal
    """
    if method.method != "GET":
        # What an operator changed, for whoever wonders later.
        log.info("D-Bus {name} of {sender}: {status}", name=method.name, sender=sender, status=reply.status,
                 severity="notice")  # fmt: skip
    if reply.status >= 300:
        error = reply.content["error"]
        raise RefusedError(error["code"], error["message"])
    return encode(reply.content).decode("ascii")


def _text(value: object) -> str:
    """Write a value as it stands in a query."""
    return str(value).lower() if isinstance(value, bool) else str(value)
