"""What a module declares: its directives, its blocks, and conditions between them.

A declaration is a constant beside the code that uses it; the reader, the
checker, the manual page and the completion are made from it::

    SIP_T1 = Directive("SIPT1InMs", milliseconds(minimum=1), 0.5, "Estimate of the round-trip time.")

    ROUTE = Block("StaticRoute", words(route_key, "E164 or Domain, and a pattern"), (NEXT_HOP, PRIORITY),
                  "A route to a next hop.")

    MODULE = Module("mod_sip_routing.c", directives=(STATIC_ROUTING,), blocks=(ROUTE,), check=check_routes)

A declaration is its own key in L{sipproxy.config.settings.Settings}, and is
equal to nothing but itself.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from sipproxy.config.kinds import Kind
from sipproxy.config.problems import Problem

if TYPE_CHECKING:
    from sipproxy.config.settings import Settings

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Computed(Generic[T_co]):
    """A default that follows from other settings.

    @ivar function: gives the value
    @ivar text: what it is, for the manual: "ServerName"
    """

    function: "Callable[[Settings], T_co]"
    text: str


@dataclass(frozen=True, eq=False)
class Directive(Generic[T_co]):
    """A directive.

    @ivar name: as it is written; case does not matter in files
    @ivar kind: how its words become a value
    @ivar default: the value where it is not written; its paths start at ServerRoot too
    @ivar sentence: what it means, for the manual
    """

    name: str
    kind: Kind[T_co]
    default: T_co | Computed[T_co]
    sentence: str


@dataclass(frozen=True, eq=False)
class Block(Generic[T_co]):
    """A container with directives of its own, C{<Name arguments>} to C{</Name>}; it may stand many times.

    @ivar arguments: the kind of the words in its opening tag
    @ivar directives: what may stand inside
    """

    name: str
    arguments: Kind[T_co]
    directives: tuple[Directive[object], ...]
    sentence: str


@dataclass(frozen=True, eq=False)
class Module:
    """A part of the server, as the configuration sees it.

    @ivar name: what C{<IfModule>} knows it by, with or without C{.c}
    @ivar check: gives the problems of settings whose values are right one by one. A check that reads a
        directive whose value was wrong ends there, as nothing can be said
    """

    name: str
    directives: tuple[Directive[object], ...] = ()
    blocks: tuple[Block[object], ...] = ()
    check: "Callable[[Settings], Iterable[Problem]] | None" = None
