"""The translators in their order; the first that gives contacts ends the step.

What each one answered is recorded in the subject's trace as it goes: that
record is what C{explain} shows.
"""

from collections.abc import Sequence
from functools import partial

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from sipproxy.interfaces import Address
from sipproxy.message import Request, Uri


class Target:
    """One place where a request may go: an element of the target set (RFC 3261 16.5).

    @ivar uri: the Request-URI it will have
    @ivar q: preference, higher first
    @ivar route: Route values that lead there, from the Path of a registration (RFC 3327)
    @ivar action: C{"proxy"}, C{"redirect"} or C{""}: the caller preference of the contact
    @ivar origin: name of what found it
    @ivar rounds: rounds of translation inside us that led to it; each takes one Max-Forwards
    """

    __slots__ = ("action", "origin", "q", "rounds", "route", "uri")

    def __init__(
        self,
        uri: Uri,
        q: float = 1.0,
        route: tuple[bytes, ...] = (),
        action: str = "",
        origin: str = "",
        rounds: int = 0,
    ) -> None:
        self.uri = uri
        self.q = q
        self.route = route
        self.action = action
        self.origin = origin
        self.rounds = rounds

    def __repr__(self) -> str:
        return f"<Target {self.uri!r} q={self.q} {self.origin}>"


#: What a translator gives: a list, or a tuple.
Targets = list[Target] | tuple[Target, ...]
#: The types of an answer that is at hand. To ask for Deferred, an abstract base class, costs more on each call.
AT_HAND = (list, tuple)


class Subject:
    """What translators and routers are asked about.

    @ivar uri: the URI in question, its number expanded; not always the Request-URI as received
    @ivar names: the URIs that stand for it in the registry, in the order of asking
    @ivar request: the request
    @ivar source: C{(host, port)} it came from
    @ivar now: wall-clock time
    @ivar trace: what was found so far: (stage, module, text)
    """

    __slots__ = ("names", "now", "request", "source", "trace", "uri")

    def __init__(self, uri: Uri, request: Request, source: Address, now: float) -> None:
        self.uri = uri
        self.names: tuple[Uri, ...] = (uri,)
        self.request = request
        self.source = source
        self.now = now
        self.trace: list[tuple[str, str, object]] = []


class ITranslator(Interface):
    """A module that knows contacts for Request-URIs at our domains."""

    name = Attribute("module name, as in the trace")

    def translate(subject: Subject) -> "Targets | Deferred[Targets]":
        """Give contacts for C{subject.uri}; none means: ask the next translator.

        @raise sipproxy.errors.RequestError: the request ends here, with that status
        """


class TranslationChain:
    """Translators, asked in order."""

    def __init__(self, translators: Sequence[ITranslator]) -> None:
        self._translators = tuple(translators)

    def translate(self, subject: Subject, first: int = 0) -> "Targets | Deferred[Targets]":
        """Give the contacts of the first translator that has some, or an empty list."""
        for at in range(first, len(self._translators)):
            translator = self._translators[at]
            answer = translator.translate(subject)
            if not isinstance(answer, AT_HAND):
                return answer.addCallback(partial(self._resume, subject, at))
            subject.trace.append(("translation", translator.name, answer))
            if answer:
                return answer
        return ()

    def _resume(self, subject: Subject, at: int, targets: Targets) -> "Targets | Deferred[Targets]":
        subject.trace.append(("translation", self._translators[at].name, targets))
        return targets or self.translate(subject, at + 1)
