"""Which of the last calls would go elsewhere with another configuration, before it is taken.

The calls that a server remembers (ExplainHistory) are taken through both
configurations with what is registered now. Gatekeepers, NAMs and RADIUS servers
are not asked.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from random import Random
from typing import NamedTuple

from sipproxy.composition import compose
from sipproxy.config import Settings
from sipproxy.errors import SipParseError
from sipproxy.interfaces import Address
from sipproxy.message import Request, parse_message
from sipproxy.parts import Parts
from sipproxy.proxy.core import Core
from sipproxy.proxy.explain import Explained, explain
from sipproxy.proxy.history import PastCall
from sipproxy.proxy.points import sent_by

#: Calls that are looked at, and differences that are told of.
MOST_CALLS, MOST_TOLD = 1000, 100


class Difference(NamedTuple):
    """A call that would go elsewhere.

    @ivar current: where it goes, as L{destination} writes it
    @ivar other: where it would go
    """

    uri: str
    source: str
    current: str
    other: str


class Preview(NamedTuple):
    """What a look at the last calls has shown.

    @ivar differences: how many would go elsewhere
    @ivar told: the first of them
    """

    calls: int
    differences: int
    told: list[Difference]


async def preview(core: Core, parts: Parts, current: Settings, other: Settings) -> Preview:
    """Take the last calls of a server through its configuration and another one.

    @raise sipproxy.errors.SipproxyError: the other one cannot be composed
    """
    chance = Random(0)
    dry = replace(parts, random=chance, watch=None)  # what is only looked at does not count
    generations = [compose(settings, dry).generation for settings in (current, other)]
    calls, differences = 0, list[Difference]()
    for request, source in _requests(islice(core.history.last(), MOST_CALLS) if core.history is not None else ()):
        calls += 1
        found = []
        for generation in generations:
            chance.seed(0)
            found.append(destination(await explain(core, request, source, generation)))
        if found[0] != found[1]:
            uri = request.uri.decode("utf-8", "backslashreplace")
            differences.append(Difference(uri, sent_by(*source), *found))
    return Preview(calls, len(differences), differences[:MOST_TOLD])


def _requests(calls: Iterable[PastCall]) -> Iterable[tuple[Request, Address]]:
    for call in calls:
        data = b"\r\n".join(
            (
                b"INVITE " + call.uri + b" SIP/2.0",
                b"Via: SIP/2.0/UDP preview.invalid;branch=z9hG4bKpreview",
                b"Max-Forwards: 70",
                b"From: " + call.sender,
                b"To: <" + call.uri + b">",
                b"Call-ID: " + call.call_id,
                b"CSeq: 1 INVITE",
                b"Content-Length: 0",
                b"",
                b"",
            )
        )
        try:
            request = parse_message(data)
        except SipParseError:
            continue
        if isinstance(request, Request):
            yield request, call.source


def destination(explained: Explained) -> str:
    """Write where a call goes: what it is answered, or its ways in their order."""
    if explained.contacts:
        return f"{explained.status} " + ", ".join(contact.decode("utf-8", "replace") for contact in explained.contacts)
    if explained.status is not None:
        return f"{explained.status} {explained.reason}".rstrip()
    ways = []
    for way in explained.ways:
        uri = way.message.split(b" ", 2)[1] if way.message else way.target.uri.raw
        hops = " ".join(sent_by(hop.host, hop.port) for hop in way.hops) or f"{way.error}"
        ways.append(f"{uri.decode('utf-8', 'replace')} at {hops}")
    return "; ".join(ways)
