"""mod_sip.c: the directives of the proxy core, and their values as the code reads them."""

from collections.abc import Iterable
from dataclasses import dataclass

from sipproxy.config import (
    Computed,
    Directive,
    Module,
    Problem,
    Settings,
    hosts,
    joined,
    milliseconds,
    on_off,
    one_of,
    whole,
)
from sipproxy.message import DEFAULT_LIMITS, Limits
from sipproxy.transaction import TimerValues

#: RFC 3261 16.6 item 11: timer C is larger than 3 minutes.
LEAST_TIMER_C = 180.001
#: Commas, semicolons and line ends of a Via with several parameters.
_IN_A_VIA = 6

SERVER_MODE = Directive(
    "SIPServerMode",
    one_of("Proxy", "Redirect"),
    "Proxy",
    "What the server does with a call: forward it, or tell the caller where to try.",
)
STATEFUL = Directive(
    "StatefulServer", on_off(), True, "Keep a transaction for each request; Off: forget it once it is forwarded."
)
CALLER_PREFERENCES = Directive(
    "UseCallerPreferences",
    on_off(),
    False,
    "Honour the action parameter of a registered Contact instead of SIPServerMode for calls to that contact.",
)
RECORD_ROUTE = Directive("AddRecordRoute", on_off(), False, "Stay in the path of later requests of a dialog.")
RECURSIVE = Directive(
    "Recursive", on_off(), True, "Try the contacts of a 3xx response from downstream instead of passing it up."
)
FORKING = Directive(
    "ForkingMode",
    one_of("Parallel", "Sequential", "Off"),
    "Parallel",
    "Several contacts: those of equal q at once and lower ones later, one after the other, or the best one only.",
)
MAX_FORKS = Directive("MaxForks", whole(minimum=1), 10, "Branches of one request in all.")
TIMER_C = Directive(
    "SIPTimerCInMs",
    milliseconds(minimum=1),
    185.0,
    "How long an INVITE may ring without news (RFC 3261 16.6 item 11); below 180001 for tests only.",
)
SEQUENTIAL_TIMEOUT = Directive(
    "SequentialTimeoutInMs",
    milliseconds(minimum=1),
    Computed(lambda settings: settings[TIMER_C], "SIPTimerCInMs"),
    "How long contacts may ring before the next ones are tried.",
)
MAX_BREADTH = Directive(
    "MaxBreadth", whole(minimum=1, maximum=10_000), 60, "Branches at one time of a request and its forks (RFC 5393)."
)
T1 = Directive("SIPT1InMs", milliseconds(minimum=1), 0.5, "Estimate of the round-trip time (RFC 3261 17.1.1.1).")
T2 = Directive("SIPT2InMs", milliseconds(minimum=1), 4.0, "Longest interval between retransmissions (RFC 3261 17.1.2).")
T4 = Directive("SIPT4InMs", milliseconds(minimum=1), 5.0, "How long a message may stay in the network (RFC 3261 17).")
NEXT_HOP_TIMEOUT = Directive(
    "NextHopTimeoutInMs",
    milliseconds(minimum=1),
    4.0,
    "How long one of several next hops may say nothing before the following one is tried.",
)
OVERLOAD_QUEUE = Directive(
    "OverloadQueueInMs",
    milliseconds(minimum=1),
    0.2,
    "How long a request may have waited to be read before new calls are answered 503.",
)
MAX_SIZE = Directive(
    "MaxMessageSize", whole(minimum=1000, maximum=65535), 65535, "Octets of a message; more is answered 513."
)
MAX_HEADERS = Directive("MaxHeaders", whole(minimum=10, maximum=10_000), 200, "Header lines; more is answered 400.")
MAX_VIAS = Directive("MaxVias", whole(minimum=1, maximum=1000), 70, "Via values; more is answered 400.")


def proxy_domain(server_name: Directive[str]) -> Directive[tuple[str, ...]]:
    """Declare ProxyDomain, whose default is another directive's value."""
    return Directive(
        "ProxyDomain",
        joined(hosts()),
        Computed(lambda settings: (settings[server_name],), server_name.name),
        "Domains that the server is responsible for; the first one completes user@domain.",
    )


def _check(settings: Settings) -> Iterable[Problem]:
    if settings[TIMER_C] < LEAST_TIMER_C:
        yield settings.warning(TIMER_C, "at least 180001 (RFC 3261 16.6 item 11)")
    if settings[T2] < settings[T1]:
        yield settings.error(T2, "at least SIPT1InMs")


def mod_sip(domain: Directive[tuple[str, ...]]) -> Module:
    """Declare the module."""
    return Module(
        "mod_sip.c",
        (
            domain,
            SERVER_MODE,
            STATEFUL,
            CALLER_PREFERENCES,
            RECORD_ROUTE,
            RECURSIVE,
            FORKING,
            MAX_FORKS,
            SEQUENTIAL_TIMEOUT,
            MAX_BREADTH,
            T1,
            T2,
            T4,
            TIMER_C,
            NEXT_HOP_TIMEOUT,
            OVERLOAD_QUEUE,
            MAX_SIZE,
            MAX_HEADERS,
            MAX_VIAS,
        ),
        check=_check,
    )


def _limits(settings: Settings) -> Limits:
    """Give the limits; those of headers and Vias may ask for more separators than usual messages have."""
    headers, vias = settings[MAX_HEADERS], settings[MAX_VIAS]
    separators = max(DEFAULT_LIMITS.separators, 2 * headers, _IN_A_VIA * vias)
    return Limits(settings[MAX_SIZE], headers, vias, separators)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the proxy core does, as one generation of the configuration says.

    @ivar redirects: whether SIPServerMode is Redirect
    """

    redirects: bool
    stateful: bool
    caller_preferences: bool
    record_route: bool
    recursive: bool
    forking: str
    max_forks: int
    sequential_timeout: float
    max_breadth: int
    timer_c: float
    next_hop_timeout: float
    overload: float
    values: TimerValues
    limits: Limits

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """Read it from the configuration."""
        return cls(
            redirects=settings[SERVER_MODE] == "Redirect",
            stateful=settings[STATEFUL],
            caller_preferences=settings[CALLER_PREFERENCES],
            record_route=settings[RECORD_ROUTE],
            recursive=settings[RECURSIVE],
            forking=settings[FORKING],
            max_forks=settings[MAX_FORKS],
            sequential_timeout=settings[SEQUENTIAL_TIMEOUT],
            max_breadth=settings[MAX_BREADTH],
            timer_c=settings[TIMER_C],
            next_hop_timeout=settings[NEXT_HOP_TIMEOUT],
            overload=settings[OVERLOAD_QUEUE],
            values=TimerValues(settings[T1], settings[T2], settings[T4]),
            limits=_limits(settings),
        )
