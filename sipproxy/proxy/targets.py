"""Where a request may go: the target set (RFC 3261 16.5), with translation inside us as often as it takes.

A contact at our own host is translated again, as a spiral that never leaves
the server: each round takes one Max-Forwards, and an address of record that
was met before in this request is a loop.
"""

from collections.abc import Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from sipproxy.errors import RequestError
from sipproxy.message import Uri, parse_uri
from sipproxy.message.uri import digits
from sipproxy.proxy.identity import Identity
from sipproxy.translation import AT_HAND, Subject, Target, Targets, TranslationChain
from sipproxy.translation.expansion import Expansion

MAX_ROUNDS = 20
#: Whose contacts at our own host are routed, not translated once more.
_SETTLED = ("mod_sip_enum", "mod_sip_gktmp")


def resolvable(uri: Uri, identity: Identity) -> Uri:
    """Give the sip: URI that stands for a tel: URI; refuse what we cannot route.

    @raise RequestError: 416 (16.3 item 2); sips: too, which no transport of ours can carry (26.2.2)
    """
    if uri.scheme == b"sip":
        return uri
    if uri.scheme != b"tel" or not uri.user:
        raise RequestError(416)
    number = digits(uri.user)
    if number[:1] != b"+" and (uri.params.get(b"phone-context") or b"")[:1] == b"+":
        number = digits(uri.params[b"phone-context"] or b"") + number  # RFC 3966 5.1.5
    # RFC 3261 19.1.6: what else the tel: URI says stays in the user part, as the results of a number portability query.
    told = b"".join([_parameter(name, value) for name, value in uri.params.items() if name != b"phone-context"])
    return parse_uri(b"sip:%b%b@%b;user=phone" % (number, told, identity.domain))


def _parameter(name: bytes, value: bytes | None) -> bytes:
    return b";" + name if value is None else b";%b=%b" % (name, value)


def _take_wishes(found: Targets, subject: Subject) -> None:
    """Let what was found know what the subscriber wishes who was asked for; what is forwarded is another's already."""
    for target in found:
        if not target.diverted:
            target.forwarding = subject.forwarding


class Location:
    """The location service: who a Request-URI at our domains leads to."""

    def __init__(self, identity: Identity, translation: TranslationChain, expansion: Expansion) -> None:
        self._identity = identity
        self._translation = translation
        self._expansion = expansion

    def targets(self, subject: Subject, visited: set[bytes]) -> "Targets | Deferred[Targets]":
        """Give the target set for C{subject.uri}, which is at a domain of ours; itself alone where nobody knows better.

        @param visited: addresses of record that this request was translated for; added to
        @raise RequestError: 482 where all contacts lead back
        """
        uri = subject.uri
        if b"maddr" in uri.params:
            return self._itself(uri)
        visited.add(self._identity.aor_key(uri) or uri.raw)
        self._expand(subject)
        answer = self._translation.translate(subject)
        if isinstance(answer, AT_HAND):
            return self._translated(answer, subject, visited)
        return answer.addCallback(self._translated, subject, visited)

    def _expand(self, subject: Subject) -> None:
        dialled = subject.uri
        expanded = self._expansion.expand(dialled)
        subject.uri = expanded
        subject.names = self._expansion.names(dialled, expanded)
        if expanded is not dialled:
            subject.trace.append(("expansion", "mod_sip", expanded))

    def _translated(self, found: Targets, subject: Subject, visited: set[bytes]) -> "Targets | Deferred[Targets]":
        targets = found or self._itself(subject.uri)
        if subject.forwarding is not None:
            _take_wishes(targets, subject)
        return self.inside(subject, targets, visited, 0) if found else targets

    def _itself(self, uri: Uri) -> Targets:
        return (Target(uri, origin="request"),)

    def inside(
        self, subject: Subject, targets: Targets, visited: set[bytes], rounds: int
    ) -> "Targets | Deferred[Targets]":
        """Translate those of some targets again that are at our own host.

        @raise RequestError: 482 where all of them lead back
        """
        for target in targets:
            if self._is_inside(target):
                return self._translate_again(subject, targets, visited, rounds)
        return targets

    def _is_inside(self, target: Target) -> bool:
        # A tel: URI is a number at our domain.
        is_ours = self._identity.is_ours(target.uri) or target.uri.scheme == b"tel"
        return is_ours and not target.route and target.origin not in _SETTLED

    @inlineCallbacks
    def _translate_again(
        self, subject: Subject, targets: Targets, visited: set[bytes], rounds: int
    ) -> Generator[Any, Any, Targets]:
        found: list[Target] = []
        for target in targets:
            if not self._is_inside(target):
                found.append(target)
                continue
            try:
                target.uri = resolvable(target.uri, self._identity)
            except RequestError as error:
                subject.trace.append(("translation", "mod_sip", f"{target.uri.raw.decode('latin-1')}: {error}"))
                continue
            key = self._identity.aor_key(target.uri) or target.uri.raw
            if key in visited or rounds >= MAX_ROUNDS:
                subject.trace.append(("translation", "mod_sip", f"loop at {key.decode('utf-8', 'replace')}"))
                continue
            visited.add(key)
            again = Subject(target.uri, subject.request, subject.source, subject.now)
            again.trace = subject.trace
            again.forwarding = target.forwarding
            again.diversions = target.diversions
            self._expand(again)
            further = self._translation.translate(again)
            if not isinstance(further, AT_HAND):
                further = yield further
            _take_wishes(further, again)
            for deeper in further:
                deeper.rounds = target.rounds + 1
                deeper.q = min(deeper.q, target.q)
                if not deeper.diverted:
                    deeper.diverted = target.diverted
                    deeper.diversions = target.diversions
            if not further:
                target.uri = again.uri
                target.origin = "request"  # a number that is routed, not the contact of a telephone
                target.forwarding = again.forwarding
            found.extend((yield self._settle(again, further or (target,), visited, rounds + 1)))
        if not found:
            raise RequestError(482)
        return found

    @inlineCallbacks
    def _settle(
        self, subject: Subject, targets: Targets, visited: set[bytes], rounds: int
    ) -> Generator[Any, Any, Targets]:
        if targets[0].uri is subject.uri:
            return targets
        answer = self.inside(subject, targets, visited, rounds)
        if not isinstance(answer, AT_HAND):
            answer = yield answer
        return answer
