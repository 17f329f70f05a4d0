"""One generation of the configuration: all that a reload replaces, as one object.

A request holds the generation that it began with (see docs/architecture.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from sipproxy.interfaces import IAccess, IGateways
from sipproxy.message import Request
from sipproxy.proxy.exemption import Exemption
from sipproxy.proxy.identity import Identity
from sipproxy.proxy.settings import Policy
from sipproxy.proxy.sources import Sources
from sipproxy.proxy.targets import Location
from sipproxy.routing import RoutingChain


class Reply(Protocol):
    """How a REGISTER is answered."""

    @property
    def status(self) -> int:
        """Status code."""

    @property
    def headers(self) -> tuple[bytes, ...]:
        """Header lines."""


class AnswersRegister(Protocol):
    """The registrar, as the core knows it."""

    def register(self, request: Request, /) -> "Reply | Deferred[Any]":
        """Answer a REGISTER; a Deferred fires with a L{Reply}.

        @raise sipproxy.errors.RequestError: raised, or in the Deferred
        """


@dataclass(frozen=True, slots=True)
class Generation:
    """A compiled configuration.

    @ivar sources: who may send requests at all
    @ivar registrar: None where Registry is Off
    @ivar access: None where Authentication is Off
    @ivar exemption: who need not authenticate again; None where nobody needs to
    @ivar gateways: the health of next hops
    @ivar off: translators and routers that are not asked, and the setting that says so, for C{explain}
    """

    identity: Identity
    policy: Policy
    sources: Sources
    location: Location
    routing: RoutingChain
    registrar: AnswersRegister | None
    access: IAccess | None
    exemption: Exemption | None
    gateways: IGateways
    off: Mapping[str, str] = field(default_factory=dict)

    @property
    def allow(self) -> bytes:
        """The Allow line of what we answer ourselves (RFC 3261 20.5)."""
        line = b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS"
        return line if self.registrar is None else line + b", REGISTER"
