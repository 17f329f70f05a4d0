"""mod_sip_ras.c: the directives about gatekeepers, and what is read from them."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

from sipproxy.config import (
    Block,
    Directive,
    Module,
    Problem,
    Settings,
    WrongValueError,
    address_port,
    host,
    joined,
    milliseconds,
    networks,
    on_off,
    one_of,
    repeated,
    seconds,
    whole,
    words,
)
from sipproxy.config.kinds import Kind, one_word
from sipproxy.dialplan import NumberTable, Pattern, parse_pattern
from sipproxy.interfaces import Address

_PORT = whole(1, 65535)
_BIND = address_port(minimum=0)
_MOST_PREFIX_DIGITS = 3


class TechPrefix(NamedTuple):
    """A technology prefix, and the numbers that it goes before."""

    pattern: Pattern
    prefix: str


def _parse_gatekeeper(given: Sequence[str]) -> Address:
    """Read the words of a RASGatekeeper.

    @raise WrongValueError: they are none
    """
    if len(given) > 2:
        raise WrongValueError("end of line", 2)
    name = host().parse(given[:1])
    try:
        return name, _PORT.parse(given[1:2])
    except WrongValueError as wrong:
        raise WrongValueError(f"a port: {wrong.expected}", 1) from None


def _parse_tech_prefix(given: Sequence[str]) -> TechPrefix:
    """Read the words of a RASTechPrefix.

    @raise WrongValueError: they are none
    """
    try:
        pattern = parse_pattern(given[0])
    except ValueError as error:
        raise WrongValueError(str(error), 0) from None
    if len(given) > 2:
        raise WrongValueError("end of line", 2)
    prefix = given[1] if len(given) == 2 else ""
    digits = prefix[:-1]
    if prefix[-1:] != "#" or not (digits.isascii() and digits.isdigit()) or len(digits) > _MOST_PREFIX_DIGITS:
        raise WrongValueError("a prefix of one to three digits and #", 1)
    return TechPrefix(pattern, prefix)


def _parse_bind(word: str) -> Address:
    """Read a literal address and a port, 0 for any.

    @raise ValueError: they are none
    """
    try:
        name, port = _BIND.parse((word,))
        ip_address(name)
    except ValueError:
        raise ValueError from None
    return name, port


def _show_bind(place: Any) -> str:
    return _BIND.show(place)


_BIND_KIND: Kind[Address] = one_word(
    _parse_bind, "ip:port with a literal address and a port from 0 to 65535", "ip:port", show=_show_bind
)

RAS = Directive("RASModule", on_off(), False, "Ask H.323 gatekeepers for numbers at this host without a static route.")
GATEKEEPER: Directive[tuple[Address, ...]] = Directive(
    "RASGatekeeper",
    repeated(words(_parse_gatekeeper, "a host and a port", "host port")),
    (),
    "A gatekeeper of the cluster. Which one is asked first is drawn for each call; the others follow in this order.",
)
CLUSTER: Block[int] = Block(
    "RASGateKeeperCluster",
    whole(maximum=65535),
    (GATEKEEPER,),
    "Gatekeepers that know the same numbers, and the cluster's priority: lower ones are asked first.",
)
METHOD = Directive(
    "RASLRQMethod",
    one_of("Sequential", "Blast"),
    "Sequential",
    "Sequential: one gatekeeper after the other; Blast: all of all clusters at once.",
)
ACCEPT = Directive(
    "RASAcceptLCF",
    one_of("First", "Best"),
    "First",
    "With Blast, which answer is taken: the first one, or that of the cluster of the lowest priority that gives one "
    "within RASLRQWindow.",
)
TIMEOUT = Directive(
    "RASTimeoutInterval",
    milliseconds(minimum=1, maximum=60_000),
    0.3,
    "How long a gatekeeper may take before the next one is asked; one that answers RIP may take as long as it says.",
)
WINDOW = Directive(
    "RASLRQWindow",
    milliseconds(minimum=1, maximum=60_000),
    3.0,
    "How long all gatekeepers together may take; RIP can make it longer, up to half a minute.",
)
TIME_TO_LIVE = Directive(
    "RASTimeToLive", whole(1, 255), 6, "How many gatekeepers may pass a question on, one to the next."
)
ALLOW_TRANSLATION = Directive(
    "RASAllowTranslation",
    on_off(),
    False,
    "Let a gatekeeper answer with another number, which then stands in the Request-URI; Off: one that would do so "
    "rejects.",
)
TECH_PREFIX: Directive[tuple[TechPrefix, ...]] = Directive(
    "RASTechPrefix",
    repeated(words(_parse_tech_prefix, "a pattern, and a prefix of one to three digits and #", "pattern prefix#")),
    (),
    "The technology prefix that goes before the numbers that match the pattern when they are asked for; the most "
    "specific pattern counts.",
)
PREFIX_IN_URI = Directive(
    "RASTechPrefixInRequestURI", on_off(), False, "Let the technology prefix stand in the Request-URI as well."
)
PAVO = Directive(
    "RASPavoExtension",
    on_off(),
    False,
    "Tell gatekeepers in Cisco's data which call it is (from Cisco-Guid or Call-ID), who redirected it, and whether "
    "the caller's number may be shown (from CC-Diversion, Diversion or CC-Redirect).",
)
BIND: Directive[Address] = Directive(
    "RASBindAddress",
    _BIND_KIND,
    ("0.0.0.0", 0),
    "The address and port that questions leave from and answers come to; port 0: any free one.",
)
SIP_PORT = Directive("RASSIPPort", _PORT, 5060, "The SIP port of the gateways that gatekeepers answer with.")
USE_SIGNAL_PORT = Directive(
    "RASUseSignalPort", on_off(), False, "Send calls to the port of the answer rather than to RASSIPPort."
)
CACHE = Directive(
    "RASCacheInS", seconds(maximum=86_400), 0.0, "How long an answer serves further calls to its number; 0: not at all."
)
RETRANSMISSIONS = Directive(
    "RASRetransmissions",
    whole(maximum=10),
    0,
    "How often a gatekeeper that does not answer within RASTimeoutInterval is asked again before it counts as silent.",
)
ALLOW_FROM: Directive[tuple[Any, ...]] = Directive(
    "RASAllowFrom",
    joined(networks()),
    networks().parse(("all",)),
    "Whose answers count; beside the configured gatekeepers those that they pass questions on to.",
)


class Policy(NamedTuple):
    """What the router for gatekeepers does.

    @ivar time_to_live: gatekeepers that may pass a question on
    @ivar tech_prefixes: technology prefixes by number
    @ivar cache: seconds that an answer serves further calls
    """

    time_to_live: int
    allows_translation: bool
    tech_prefixes: NumberTable[str]
    has_prefix_in_uri: bool
    has_pavo: bool
    sip_port: int
    uses_signal_port: bool
    cache: float

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """Read the directives."""
        return cls(
            settings[TIME_TO_LIVE],
            settings[ALLOW_TRANSLATION],
            NumberTable(settings[TECH_PREFIX]),
            settings[PREFIX_IN_URI],
            settings[PAVO],
            settings[SIP_PORT],
            settings[USE_SIGNAL_PORT],
            settings[CACHE],
        )


def clusters(settings: Settings) -> list[tuple[int, tuple[Address, ...]]]:
    """Give the clusters of a configuration: priority and gatekeepers, in the order of the file."""
    return [(section.arguments, section.settings[GATEKEEPER]) for section in settings.blocks(CLUSTER)]


def check(settings: Settings) -> Iterator[Problem]:
    """Find problems between the values."""
    for section in settings.blocks(CLUSTER):
        inner, seen = section.settings, set()
        if not inner[GATEKEEPER]:
            yield Problem(section.position, f"at least one {GATEKEEPER.name}", "none")
        for place, position in zip(inner[GATEKEEPER], inner.positions(GATEKEEPER), strict=True):
            if place in seen:
                yield Problem(position, "each gatekeeper of a cluster once", f"{place[0]} {place[1]} again")
            seen.add(place)
    if not settings[RAS]:
        return
    if not settings.blocks(CLUSTER):
        yield settings.warning(RAS, f"a {CLUSTER.name} for RASModule On")
    if settings[WINDOW] < settings[TIMEOUT]:
        yield settings.warning(WINDOW, f"no less than {TIMEOUT.name}")
    if not settings[ALLOW_FROM]:
        yield settings.warning(ALLOW_FROM, "an address, as else no answer counts")


MODULE = Module(
    "mod_sip_ras.c",
    (
        RAS,
        METHOD,
        ACCEPT,
        TIMEOUT,
        WINDOW,
        TIME_TO_LIVE,
        ALLOW_TRANSLATION,
        TECH_PREFIX,
        PREFIX_IN_URI,
        PAVO,
        BIND,
        SIP_PORT,
        USE_SIGNAL_PORT,
        CACHE,
        RETRANSMISSIONS,
        ALLOW_FROM,
    ),
    blocks=(CLUSTER,),
    check=check,
)
