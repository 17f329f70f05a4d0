"""Who may send requests (RFC 3261 22.1 to 22.3, mod_sip_authen).

As a registrar 401 and WWW-Authenticate, as a proxy 407 and Proxy-Authenticate.
Who authenticated is authorized. That a backend is away is never told as a
wrong password: its error (503) goes through.

Credentials stay in a request that is forwarded: RFC 3261 22.3 forbids to
consume those for other realms, and asks to remove none; a further proxy of our
realm may need ours.

Not here: ACK and CANCEL, which are never challenged (22.1), and requests that
come back to us with a key (L{sipproxy.access.keyed}); the caller does not ask
about those.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple, NoReturn

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from sipproxy.access.checks import Accepted, ICheck, Presented, Refused, Verdict
from sipproxy.access.failures import FailureLimit
from sipproxy.access.keys import CallerKeys
from sipproxy.access.schemes import IScheme, Lacking
from sipproxy.access.settings import Network, Policy
from sipproxy.errors import RequestError
from sipproxy.interfaces import Address, IAccess
from sipproxy.message import Request

log = Logger(namespace="mod_sip_authen")

Notes = dict[str, str]

#: Addresses whose trust is remembered.
_REMEMBERED = 4096


class _Role(NamedTuple):
    """As what we ask for credentials."""

    status: int
    challenge: bytes
    credentials: str


_REGISTRAR = _Role(401, b"WWW-Authenticate", "authorization")
_PROXY = _Role(407, b"Proxy-Authenticate", "proxy-authorization")


class _Attempt(NamedTuple):
    """A request that is being judged."""

    request: Request
    source: Address
    role: _Role
    presented: Presented


@implementer(IAccess)
class Access:
    """Lets requests pass that need no credentials, or carry right ones.

    @param policy: what is asked of whom
    @param scheme: asks for credentials, and finds them
    @param check: judges them
    @param failures: bounds how often one may be wrong
    @param keys: tells whom a request claims to be from
    """

    def __init__(
        self, policy: Policy, scheme: IScheme, check: ICheck, failures: FailureLimit, keys: CallerKeys
    ) -> None:
        self._methods = policy.methods
        self._check_user = policy.check_user
        self._is_trusted = _trust(policy.trusted)
        self._scheme = scheme
        self._check = check
        self._failures = failures
        self._keys = keys

    def admit(self, request: Any, source: Address, as_registrar: bool) -> "Notes | Deferred[Notes]":
        """Let a request pass; see L{IAccess}."""
        if request.method not in self._methods or self._is_trusted(source[0]):
            return {}
        role = _REGISTRAR if as_registrar else _PROXY
        values = request.headers(role.credentials) if role.credentials in request.names else ()
        found = self._scheme.presented(values, request, source[0])
        if isinstance(found, Lacking):
            raise self._challenge(role, source, found)
        self._failures.check(found.origin, found.username)
        attempt = _Attempt(request, source, role, found)
        verdict = self._check.check(found, request, self._keys.of_credentials(request, found.username))
        if isinstance(verdict, Deferred):
            return verdict.addCallback(self._decide, attempt)
        return self._decide(verdict, attempt)

    def _decide(self, verdict: Verdict, attempt: _Attempt) -> "Notes | Deferred[Notes]":
        if isinstance(verdict, Refused):
            return self._refuse(verdict, attempt)
        # Once more: of guesses that were looked up at one time no more may count than of those one after the other.
        self._failures.check(attempt.presented.origin, attempt.presented.username)
        lacking = self._scheme.spend(attempt.presented, attempt.request, attempt.source[0])
        if lacking is not None:
            raise self._challenge(attempt.role, attempt.source, lacking)
        if self._check_user and verdict.user not in self._keys.of_sender(attempt.request):
            raise self._somebody_else(verdict, attempt)
        if verdict.notes:
            log.info(
                "user {user} is accepted with {notes}",
                user=verdict.user,
                notes=", ".join(f"{name} {text}" for name, text in verdict.notes.items()),
                client=attempt.source,
                call_id=attempt.request.call_id,
            )
        return {"user": verdict.user, **verdict.notes}

    def _challenge(self, role: _Role, source: Address, lacking: Lacking) -> RequestError:
        values = self._scheme.challenges(source[0], lacking)
        return RequestError(role.status, headers=[role.challenge + b": " + value for value in values])

    def _refuse(self, verdict: Refused, attempt: _Attempt) -> "Deferred[Notes]":
        """Challenge once more (22.1), late or not at all for one who fails often.

        The line in the log names the address before anything that strangers
        choose, for those who act on it (etc/fail2ban). A name that nobody has
        is not written: it may be a password in the wrong field (RFC 7616 3.4).
        """
        presented, request = attempt.presented, attempt.request
        log.warn(
            "authentication failed from {origin}: {reason}{whose}",
            origin=presented.origin,
            reason=verdict.reason,
            whose=f", user {verdict.user}" if verdict.user else "",
            client=attempt.source,
            call_id=request.call_id,
        )
        waited = self._failures.failed(presented.origin, presented.username)
        if waited is None:
            raise self._challenge(attempt.role, attempt.source, Lacking.CREDENTIALS)
        return waited.addCallback(self._challenge_late, attempt)

    def _challenge_late(self, _: None, attempt: _Attempt) -> NoReturn:
        raise self._challenge(attempt.role, attempt.source, Lacking.CREDENTIALS)

    def _somebody_else(self, verdict: Accepted, attempt: _Attempt) -> RequestError:
        request = attempt.request
        log.info(
            "{method} in another's name, by {user}",
            method=request.method.decode("ascii"),
            user=verdict.user,
            client=attempt.source,
            call_id=request.call_id,
        )
        return RequestError(403, b"Not Your Address Of Record" if request.method == b"REGISTER" else b"Not Your From")


def _trust(networks: Sequence[Network]) -> Callable[[str], bool]:
    """Give the test whether an address is in one of some networks."""
    if not networks:
        return lambda host: False

    def is_in(host: str) -> bool:
        address = ip_address(host.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in networks)

    return lru_cache(maxsize=_REMEMBERED)(is_in)
