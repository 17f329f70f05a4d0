"""mod_sip_call_forward.c: calls go where their subscriber wishes.

Unconditional forwarding, and that of a subscriber who is known but not
registered, are contacts like others. Busy, no answer and silence show later, on
the way of the call: what is wished then goes with the targets
(L{Forwarding}, used in L{sipproxy.proxy.diversion}).

The forwarded request says who was called first and why: Diversion (RFC 5806),
or one of its two older names. Nothing but INVITE is forwarded, with the CANCEL
and ACK that follow it; a later INVITE of a dialog is no new call.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from sipproxy.config import Directive, Module, Settings, milliseconds, on_off, one_of
from sipproxy.errors import RequestError, SipParseError
from sipproxy.interfaces import ISubscriber, ISubscribers
from sipproxy.message import Request, Uri, parse_uri
from sipproxy.translation.chain import Forwarding, ITranslator, Subject, Targets

log = Logger(namespace="mod_sip_call_forward")

#: Entries of all the names that a request may have gathered; more is a loop that changes its Call-ID on the way.
MAX_DIVERSIONS = 20
HEADER_NAMES = ("CC-Diversion", "Diversion", "CC-Redirect")
_NAME = "mod_sip_call_forward"
_CANONICAL = tuple(name.lower() for name in HEADER_NAMES)

UNCONDITIONAL = Directive(
    "CallForwardUnconditional", on_off(), False, "Forward all calls of a subscriber who wishes it."
)
BUSY = Directive("CallForwardBusy", on_off(), False, "Forward a call that is answered 486.")
NO_ANSWER = Directive("CallForwardNoAnswer", on_off(), False, "Forward a call that rings and is not answered in time.")
UNAVAILABLE = Directive(
    "CallForwardUnavailable",
    on_off(),
    False,
    "Forward a call to a subscriber who is not registered, or whose telephones say nothing.",
)
NO_ANSWER_TIMER = Directive(
    "CallForwardNoAnswerTimer",
    milliseconds(minimum=1),
    24.0,
    "How long a call rings before it is forwarded, where the subscriber has no time of their own.",
)
UNAVAILABLE_TIMER = Directive(
    "CallForwardUnavailableTimer",
    milliseconds(minimum=1),
    24.0,
    "How long telephones may say nothing before the call is forwarded.",
)
ADD_HEADER = Directive(
    "AddDiversionHeader", on_off(), True, "Say in a forwarded request who was called first, and why."
)
HEADER_NAME = Directive("DiversionHeaderName", one_of(*HEADER_NAMES), HEADER_NAMES[0], "The name of that header.")

MODULE = Module(
    "mod_sip_call_forward.c",
    (
        UNCONDITIONAL,
        NO_ANSWER,
        BUSY,
        UNAVAILABLE,
        NO_ANSWER_TIMER,
        UNAVAILABLE_TIMER,
        ADD_HEADER,
        HEADER_NAME,
    ),
)


@dataclass(frozen=True, slots=True)
class ForwardPolicy:
    """Which wishes count.

    @ivar ring_time: seconds that a call rings
    @ivar silent_time: seconds that telephones may say nothing
    @ivar header: name of the diversion header, empty for none
    """

    unconditional: bool
    busy: bool
    no_answer: bool
    unavailable: bool
    ring_time: float
    silent_time: float
    header: str

    @classmethod
    def of(cls, settings: Settings) -> "ForwardPolicy":
        """Read it from the configuration."""
        return cls(
            settings[UNCONDITIONAL],
            settings[BUSY],
            settings[NO_ANSWER],
            settings[UNAVAILABLE],
            settings[NO_ANSWER_TIMER],
            settings[UNAVAILABLE_TIMER],
            settings[HEADER_NAME] if settings[ADD_HEADER] else "",
        )

    @property
    def is_used(self) -> bool:
        """Whether any wish counts."""
        return self.unconditional or self.busy or self.no_answer or self.unavailable


@implementer(ITranslator)
class CallForward:
    """What the subscriber record says of all calls; what it says of some of them is noted in the subject."""

    name = _NAME

    def __init__(
        self,
        subscribers: ISubscribers,
        policy: ForwardPolicy,
        keys_of: Callable[[Uri], Sequence[str]],
        resolvable: Callable[[Uri], Uri],
    ) -> None:
        """
        @param keys_of: gives the keys that a called party may have in the subscriber database
        @param resolvable: gives the sip: URI that stands for a URI; raises RequestError for one we cannot route
        """
        self._subscribers = subscribers
        self._policy = policy
        self._keys_of = keys_of
        self._resolvable = resolvable

    def translate(self, subject: Subject) -> "Targets | Deferred[Targets]":
        """Give the target of unconditional forwarding.

        @raise RequestError: 482 for a request that was forwarded too often, 503 where the database is away
        """
        if not _is_new_call(subject.request):
            return ()
        names = subject.names
        keys = self._keys_of(names[0]) if len(names) == 1 else [key for uri in names for key in self._keys_of(uri)]
        found = self._subscribers.find(keys)
        if isinstance(found, Deferred):
            return found.addCallback(self._wishes, subject)
        return () if found is None else self._wishes(found, subject)

    def _wishes(self, subscriber: ISubscriber | None, subject: Subject) -> Targets:
        if subscriber is None or not subscriber.enabled:
            return ()
        policy = self._policy
        forwarding = Forwarding(
            subject.uri,
            self._wish(subscriber, "busy") if policy.busy else None,
            self._wish(subscriber, "no_answer") if policy.no_answer else None,
            self._wish(subscriber, "unavailable") if policy.unavailable else None,
            subscriber.ring_time or policy.ring_time,
            policy.silent_time,
            policy.header,
            subject.diversions,
            subject.forwarding,
        )
        always = self._wish(subscriber, "unconditional") if policy.unconditional else None
        if always is not None:
            _check_diversions(subject.request)
            return (forwarding.target("unconditional", always),)
        if forwarding.has_wishes:
            _check_diversions(subject.request)
            subject.forwarding = forwarding
        return ()

    def _wish(self, subscriber: ISubscriber, field: str) -> Uri | None:
        text: str = getattr(subscriber, field)
        if not text:
            return None
        try:
            return self._resolvable(parse_uri(text.encode("utf-8")))
        except (SipParseError, RequestError):
            log.warn(
                "the forwarding of {key!r} on {field} is ignored: {text!r} is no URI that can be called",
                key=subscriber.key,
                field=field,
                text=text,
            )
            return None


@implementer(ITranslator)
class CallForwardUnavailable:
    """The target of a subscriber whom the registry does not know; it stands behind the registry in the chain."""

    name = _NAME

    def translate(self, subject: Subject) -> Targets:
        """Give the target of a subscriber who is not registered."""
        forwarding = subject.forwarding
        if forwarding is None or forwarding.diverting is not subject.uri or forwarding.unavailable is None:
            return ()
        return (forwarding.target("unavailable", forwarding.unavailable),)


def _is_new_call(request: Request) -> bool:
    method = request.method
    return (method == b"INVITE" and not request.to.tag) or method in (b"CANCEL", b"ACK")


def _check_diversions(request: Request) -> None:
    """End what was forwarded so often that it must go round in circles.

    @raise RequestError: 482
    """
    entries = sum([len(request.values(name)) for name in _CANONICAL if name in request.names])
    if entries >= MAX_DIVERSIONS:
        raise RequestError(482, b"Too Many Diversions")
