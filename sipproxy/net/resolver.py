"""Host names to addresses: literal addresses, the hosts file, then questions.

What is written in the hosts file needs no server.  Here are the A and AAAA
questions of RFC 3263 4.2; NAPTR and SRV are the router's, by the same
L{sipproxy.net.dns.Questions}.  Search domains are not used: a host in SIP is a
full name.
"""

import socket
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.names import dns
from zope.interface import implementer

from sipproxy.errors import NameNotFoundError, ResolverTimeoutError
from sipproxy.interfaces import Address, IAnswer, IResolver
from sipproxy.net.dns import Answer, Questions
from sipproxy.net.hosts import HostsFile
from sipproxy.net.lookup import SystemLookup, server_lookup, system_servers
from sipproxy.net.name_servers import NameServers
from sipproxy.net.replies import canonical_name
from sipproxy.net.sockets import family_of

_FAMILIES = (dns.A, dns.AAAA)
_Outcome = Answer | Exception
_NOT_OURS = (NameNotFoundError, ResolverTimeoutError)


def create_resolver(
    reactor: Any,
    *,
    servers: Sequence[Address],
    timeout: float,
    cache_size: int,
    negative_ttl: float,
    serve_stale: float,
    hosts_file: str,
    system_resolver: bool,
) -> "Resolver":
    """Make the resolver of a configuration.

    @param reactor: provider of IReactorFDSet, IReactorTime, IReactorTCP and IReactorThreads
    @param servers: name servers in the order of asking, none for those of resolv.conf(5)
    @param timeout: seconds that a question to the DNS may take, and one to the system after it
    @param cache_size: answers remembered
    @param negative_ttl: most seconds that an absence is believed
    @param serve_stale: seconds past their TTL that answers serve while no server answers
    @param hosts_file: path
    @param system_resolver: ask the system for what neither knows
    """
    name_servers = NameServers(server_lookup(reactor, servers or system_servers(), timeout), reactor, timeout)
    questions = Questions(
        reactor,
        name_servers,
        timeout=timeout,
        cache_size=cache_size,
        negative_ttl=negative_ttl,
        serve_stale=serve_stale,
    )
    further = []
    if system_resolver:
        # What the system says is believed as long as the DNS's "no" that led to it.
        system = SystemLookup(reactor, int(negative_ttl))
        further.append(Questions(reactor, system, timeout=timeout, cache_size=cache_size, negative_ttl=negative_ttl))
    return Resolver(HostsFile(hosts_file, reactor.seconds), questions, further, name_servers)


@implementer(IResolver)
class Resolver:
    """Addresses of hosts.

    @ivar questions: the DNS, for questions of other types
    @ivar name_servers: whether the DNS answers; None where that is not watched
    """

    def __init__(
        self,
        hosts: HostsFile,
        questions: Questions,
        further: Sequence[Questions] = (),
        name_servers: NameServers | None = None,
    ) -> None:
        """
        @param further: who is asked in turn for what the DNS does not know
        """
        self._hosts = hosts
        self.questions = questions
        self.name_servers = name_servers
        self._sources = (questions, *further)

    def addresses(self, host: str) -> "list[str] | Deferred[list[str]]":
        """Give the addresses of a host, at once where they are known.

        @param host: a name, or a literal address (IPv6 perhaps in brackets)
        @return: literal addresses, IPv4 first, else as served; or a Deferred of them
        @raise NameNotFoundError: raised, or in the Deferred
        @raise ResolverTimeoutError: in the Deferred
        """
        literal = literal_address(host)
        if literal is not None:
            return [literal]
        found = self._hosts.find(host)
        if found:
            return list(found)
        try:
            return _ask_in_turn(self._sources, _address_name(host))
        except ResolverTimeoutError as error:
            return fail(error)

    def query(self, name: str, record_type: int) -> "IAnswer | Deferred[IAnswer]":
        """Ask the DNS for the records of a name; see L{sipproxy.interfaces.IResolver}."""
        answer: IAnswer | Deferred[Any] = self.questions.query(name, record_type)
        return answer


def literal_address(host: str) -> str | None:
    """Give a literal IP address as it is, without the brackets of an IPv6 reference; None for any other text."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") and ":" in host else host
    # Names do not end in a digit (RFC 3261 25.1, toplabel) and have no colon: the usual name is seen at a glance.
    if ":" not in bare and not bare[-1:].isdigit():
        return None
    return None if family_of(bare) is None else bare


def _address_name(host: str) -> str:
    name = canonical_name(host)
    # RFC 3261 25.1: "toplabel = ALPHA / ALPHA *( alphanum / "-" ) alphanum"; so 192.0.2.256 is asked of nobody.
    if not name.rpartition(".")[2][0].isalpha():
        raise NameNotFoundError(f"{host!r} is not a host name")
    return name


def _ask_in_turn(sources: Sequence[Questions], name: str) -> "list[str] | Deferred[list[str]]":
    """Ask the first source, and the ones after it when it does not know; the last one's error counts."""
    source, *others = sources
    if not others:
        return _ask(source, name)
    try:
        found = _ask(source, name)
    except _NOT_OURS:
        return _ask_in_turn(others, name)
    return Deferred.fromCoroutine(_or_others(found, others, name)) if isinstance(found, Deferred) else found


async def _or_others(found: "Deferred[list[str]]", others: Sequence[Questions], name: str) -> list[str]:
    try:
        return await found
    except _NOT_OURS:
        further = _ask_in_turn(others, name)
        return await further if isinstance(further, Deferred) else further


def _ask(source: Questions, name: str) -> "list[str] | Deferred[list[str]]":
    """Ask one source for both families at once."""
    outcomes = [_outcome(source, name, family) for family in _FAMILIES]
    known = [outcome for outcome in outcomes if not isinstance(outcome, Deferred)]
    if len(known) == len(outcomes):
        return _addresses_of(known)
    every: Deferred[Any] = DeferredList(
        [outcome if isinstance(outcome, Deferred) else succeed(outcome) for outcome in outcomes],
        consumeErrors=True,
    )
    return every.addCallback(_addresses_of_results)


def _outcome(source: Questions, name: str, family: int) -> "_Outcome | Deferred[Answer]":
    try:
        return source.query(name, family)
    except _NOT_OURS as error:
        return error


def _addresses_of_results(results: "list[tuple[bool, Any]]") -> list[str]:
    """Take the results of a DeferredList for outcomes."""
    outcomes: list[_Outcome] = [result if succeeded else result.value for succeeded, result in results]
    return _addresses_of(outcomes)


def _addresses_of(outcomes: "Sequence[_Outcome]") -> list[str]:
    """Give the addresses there are; where there are none, raise what matters most.

    An error of ours is raised before a silence, and a silence, which leaves the
    question open, before an absence.
    """
    errors = [outcome for outcome in outcomes if not isinstance(outcome, Answer)]
    for error in errors:
        if not isinstance(error, _NOT_OURS):
            raise error  # perhaps the CancelledError of an asker who has given up
    addresses = [_text(record) for outcome in outcomes if isinstance(outcome, Answer) for record in outcome.records]
    if addresses:
        return list(dict.fromkeys(addresses))
    raise next((error for error in errors if isinstance(error, ResolverTimeoutError)), errors[0])


def _text(record: Any) -> str:
    """Write the address of an A or AAAA record; there are no others in answers to these questions."""
    family = socket.AF_INET if isinstance(record, dns.Record_A) else socket.AF_INET6
    return socket.inet_ntop(family, record.address)
