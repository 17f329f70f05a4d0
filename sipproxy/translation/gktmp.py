"""mod_sip_gktmp.c as a translator: numbers whose service a NAM knows (800, 900, portability, least cost).

The number services say which services a number is asked for, each of them in
turn. What is asked is the number without a plus; the answers mean:

 - LCF ends the questions. Its destinations and addresses, the best one first,
   become targets of falling q; what it leaves out stays as it is, so that a new
   number without an address is one at our own host.
 - LRQ: go on, with what has changed, to the next service.
 - LRJ, or no answer: the number as it stands goes on.
 - LNP, with LCF or LRQ, is about the called number: where another number comes
   back, that is its routing number. Both are written into the user part, C{rn}
   and C{npdi} (RFC 4694); a number that has one of them has been looked up and
   is not again.

A number that no service is for costs a look into the number services. Targets
at our own host go to routing; they are not translated again.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Protocol

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipproxy.errors import SipParseError, UnavailableError
from sipproxy.message import Request, Uri, parse_uri
from sipproxy.translation.chain import ITranslator, Subject, Target, Targets
from sipproxy.translation.expansion import number_of
from sipproxy.wire.gktmp_tags import Address, Location, Question, Value

#: Targets that are made of one answer.
MOST_TARGETS = 20
#: From one target's q to the next one's.
_STEP = 0.01
#: The service that gives a routing number.
PORTABILITY = "LNP"

_AS_IT_STANDS = Location("LCF")
_LOOKED_UP = {b"npdi", b"rn"}
#: What a user part may hold as it is (RFC 3261 25.1): unreserved, and user-unreserved.
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()&=+$,/?"


class NumberServices(Protocol):
    """Which services numbers are asked for."""

    def service(self, number: str) -> Sequence[str]:
        """Give the services of the most specific pattern that matches a number, perhaps none."""


class Answer(Protocol):
    """An answer, and where it is from."""

    @property
    def location(self) -> Location:
        """What was answered."""

    @property
    def server(self) -> str:
        """Who answered."""

    @property
    def seconds(self) -> float:
        """How long it took."""


class NumberServers(Protocol):
    """Who is asked: L{sipproxy.net.gktmp.GktmpClient}."""

    def ask(self, question: Question) -> Awaitable[Answer]:
        """Ask about a number.

        @raise UnavailableError: in the Deferred: nobody has answered
        """


@dataclass(frozen=True, slots=True)
class _Called:
    """The called number as it stands.

    @ivar number: with its plus, where it has one
    @ivar params: parameters of the number in the user part, each with its semicolon
    @ivar address: where it is, None for our own host
    @ivar is_changed: whether an answer has changed it
    """

    number: str
    params: bytes = b""
    address: Address | None = None
    is_changed: bool = False

    @property
    def is_looked_up(self) -> bool:
        """Whether its portability is known."""
        return any(param.partition(b"=")[0].lower() in _LOOKED_UP for param in self.params.split(b";"))

    def same_form(self, number: str) -> str:
        """Give a number with a plus where the called one has one: a NAM is asked, and answers, without."""
        return f"+{number}" if self.number.startswith("+") and not number.startswith("+") else number


@implementer(ITranslator)
class GktmpTranslator:
    """Contacts from number services."""

    name = "mod_sip_gktmp"

    def __init__(self, services: NumberServices, servers: NumberServers) -> None:
        self._services_of = services.service
        self._servers = servers

    def translate(self, subject: Subject) -> "Targets | Deferred[Targets]":
        """Give what the services of the number answer; at once where there are none."""
        uri, params = subject.uri, b""
        user = uri.user
        number: str | None
        # Every call comes by here: plain digits are what number_of would say of them, in a third of its time.
        if user and not uri.params and user.removeprefix(b"+").isdigit():
            number = user.decode("ascii")
        else:
            number = number_of(uri)
            _, semicolon, told = (user or b"").partition(b";")
            params = semicolon + told
        if not number:
            return ()
        services = self._services_of(number)
        if not services:
            return ()
        if b"npdi" in uri.params or b"rn" in uri.params:
            params += b";npdi"  # some write it behind the host
        return Deferred.fromCoroutine(self._ask(subject, _Called(number, params), services))

    async def _ask(self, subject: Subject, called: _Called, services: Sequence[str]) -> Targets:
        calling = _calling(subject.request)
        for service in dict.fromkeys(services):
            if service == PORTABILITY and called.is_looked_up:
                self._trace(subject, f"{service} of {called.number}: known already")
                continue
            question = Question(service, called.number.removeprefix("+"), calling)
            location = await self._located(subject, question)
            if location is None or location.name == "LRJ":
                continue
            try:
                if service == PORTABILITY:
                    called = _ported(called, location)
                elif location.name == "LRQ":
                    called = _changed(called, location)
                else:
                    return self._targets(subject.uri, called, location)
            except SipParseError as error:
                self._trace(subject, f"{service}: the answer is of no use: {error}")
        return self._targets(subject.uri, called, _AS_IT_STANDS) if called.is_changed else ()

    async def _located(self, subject: Subject, question: Question) -> Location | None:
        about = f"{question.service} of {question.called}"
        try:
            answer = await self._servers.ask(question)
        except UnavailableError as error:
            self._trace(subject, f"{about}: no answer: {error.reason.decode('utf-8', 'replace')}")
            return None
        self._trace(subject, f"{about}: {answer.location} from {answer.server} in {answer.seconds * 1000:.1f} ms")
        return answer.location

    def _trace(self, subject: Subject, text: str) -> None:
        subject.trace.append(("translation", self.name, text))

    def _targets(self, base: Uri, called: _Called, location: Location) -> Targets:
        """Make targets of an answer; the shorter of its lists goes on with its last value.

        @raise SipParseError: something in it cannot stand in a URI
        """
        destinations = location.destinations or (Value("E", called.number),)
        addresses = location.addresses or (called.address,)
        pairs = list(zip_longest(destinations, addresses))[:MOST_TARGETS]
        uris = [
            _uri(base, called, destination or destinations[-1], address if at < len(addresses) else addresses[-1])
            for at, (destination, address) in enumerate(pairs)
        ]
        unique = {uri.raw: uri for uri in uris}.values()
        return [Target(uri, round(1.0 - at * _STEP, 2), origin=self.name) for at, uri in enumerate(unique)]


def _calling(request: Request) -> str:
    """Give the caller's number without a plus, empty where it has none."""
    try:
        number = number_of(request.from_.uri)
    except SipParseError:
        return ""
    return (number or "").removeprefix("+")


def _ported(called: _Called, location: Location) -> _Called:
    """Take the answer of LNP: C{npdi} always, C{rn} where the number has moved (RFC 4694 4).

    A routing number is global or local as the called number is. The local form
    would need an rn-context, which nobody can tell from a number.

    @raise SipParseError: the routing number is none
    """
    params = called.params + b";npdi"
    number = next((value.text for value in location.destinations if value.kind == "E"), "")
    if number and number.removeprefix("+") != called.number.removeprefix("+"):
        if not number.removeprefix("+").isdigit():
            raise SipParseError(b"Bad Routing Number")
        params += b";rn=" + called.same_form(number).encode("ascii")
    return replace(called, params=params, address=_first(location, called), is_changed=True)


def _changed(called: _Called, location: Location) -> _Called:
    """Take the answer of another service that lets the questions go on."""
    number = next((value.text for value in location.destinations if value.kind == "E"), "")
    address = _first(location, called)
    if not number or number.removeprefix("+") == called.number.removeprefix("+"):
        return replace(called, address=address, is_changed=called.is_changed or address != called.address)
    return _Called(called.same_form(number), b"", address, True)


def _first(location: Location, called: _Called) -> Address | None:
    return location.addresses[0] if location.addresses else called.address


def _uri(base: Uri, called: _Called, destination: Value, address: Address | None) -> Uri:
    """Write a target's URI: the user part of a destination, at an address or at our own host.

    @raise SipParseError: something in it cannot stand in a URI
    """
    if destination.kind == "M":
        return parse_uri(b"sip:" + destination.text.encode())
    if destination.kind == "H":
        user, has_params = _escaped(destination.text.encode()), False
    else:
        is_same = destination.text.removeprefix("+") == called.number.removeprefix("+")
        user = called.same_form(destination.text).encode("ascii")
        if b"#" not in (base.user or b""):  # as number expansion does: who escaped it gets it escaped
            user = user.replace(b"#", b"%23")
        has_params = is_same and bool(called.params)
        user += called.params if is_same else b""
    is_phone = destination.kind == "E" and (has_params or base.params.get(b"user") == b"phone")
    if address is None:
        return _at_home(base, user, destination.kind, is_phone)
    host = f"[{address.host}]" if ":" in address.host else address.host
    port = b"" if address.port is None else b":%d" % address.port
    return parse_uri(b"sip:%b@%b%b%b" % (user, host.encode(), port, b";user=phone" if is_phone else b""))


def _at_home(base: Uri, user: bytes, kind: str, is_phone: bool) -> Uri:
    """Give a URI with another user part, else as it was, but for C{user=phone}."""
    moved = parse_uri(base.raw.replace(b":" + (base.user or b""), b":" + user, 1))
    if kind == "E" and (not is_phone or b"user" in base.params):
        return moved
    return parse_uri(moved.without({b"user"}) + (b";user=phone" if is_phone else b""))


def _escaped(text: bytes) -> bytes:
    return b"".join(b"%c" % octet if octet in _PLAIN else b"%%%02X" % octet for octet in text)
