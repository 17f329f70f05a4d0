"""Credentials that a RADIUS server judges, for L{sipproxy.access.access} (AuthScheme CHAP and RADIUS_Digest)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipproxy.access.checks import Accepted, ICheck, Presented, Refused, Verdict
from sipproxy.access.radius import RadiusVerdict
from sipproxy.message import Request


class IJudges(Protocol):
    """What is needed of L{sipproxy.access.radius}: ChapCheck or RadiusDigestCheck."""

    def check(
        self, fields: Mapping[str, str], method: bytes, uri: bytes, body: bytes, user: str
    ) -> "Deferred[RadiusVerdict]":
        """Have credentials checked."""


#: Makes the User-Name of a request's user.
Naming = Callable[[Request, str], str]


def as_it_is(request: Request, user: str) -> str:
    """Give a user's name."""
    return user


def with_domain(request: Request, user: str) -> str:
    """Give a user's name and, where it has none, the domain of From (RadiusUserNameAttrAddDomain)."""
    host = request.from_.uri.host
    return f"{user}@{host.decode('ascii')}" if host and "@" not in user else user


@implementer(ICheck)
class RadiusCheck:
    """Has credentials judged under the first key of their user.

    @param naming: makes the User-Name of that
    """

    def __init__(self, judge: IJudges, naming: Naming = as_it_is) -> None:
        self._judge = judge
        self._naming = naming

    def check(self, presented: Presented, request: Request, keys: Sequence[str]) -> "Verdict | Deferred[Verdict]":
        """Ask the server."""
        if not keys:
            return Refused("unknown user")
        fields = {name: octets.decode("utf-8", "surrogateescape") for name, octets in _written(presented)}
        name = self._naming(request, keys[0])
        judged = self._judge.check(fields, request.method, request.uri, request.body, name)
        return judged.addCallback(_verdict, keys[0])


def _written(presented: Presented) -> list[tuple[str, bytes]]:
    """Give the parameters that the credentials have."""
    return [(name, octets) for name, octets in presented.credentials._asdict().items() if octets]


def _verdict(judged: RadiusVerdict, user: str) -> Verdict:
    if judged.outcome == "refused":
        return Refused("refused by the RADIUS server", user)
    notes = {}
    if judged.session_timeout is not None:
        notes["session-timeout"] = str(judged.session_timeout)
    if judged.reply_message:
        notes["reply-message"] = judged.reply_message
    return Accepted(user, notes)
