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


class Forwarding:
    """What a subscriber wishes to be done with a call that is not taken.

    @ivar diverting: the URI that was called
    @ivar busy: where it goes when it is answered 486, None to leave it
    @ivar no_answer: where it goes when nobody answers, None to leave it
    @ivar unavailable: where it goes when nothing can be reached, None to leave it
    @ivar ring_time: seconds until nobody has answered
    @ivar silent_time: seconds until nothing can be reached
    @ivar older: the diversion header lines that the call has got from us before
    @ivar outer: the wishes of another subscriber, one of whose contacts C{diverting} is
    """

    __slots__ = (
        "_header",
        "busy",
        "diverting",
        "no_answer",
        "older",
        "outer",
        "ring_time",
        "silent_time",
        "unavailable",
    )

    def __init__(
        self,
        diverting: Uri,
        busy: Uri | None,
        no_answer: Uri | None,
        unavailable: Uri | None,
        ring_time: float,
        silent_time: float,
        header: str,
        older: tuple[bytes, ...],
        outer: "Forwarding | None",
    ) -> None:
        """
        @param header: name of the header that says so, empty for none
        """
        self.diverting = diverting
        self.busy = busy
        self.no_answer = no_answer
        self.unavailable = unavailable
        self.ring_time = ring_time
        self.silent_time = silent_time
        self._header = header
        self.older = older
        self.outer = outer

    @property
    def has_wishes(self) -> bool:
        """Whether there is any wish."""
        return self.busy is not None or self.no_answer is not None or self.unavailable is not None

    def target(self, reason: str, uri: Uri) -> "Target":
        """Make the target of the forwarded call.

        @param reason: as in the header: C{unconditional}, C{user-busy}, C{no-answer}, C{unavailable} (RFC 5806)
        """
        target = Target(uri, origin="mod_sip_call_forward")
        target.diverted = reason
        target.forwarding = self.outer
        target.diversions = self.older
        if self._header:
            line = f"{self._header}: <%b>;reason={reason};counter=1".encode("ascii")
            target.diversions = (line % self.diverting.bare(), *self.older)
        return target


class Target:
    """One place where a request may go: an element of the target set (RFC 3261 16.5).

    @ivar uri: the Request-URI it will have
    @ivar q: preference, higher first
    @ivar route: Route values that lead there, from the Path of a registration (RFC 3327)
    @ivar action: C{"proxy"}, C{"redirect"} or C{""}: the caller preference of the contact
    @ivar origin: name of what found it
    @ivar rounds: rounds of translation inside us that led to it; each takes one Max-Forwards
    @ivar forwarding: what the called subscriber wishes if it fails, None for nothing
    @ivar diverted: why the call was forwarded there, empty where it was not
    @ivar diversions: header lines that say so, newest first
    """

    __slots__ = ("action", "diversions", "diverted", "forwarding", "origin", "q", "rounds", "route", "uri")

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
        self.forwarding: Forwarding | None = None
        self.diverted = ""
        self.diversions: tuple[bytes, ...] = ()

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
    @ivar forwarding: what the called subscriber wishes if the call is not taken, None for nothing
    @ivar diversions: diversion header lines that the call has got from us before
    """

    __slots__ = ("diversions", "forwarding", "names", "now", "request", "source", "trace", "uri")

    def __init__(self, uri: Uri, request: Request, source: Address, now: float) -> None:
        self.uri = uri
        self.names: tuple[Uri, ...] = (uri,)
        self.request = request
        self.source = source
        self.now = now
        self.trace: list[tuple[str, str, object]] = []
        self.forwarding: Forwarding | None = None
        self.diversions: tuple[bytes, ...] = ()


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
