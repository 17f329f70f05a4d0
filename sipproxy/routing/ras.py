"""mod_sip_ras.c as a router: numbers at our own host that gatekeepers know (H.225.0 RAS).

The number of the URI, without a plus and behind its technology prefix, is asked
for. The address of the LCF is the first next hop, those of its alternate
endpoints follow by their priority; they are gateways, whose health is kept. No
answer, LRJ and a client that is not running mean: ask the next router.

An answer may serve further calls to its number for a while. Calls that ask for
the same number at the same time each ask.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import quote

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipproxy.errors import UnavailableError
from sipproxy.interfaces import Address
from sipproxy.message import Uri
from sipproxy.routing.chain import IRouter, NextHop, NextHops
from sipproxy.routing.health import Gateway
from sipproxy.routing.locate import MAX_HOPS
from sipproxy.routing.notes import Note, add
from sipproxy.routing.ras_pavo import pavo_of
from sipproxy.routing.ras_settings import Policy
from sipproxy.routing.static import NumberOf
from sipproxy.translation.chain import Subject
from sipproxy.wire.h225.messages import (
    EMAIL_ID,
    H323_ID,
    URL_ID,
    LocationConfirm,
    LocationRequest,
)
from sipproxy.wire.h225.places import call_addresses

#: Answers that are kept for further calls.
MOST_CACHED = 10_000
#: Digits of dialledDigits.
_MOST_DIGITS = 128
# Set by who sends it.
_NO_SEQ, _NO_ADDRESS = 1, ("0.0.0.0", 0)
# RFC 3261 25.1: unreserved and user-unreserved, beside letters and digits.
_USER_SAFE = "-_.!~*'()&=+$,;?/"


class Answer(Protocol):
    """What a question has led to."""

    @property
    def confirm(self) -> LocationConfirm | None:
        """The LCF, None where there was none."""

    @property
    def gatekeeper(self) -> str:
        """Whose it is."""

    @property
    def exchanges(self) -> Sequence[object]:
        """What was asked of whom; each has a text."""


class Gatekeepers(Protocol):
    """Who is asked: L{sipproxy.net.ras.RasClient}."""

    def ask(self, request: LocationRequest) -> Awaitable[Answer]:
        """Ask where a number is.

        @raise UnavailableError: in the Deferred: nothing can be asked now
        """


class Asked(NamedTuple):
    """A number as it is asked for.

    @ivar number: as the URI has it, perhaps with a plus
    @ivar prefix: its technology prefix, empty for none
    """

    number: str
    prefix: str

    @property
    def alias(self) -> str:
        """What gatekeepers are asked for."""
        return self.prefix + self.number.removeprefix("+")


class Located(NamedTuple):
    """An answer as it is kept.

    @ivar addresses: for calls, the best one first
    @ivar number: the number that replaces the one asked for, empty for none
    @ivar gatekeeper: who has answered
    @ivar time: when
    """

    addresses: tuple[Address, ...]
    number: str
    gatekeeper: str
    time: float


@implementer(IRouter)
class RasRouter:
    """Next hops that gatekeepers name."""

    name = "mod_sip_ras"

    def __init__(
        self, gatekeepers: Gatekeepers, policy: Policy, number_of: NumberOf, seconds: Callable[[], float]
    ) -> None:
        """
        @param number_of: gives the number in the user part of a URI, already expanded; None where it has none
        @param seconds: the clock (IReactorTime.seconds)
        """
        self._gatekeepers = gatekeepers
        self._policy = policy
        self._number_of = number_of
        self._seconds = seconds
        self._cache: OrderedDict[str, Located] = OrderedDict()

    def route(self, uri: Uri, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give the next hops that a gatekeeper names, at once where they are kept; none where nobody does."""
        number = self._number_of(uri)
        if number is None or not any(map(str.isdigit, number)):
            add(subject, self.name, "gatekeepers not asked: the user part is no number")
            return ()
        prefixes = self._policy.tech_prefixes.find(number)
        asked = Asked(number, prefixes[0] if prefixes else "")
        if len(asked.alias) > _MOST_DIGITS:
            add(subject, self.name, Note("gatekeepers not asked: {} has more than {} digits", number, _MOST_DIGITS))
            return ()
        kept = self._kept(asked.alias)
        if kept is None:
            return Deferred.fromCoroutine(self._ask(asked, uri, subject))
        age = self._seconds() - kept.time
        add(subject, self.name, Note("{}: kept since {:.0f} s, from {}", asked.alias, age, kept.gatekeeper))
        return self._hops(kept, asked, uri, subject)

    # Asking.

    async def _ask(self, asked: Asked, uri: Uri, subject: Subject) -> NextHops:
        try:
            answer = await self._gatekeepers.ask(self._request(asked, subject))
        except UnavailableError as error:
            add(subject, self.name, Note("{}: {}", asked.alias, error.reason.decode("utf-8", "replace")))
            return ()
        for exchange in answer.exchanges:
            add(subject, self.name, Note("{}: {}", asked.alias, exchange))
        if answer.confirm is None:
            return ()
        located = Located(
            tuple(call_addresses(answer.confirm)[:MAX_HOPS]),
            self._translated(answer.confirm, asked),
            answer.gatekeeper,
            self._seconds(),
        )
        self._keep(asked.alias, located)
        return self._hops(located, asked, uri, subject)

    def _request(self, asked: Asked, subject: Subject) -> LocationRequest:
        policy = self._policy
        hops = policy.time_to_live
        pavo = pavo_of(subject) if policy.has_pavo else None
        return LocationRequest(
            _NO_SEQ,
            asked.alias,
            _NO_ADDRESS,
            can_map_alias=policy.allows_translation,
            hop_count=hops,
            ttl=hops,
            call_identifier=pavo and pavo.call_identifier,
            cisco_call_identifier=pavo and pavo.call_identifier,
            redirect_ie=pavo and pavo.redirect_ie,
            calling_octet_3a=pavo and pavo.calling_octet_3a,
        )

    def _translated(self, confirm: LocationConfirm, asked: Asked) -> str:
        """Give the number or name that a gatekeeper has put in the place of the one asked for, empty for none."""
        if not self._policy.allows_translation:
            return ""
        numbers = [
            alias.readable()
            for alias in confirm.aliases
            if alias.kind not in (H323_ID, URL_ID, EMAIL_ID, "transportID")
        ]
        names = [alias.text for alias in confirm.aliases if alias.kind == H323_ID]
        found = next(filter(None, numbers + names), asked.alias)
        if found == asked.alias:
            return ""
        return found.removeprefix(asked.prefix)

    # What an answer gives.

    def _hops(self, located: Located, asked: Asked, uri: Uri, subject: Subject) -> NextHops:
        user = self._user(located, asked, uri)
        policy = self._policy
        places = dict.fromkeys(
            (host, port if policy.uses_signal_port and port else policy.sip_port) for host, port in located.addresses
        )
        hops: list[NextHop] = [Gateway(host, port, "udp", "", user) for host, port in places]
        if len(hops) > 1:
            add(subject, self.name, Note("alternates of {}: {}", hops[0].host, len(hops) - 1))
        return hops

    def _user(self, located: Located, asked: Asked, uri: Uri) -> bytes:
        """Give the user part of the Request-URI, empty to leave it."""
        prefix = asked.prefix if self._policy.has_prefix_in_uri else ""
        if not prefix and not located.number:
            return b""
        number = located.number or asked.number
        if prefix:
            number = prefix + number.removeprefix("+")
        elif asked.number.startswith("+") and number.isdigit():
            number = f"+{number}"  # it was asked for without
        # Cisco: "#" may stand in a user part; who escaped it gets it escaped.
        safe = _USER_SAFE + "#" if b"#" in (uri.user or b"") else _USER_SAFE
        return quote(number, safe).encode("ascii")

    # The cache.

    def _kept(self, alias: str) -> Located | None:
        located = self._cache.get(alias)
        if located is not None and self._seconds() >= located.time + self._policy.cache:
            del self._cache[alias]
            return None
        return located

    def _keep(self, alias: str, located: Located) -> None:
        if not self._policy.cache:
            return
        self._cache[alias] = located
        self._cache.move_to_end(alias)
        if len(self._cache) > MOST_CACHED:
            self._cache.popitem(last=False)
