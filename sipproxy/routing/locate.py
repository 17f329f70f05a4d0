"""Where a host is to be found: next hops by address, SRV and NAPTR (RFC 3263 4, RFC 2782, RFC 3403).

Our one transport is UDP: of a NAPTR only C{SIP+D2U} counts, of the services
only C{_sip._udp}. Whatever a name server says, the work is bounded: steps from
NAPTR to NAPTR, services, targets and next hops each have a limit; the loops of
aliases are the resolver's.

A silent or broken name server costs as little as it can. What can be asked at
once is asked at once; NAPTR that nobody answers are taken for none, as a domain
must have SRV records beside them (RFC 3263 4.1); where nobody answers for SRV
but the host has an address (a hosts file, a cache), that is used.

No health of next hops (L{sipproxy.routing.gateways}) and no caches: the
resolver remembers.
"""

from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.names import dns
from twisted.python.failure import Failure

from sipproxy.errors import NameNotFoundError, RequestError, ResolverTimeoutError, UnavailableError
from sipproxy.interfaces import IAnswer, IResolver
from sipproxy.message import Request
from sipproxy.message.uri import DEFAULT_PORT
from sipproxy.routing.chain import NextHop, NextHops
from sipproxy.routing.notes import AnswerNote, Note, add, charstr_text, name_text, type_text
from sipproxy.routing.selection import arrange
from sipproxy.translation.chain import AT_HAND, Subject

T = TypeVar("T")

#: Next hops of one host, and targets of one service that are asked for.
MAX_HOPS = 20
#: NAPTR questions for one host, where one leads to the next.
MAX_STEPS = 5
#: Services that the NAPTR records of one host may name.
MAX_SERVICES = 5

SERVICE = "_sip._udp."
_TRACED = "location"
_NOT_OURS = (NameNotFoundError, ResolverTimeoutError)

#: Gives the random source for a request: always the same one, or one seeded by the transaction (RFC 3263 4.4).
Chance = Callable[[Request], Random]

_Absent = NameNotFoundError | ResolverTimeoutError
_Answered = IAnswer | _Absent
_Addresses = list[str] | _Absent


class Locator:
    """Hosts to next hops."""

    def __init__(self, resolver: IResolver, seconds: Callable[[], float], chance: Chance) -> None:
        """
        @param seconds: the clock of the resolver's answers (IReactorTime.seconds)
        """
        self._resolver = resolver
        self._seconds = seconds
        self._chance = chance

    def by_address(self, host: str, port: int | None, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give a next hop for each address of a host.

        @param port: 5060 where it is None
        @raise RequestError: 404 for a host that does not exist, 503 while no name server answers (also in the
            Deferred)
        """
        found = self._addresses(host)
        if isinstance(found, AT_HAND):
            return _hops(found, port or DEFAULT_PORT, _place(host, port))
        return at_once(self._by_address(host, port, found))

    def by_service(self, host: str, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give next hops by the SRV records of a host, by its addresses where it has none.

        @return: none where the service is decidedly not available (RFC 2782, a target of ".")
        @raise RequestError: as for L{by_address}
        """
        return self._located(self._by_service, host, subject)

    def by_domain(self, host: str, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give next hops as RFC 3263 4 says for a URI without a port: by NAPTR, then SRV, then address.

        @return: none where the service is decidedly not available
        @raise RequestError: as for L{by_address}
        """
        return self._located(self._by_domain, host, subject)

    def _located(
        self, locate: "Callable[[str, Subject], Coroutine[Any, Any, NextHops]]", host: str, subject: Subject
    ) -> "NextHops | Deferred[NextHops]":
        if not is_name(host):
            return self.by_address(host, None, subject)
        return at_once(locate(host, subject))

    async def _by_address(self, host: str, port: int | None, found: "_Addresses | Deferred[_Addresses]") -> NextHops:
        addresses: _Addresses = await settled(found)
        if isinstance(addresses, list):
            return _hops(addresses, port or DEFAULT_PORT, _place(host, port))
        raise _refusal(addresses)

    async def _by_service(self, host: str, subject: Subject) -> NextHops:
        service = SERVICE + host
        asked, addresses = self._query(service, dns.SRV), self._addresses(host)
        return await self._by_services([service], {service: asked}, host, addresses, subject)

    async def _by_domain(self, host: str, subject: Subject) -> NextHops:
        service = SERVICE + host
        naptr, srv, addresses = self._query(host, dns.NAPTR), self._query(service, dns.SRV), self._addresses(host)
        services = await self._services(host, naptr, subject)
        if "" in services:
            add(subject, _TRACED, Note("{} has no SIP by UDP, says its NAPTR", host))
            return ()
        return await self._by_services(services or [service], {service: srv}, host, addresses, subject)

    async def _services(self, host: str, asked: "_Answered | Deferred[_Answered]", subject: Subject) -> list[str]:
        """Give the names of SRV records that NAPTR records lead to; an empty name is the root, that is, no service."""
        visited = [host.lower()]
        while True:
            answer: _Answered = await settled(asked)
            self._note(visited[-1], dns.NAPTR, answer, subject)
            if isinstance(answer, _NOT_OURS):
                return []
            rules = _usable_rules(answer.records)
            terminal = [name_text(rule.replacement) for rule in rules if charstr_text(rule.flags)]
            if terminal or not rules:
                if not rules:
                    add(subject, _TRACED, Note("{}: none of its NAPTR is for SIP by UDP", visited[-1]))
                return terminal[:MAX_SERVICES]
            onward = name_text(rules[0].replacement).lower()
            if onward in visited or len(visited) >= MAX_STEPS:
                add(subject, _TRACED, Note("{}: its NAPTR have no end", host))
                return []
            visited.append(onward)
            asked = self._query(onward, dns.NAPTR)

    async def _by_services(
        self,
        services: list[str],
        asked: "dict[str, _Answered | Deferred[_Answered]]",
        host: str,
        addresses: "_Addresses | Deferred[_Addresses]",
        subject: Subject,
    ) -> NextHops:
        """Use the first service that there is; without any, the addresses of the host (RFC 3263 4.2)."""
        silence: ResolverTimeoutError | None = None
        for service in services:
            waiting = asked[service] if service in asked else self._query(service, dns.SRV)
            answer: _Answered = await settled(waiting)
            self._note(service, dns.SRV, answer, subject)
            if isinstance(answer, ResolverTimeoutError):
                silence = answer
            elif not isinstance(answer, NameNotFoundError):
                return await self._targets(service, answer, subject)
        found: _Addresses = await settled(addresses)
        if isinstance(found, list):
            return _hops(found, DEFAULT_PORT, host)
        raise _refusal(silence or found)

    async def _targets(self, service: str, answer: IAnswer, subject: Subject) -> NextHops:
        """Give the next hops of SRV records, in the order of RFC 2782; those that cannot be found are left out."""
        records = [record for record in answer.records if record.port and name_text(record.target)]
        if len(records) < len(answer.records):
            add(
                subject,
                _TRACED,
                Note("{}: {} refused: target . or port 0", service, len(answer.records) - len(records)),
            )
        # RFC 3263 4.4: name servers rotate their answers; the order that chance begins with must not change.
        records.sort(key=lambda record: (name_text(record.target), record.port))
        chosen = arrange(records, _priority, self._chance(subject.request), MAX_HOPS)
        targets = [name_text(record.target) for record in chosen]
        found = [self._addresses(target) for target in targets]
        hops: dict[tuple[object, ...], NextHop] = {}
        absent: list[_Absent] = []
        for record, target, waiting in zip(chosen, targets, found, strict=True):
            addresses: _Addresses = await settled(waiting)
            if isinstance(addresses, list):
                for hop in _hops(addresses, record.port, _place(target, record.port)):
                    hops.setdefault(hop[:3], hop)
            else:
                absent.append(addresses)
                add(subject, _TRACED, Note("{} is left out: {}", target, addresses))
        if absent and not hops:
            raise _refusal(next((error for error in absent if isinstance(error, ResolverTimeoutError)), absent[0]))
        return list(hops.values())[:MAX_HOPS]

    def _query(self, name: str, record_type: int) -> "_Answered | Deferred[_Answered]":
        answer: _Answered | Deferred[_Answered] = _outcome(self._resolver.query, name, record_type)
        return answer

    def _addresses(self, host: str) -> "_Addresses | Deferred[_Addresses]":
        found: _Addresses | Deferred[_Addresses] = _outcome(self._resolver.addresses, host)
        return found

    def _note(self, name: str, record_type: int, answer: _Answered, subject: Subject) -> None:
        if isinstance(answer, _NOT_OURS):
            add(subject, _TRACED, Note("{}: {}", type_text(record_type), answer))
        else:
            age = self._seconds() - answer.received
            add(subject, _TRACED, AnswerNote(name, record_type, answer, age))


def is_name(host: str) -> bool:
    """Tell whether a host may have records: not a literal address, and nothing that only looks like one.

    RFC 3261 25.1: toplabel = ALPHA / ALPHA *( alphanum / "-" ) alphanum
    """
    return ":" not in host and host.removesuffix(".").rpartition(".")[2][:1].isalpha()


def _usable_rules(records: Sequence[Any]) -> list[Any]:
    """Give the NAPTR records that we can follow, of the first order that has some, the preferred ones first.

    RFC 3403 4.1: once a record is found that can be used, those of a higher order must not be considered.
    """
    usable = [record for record in records if _is_usable(record)]
    usable.sort(key=lambda record: (record.order, record.preference))
    return [record for record in usable if record.order == usable[0].order]


def _is_usable(record: Any) -> bool:
    service, flags = charstr_text(record.service).upper(), charstr_text(record.flags).upper()
    if record.regexp.string:
        return False  # RFC 3263 4.1: "an empty regular expression and a replacement value"
    if flags == "S":
        return service == "SIP+D2U"
    return not flags and service in ("", "SIP+D2U")


def _priority(record: Any) -> int:
    return int(record.priority)


def _outcome(ask: Callable[..., Any], *arguments: object) -> Any:
    """Ask the resolver; what it does not know is a value."""
    try:
        answer = ask(*arguments)
    except _NOT_OURS as error:
        return error
    return answer.addErrback(_absent) if isinstance(answer, Deferred) else answer


def _absent(failure: Failure) -> Exception:
    if not isinstance(failure.value, _NOT_OURS):
        failure.raiseException()
    return failure.value


async def settled(found: "T | Deferred[T]") -> T:
    """Wait for what is not at hand."""
    if isinstance(found, Deferred):
        waited: T = await found
        return waited
    return found


def at_once(located: "Coroutine[Any, Any, NextHops]") -> "NextHops | Deferred[NextHops]":
    """Run a coroutine; give its result, or raise its error, where it did not have to wait."""
    waiting = Deferred.fromCoroutine(located)
    if not waiting.called:
        return waiting
    result = waiting.result
    if isinstance(result, Failure):
        waiting.addErrback(_forget)
        result.raiseException()
    assert isinstance(result, AT_HAND)
    return result


def _forget(_: Failure) -> None:
    """The failure is raised already."""


def _hops(addresses: Sequence[str], port: int, name: str) -> list[NextHop]:
    return [NextHop(address, port, "udp", name) for address in addresses[:MAX_HOPS]]


def _place(host: str, port: int | None) -> str:
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host and host[0] != "[" else f"{host}:{port}"


def _refusal(error: _Absent) -> RequestError:
    if isinstance(error, ResolverTimeoutError):
        return UnavailableError(b"Name Service Unavailable")
    return RequestError(404, b"Unresolvable Destination")
