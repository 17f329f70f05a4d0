"""mod_sip_enum.c: E.164 numbers to SIP URIs by the DNS (RFC 6116; E2U+pstn:sip of RFC 4769).

Roots are asked one after the other, private ones before e164.arpa; the first
one with a usable record ends the search. All its usable records become targets,
to be tried in turn. The string that expressions see begins with C{+}: the
number is taken for an international one, as number expansion has left it.

Only C{sip:} results are used: C{sips:} needs a transport that we have not,
C{tel:} would be asked for here again. Answers that the resolver calls stale are
never used.
"""

import re
from collections import OrderedDict
from collections.abc import Generator, Iterable, Sequence
from functools import partial

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.names import dns
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.config import Directive, Module, Settings, each, host, milliseconds, on_off, repeated, seconds
from sipproxy.config.kinds import one_word
from sipproxy.errors import NameNotFoundError, ResolverTimeoutError
from sipproxy.interfaces import IAnswer, IResolver
from sipproxy.translation.chain import AT_HAND, ITranslator, Subject, Target, Targets
from sipproxy.translation.expansion import number_of
from sipproxy.translation.naptr import Outcome, Rule, Search, services

PUBLIC_ROOT = "e164.arpa"
# ITU-T E.164 6: a country code has a digit at least, and so has what follows; both have 15 at most.
_LEAST_DIGITS, _MOST_DIGITS = 2, 15
# RFC 1035 2.3.4: 255 octets on the wire, 253 as text; each digit takes two.
_LONGEST_ROOT = 253 - 2 * _MOST_DIGITS

#: Lines in the trace of one call.
MAX_NOTES = 30
#: Records kept by EnumCacheInS, each below 1.5 kB.
CACHED_RULES = 50_000
_Q_STEP = 0.01

_SERVICE = re.compile(r"E2U\+[A-Z0-9-]{1,32}(?::[A-Z0-9-]{1,32})*", re.IGNORECASE)
_DOMAIN = host()


def _root(word: str) -> str:
    try:
        name = _DOMAIN.parse((word,))
    except ValueError:
        raise ValueError from None  # an address would be wrong as well: what is expected is said below
    if ":" in name or name[-1].isdigit() or len(name) > _LONGEST_ROOT:
        raise ValueError
    return name


def _service(word: str) -> str:
    if _SERVICE.fullmatch(word) is None:
        raise ValueError
    return word


ENUM = Directive("EnumModule", on_off(), False, "Look numbers up in the DNS.")
SEARCH_ROOT = Directive(
    "EnumSearchRoot",
    repeated(one_word(_root, f"a domain of at most {_LONGEST_ROOT} characters", "domain")),
    (PUBLIC_ROOT,),
    "Domain under which numbers are looked up; several are asked in order, e164.arpa last.",
)
SERVICES = Directive(
    "EnumServices",
    each(one_word(_service, "a service such as E2U+sip", "service")),
    ("E2U+sip", "E2U+pstn:sip"),
    "Services that calls are sent to; a record counts when any one of its services is among them.",
)
TIMEOUT = Directive(
    "EnumTimeoutInMs", milliseconds(minimum=1), 2.0, "How long a call waits for the answers of all roots together."
)
CACHE = Directive(
    "EnumCacheInS", seconds(), 0.0, "How long records are believed whatever their TTL says; 0: as their TTL says."
)
MODULE = Module("mod_sip_enum.c", (ENUM, SEARCH_ROOT, SERVICES, TIMEOUT, CACHE))


class RuleCache:
    """Rules by domain name: a bounded memory that forgets its oldest entry first."""

    def __init__(self, size: int) -> None:
        """
        @param size: rules, of all names together
        """
        self._size = size
        self._used = 0
        self._entries: OrderedDict[str, tuple[Sequence[Rule], float]] = OrderedDict()

    def __len__(self) -> int:
        return self._used

    def get(self, name: str, now: float) -> Sequence[Rule] | None:
        """Give what is known of a name; None where nothing is."""
        entry = self._entries.get(name)
        return entry[0] if entry is not None and now < entry[1] else None

    def put(self, name: str, rules: Sequence[Rule], expires: float) -> None:
        """Remember the rules of a name, one at least, in place of older ones."""
        before, _ = self._entries.pop(name, ((), 0.0))
        self._entries[name] = (rules, expires)
        self._used += len(rules) - len(before)
        while self._used > self._size:
            _, (forgotten, _) = self._entries.popitem(last=False)
            self._used -= len(forgotten)


class Notes:
    """What explains a search: lines in a subject's trace, not more than a person reads."""

    def __init__(self, subject: Subject) -> None:
        self._trace = subject.trace
        self._left = MAX_NOTES

    def add(self, text: str) -> None:
        """Add a line."""
        self._left -= 1
        if self._left >= 0:
            self._trace.append(("translation", EnumTranslator.name, text if self._left else "and more"))


@implementer(ITranslator)
class EnumTranslator:
    """Contacts of numbers, from NAPTR records."""

    name = "mod_sip_enum"

    def __init__(
        self,
        resolver: IResolver,
        clock: IReactorTime,
        *,
        roots: Sequence[str],
        wanted: Iterable[str],
        timeout: float,
        lifetime: float = 0.0,
    ) -> None:
        """
        @param roots: domains under which numbers are, in the order of asking; e164.arpa is asked last
        @param wanted: services that are used, C{E2U+sip}
        @param timeout: seconds that a call waits in all
        @param lifetime: seconds that records are believed after they came, 0 for those of their TTL
        """
        self._resolver = resolver
        self._clock = clock
        self._seconds = clock.seconds
        self._roots = sorted(roots, key=lambda root: root == PUBLIC_ROOT)
        self._wanted = frozenset(service for field in wanted for service in services(field.encode("ascii")))
        self._timeout = timeout
        self._lifetime = lifetime
        self._cache = RuleCache(CACHED_RULES)

    def translate(self, subject: Subject) -> "Targets | Deferred[Targets]":
        """Give the targets of a number, the most preferred one with the highest q; none for what is no E.164 number."""
        number = number_of(subject.uri)
        if number is None:
            return ()
        notes = Notes(subject)
        digits = number.removeprefix("+")
        if not digits.isdigit() or not _LEAST_DIGITS <= len(digits) <= _MOST_DIGITS:
            notes.add(f"{number} is no E.164 number")
            return ()
        answer = self._drive(self._search(digits, notes), None)
        if isinstance(answer, AT_HAND):
            return answer
        return answer.addTimeout(self._timeout, self._clock, partial(_timed_out, notes))

    def _search(self, digits: str, notes: Notes) -> Generator[str, Outcome, Targets]:
        """Search under each root until one has something; yields the names to be asked for."""
        domain = ".".join(reversed(digits))
        for root in self._roots:
            search = Search(b"+" + digits.encode("ascii"), self._wanted, notes.add)
            yield from search.under(f"{domain}.{root}")
            if search.found:
                return [
                    Target(uri, round(1.0 - place * _Q_STEP, 2), origin=self.name)
                    for place, uri in enumerate(search.found)
                ]
        return ()

    def _drive(
        self, search: Generator[str, Outcome, Targets], outcome: Outcome | None
    ) -> "Targets | Deferred[Targets]":
        """Ask what a search wants to know until it ends; without a Deferred as long as the answers are at hand."""
        try:
            name = next(search) if outcome is None else search.send(outcome)
            while True:
                known = self._ask(name)
                if isinstance(known, Deferred):
                    return known.addCallback(partial(self._drive, search))
                name = search.send(known)
        except StopIteration as end:
            found: Targets = end.value
            return found

    def _ask(self, name: str) -> "Outcome | Deferred[Outcome]":
        known = self._cache.get(name, self._seconds()) if self._lifetime else None
        if known is not None:
            return known
        try:
            answer = self._resolver.query(name, dns.NAPTR)
        except (NameNotFoundError, ResolverTimeoutError) as error:
            return str(error)
        if isinstance(answer, Deferred):
            return answer.addCallbacks(self._answered, _unanswered, callbackArgs=(name,))
        return self._answered(answer, name)

    def _answered(self, answer: IAnswer, name: str) -> Outcome:
        if answer.is_stale:
            return f"{name}: no name server answers, and what was known has expired"
        rules = tuple(
            Rule(
                record.order,
                record.preference,
                record.flags.string,
                record.service.string,
                record.regexp.string,
                record.replacement.name,
            )
            for record in answer.records
        )
        expires = answer.received + self._lifetime
        if rules and expires > self._seconds():
            self._cache.put(name, rules, expires)
        return rules


def configured_enum(settings: Settings, resolver: IResolver, clock: IReactorTime) -> EnumTranslator:
    """Make the translator that a configuration describes."""
    return EnumTranslator(
        resolver,
        clock,
        roots=settings[SEARCH_ROOT],
        wanted=settings[SERVICES],
        timeout=settings[TIMEOUT],
        lifetime=settings[CACHE],
    )


def _unanswered(failure: Failure) -> Outcome | Failure:
    return str(failure.value) if isinstance(failure.value, NameNotFoundError | ResolverTimeoutError) else failure


def _timed_out(notes: Notes, result: Targets | Failure, timeout: float) -> Targets | Failure:
    """Let the chain go on without us; the questions stay with the resolver, for who asks next."""
    if not isinstance(result, Failure) or not isinstance(result.value, CancelledError):
        return result
    notes.add(f"no answer within {timeout:g} s")
    return ()
