"""Answers REGISTER requests (RFC 3261 10.3, RFC 3327 5.3).

Whether a request is for us, and from whom it is, the core has found out before
(steps 1, 3 and 4), and it writes the response. The arithmetic of step 6 and 7
is in L{sipproxy.registrar.bindings}, durability in the registry.
"""

from collections.abc import Callable
from email.utils import formatdate
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred

from sipproxy.config import Directive, Settings, seconds, whole
from sipproxy.errors import RequestError
from sipproxy.interfaces import IRegistry
from sipproxy.message import Request, Uri
from sipproxy.message.headers import option_tags
from sipproxy.registrar.bindings import Bindings, Policy, contact_lines, register

DEFAULT_EXPIRES = Directive(
    "RegistryDefaultExpiresInS", seconds(minimum=1), 3600.0, "How long a registration lasts that names no time."
)
MIN_EXPIRES = Directive(
    "RegistryMinExpiresInS",
    seconds(maximum=3600),  # RFC 3261 10.3 step 7: nothing of an hour or more may be refused as too brief.
    60.0,
    "The shortest registration that is accepted; a shorter one is answered 423.",
)
MAX_EXPIRES = Directive(
    "RegistryMaxExpiresInS", seconds(minimum=1), 86400.0, "The longest registration; longer ones are shortened to it."
)
MAX_CONTACTS = Directive(
    "RegistryMaxContacts", whole(minimum=1), 10, "Registered contacts of one address of record; more is answered 403."
)

_SUPPORTED = (b"path",)


class Identity(Protocol):
    """What the registrar asks about names."""

    def registered_key(self, uri: Uri) -> bytes | None:
        """Give the canonical address of record of a To, None where its domain is not ours."""


class Reply(NamedTuple):
    """How a REGISTER is answered.

    @ivar status: status code
    @ivar headers: header lines
    """

    status: int
    headers: tuple[bytes, ...]


class Registrar:
    """Registers and tells what is registered.

    @param now: gives the time in seconds since 1970
    """

    def __init__(self, registry: IRegistry, identity: Identity, policy: Policy, now: Callable[[], float]) -> None:
        self._registry = registry
        self._identity = identity
        self._policy = policy
        self._now = now
        self._second = -1
        self._date = b""

    def register(self, request: Request) -> Reply | Deferred[Reply]:
        """Answer a REGISTER; one that changes something once the change is durable.

        @raise RequestError: raised, or in the Deferred; nothing is changed then
        """
        _check_extensions(request)
        aor = self._identity.registered_key(request.to.uri)
        if aor is None:
            raise RequestError(404)
        now = self._now()
        if "contact" not in request.names:
            # Any: mypy-zope cannot be told that a named tuple provides IBinding.
            found: Any = self._registry.lookup(aor, now)
            return self._reply(request, found, now)
        current: Any = self._registry.current(aor, now)
        bindings: Any = register(request, current, self._policy, now)
        # Stored even where it asks for no change: what is not durable yet must not be confirmed.
        return self._registry.store(aor, bindings).addCallback(lambda _: self._reply(request, bindings, now))

    def _reply(self, request: Request, bindings: Bindings, now: float) -> Reply:
        """Make the 200 (RFC 3261 10.3 step 8)."""
        lines = contact_lines(bindings, request.call_id, request.cseq[0], now)
        # RFC 3327 5.3 lets local policy decide about a Path that the client does not know: it is stored and used, not
        # told.
        if "path" in request.names and b"path" in option_tags(request.values("supported")):
            lines.extend(b"Path: " + value for value in request.headers("path"))
        lines.append(self._date_line(int(now)))
        lines.append(b"Supported: path")
        return Reply(200, tuple(lines))

    def _date_line(self, second: int) -> bytes:
        """Write a Date; the many answers of a second share it. Cisco: telephones take their clock from it."""
        if second != self._second:
            self._second = second
            self._date = b"Date: " + formatdate(second, usegmt=True).encode("ascii")
        return self._date


def policy_of(settings: Settings) -> Policy:
    """Make the policy that is configured."""
    return Policy(settings[DEFAULT_EXPIRES], settings[MIN_EXPIRES], settings[MAX_EXPIRES], settings[MAX_CONTACTS])


def _check_extensions(request: Request) -> None:
    """Refuse what we do not know (RFC 3261 10.3 step 2 and 8.2.2.3)."""
    if "require" not in request.names:
        return
    unknown = [tag for tag in option_tags(request.values("require")) if tag not in _SUPPORTED]
    if unknown:
        raise RequestError(420, headers=(b"Unsupported: " + b", ".join(unknown),))
