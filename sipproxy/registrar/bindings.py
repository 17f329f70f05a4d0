"""Bindings of an address of record, and what a REGISTER makes of them (RFC 3261 10.3, RFC 3327, RFC 5626 6).

Pure: bindings and a request in, bindings out, or an error and nothing changed.
Retransmissions never come here, the transaction answers them. GRUU and the flows
of RFC 5626 are not supported; only its rule which binding is replaced is kept.
"""

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

from sipproxy.errors import RequestError
from sipproxy.message import NameAddr, Request, Uri, parse_name_addr, parse_uri
from sipproxy.message.grammar import QUOTED, TOKEN, unquote
from sipproxy.message.headers import MAX_SECONDS

#: Expiry of a static binding.
NEVER = math.inf

#: Octets of all registered contacts of an address of record, with what is kept of them: strangers choose every one,
#: and a 200 must tell all of them in one datagram.
MOST_OCTETS = 32_768

_HOUR = 3600
_PARAM = re.compile(rb"[ \t]*;[ \t]*(" + TOKEN + rb")(?:[ \t]*=[ \t]*(?:" + QUOTED + rb"|[^\x00-\x20;,\"<>=]+))?")
_ACTIONS = (b"proxy", b"redirect")


# A named tuple and no dataclass: there may be a million of them, and it is the cheapest to make and to hold.
class Binding(NamedTuple):
    """One contact of an address of record.

    @ivar contact: the URI, octet for octet as registered
    @ivar params: header parameters of the Contact but expires, as they came, each with its semicolon
    @ivar q: preference, 0 to 1
    @ivar action: C{"proxy"}, C{"redirect"} or C{""} (RFC 2543 6.13)
    @ivar expires: when it ends, seconds since 1970; L{NEVER} for a static one
    @ivar updated: when it was registered, seconds since 1970
    @ivar call_id: Call-ID of the REGISTER that made it
    @ivar cseq: CSeq number of that
    @ivar path: Path values in order (RFC 3327), to be the Route of requests to it
    @ivar instance: content of +sip.instance where reg-id stands beside it, else C{b""}
    @ivar reg_id: the reg-id where +sip.instance stands beside it, else 0 (RFC 5626 6)
    """

    contact: bytes
    params: bytes = b""
    q: float = 1.0
    action: str = ""
    expires: float = NEVER
    updated: float = 0.0
    call_id: bytes = b""
    cseq: int = 0
    path: tuple[bytes, ...] = ()
    instance: bytes = b""
    reg_id: int = 0

    @property
    def is_static(self) -> bool:
        """Whether it was configured, not registered."""
        return self.expires == NEVER


Bindings = tuple[Binding, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows.

    @ivar default: interval where a request names none, seconds
    @ivar minimum: shortest interval accepted, seconds
    @ivar maximum: longest interval given, seconds
    @ivar max_contacts: registered contacts of one address of record
    """

    default: float = 3600
    minimum: float = 60
    maximum: float = 86400
    max_contacts: int = 10


def register(request: Request, current: Bindings, policy: Policy, now: float) -> Bindings:
    """Give the bindings that a REGISTER leaves (RFC 3261 10.3 steps 6 and 7).

    @param current: the unexpired bindings; static ones among them stay as they are
    @param now: time of the request, seconds since 1970
    @return: all bindings, those of the request first; C{current} itself where it asks for no change
    @raise RequestError: 400, 403 or 423, and nothing is to be changed
    """
    if "contact" not in request.names:
        return current
    if len(current) == 1 and request.names.count("contact") == 1:
        refreshed = _refresh(request, current[0], policy, now)
        if refreshed is not None:
            return refreshed
    values = request.values("contact")
    if b"*" in values:
        return _remove_all(request, values, current, policy)
    if not values:
        raise RequestError(400, b"Empty Contact")
    static = tuple(binding for binding in current if binding.is_static)
    kept = [binding for binding in current if not binding.is_static]
    wanted: list[tuple[Binding, Uri]] = []
    for binding, uri in _read_contacts(request, values, policy, now):
        touched = [old for old in kept if _replaces(binding, uri, old)]
        _check_order(request, touched)
        kept = [old for old in kept if old not in touched]
        # The same contact twice: "each contact address in turn" (10.3 step 7), so the last one wins. Its CSeq is
        # compared with bindings that exist, not with what this request has only added tentatively.
        wanted = [(other, its_uri) for other, its_uri in wanted if not _replaces(binding, uri, other)]
        wanted.append((binding, uri))
    added = [binding for binding, _ in wanted if binding.expires > now]
    registered = (*added, *kept)
    # A limit that was lowered hinders no refresh.
    if len(registered) > max(policy.max_contacts, len(current) - len(static)):
        raise RequestError(403, b"Too Many Contacts")
    if added:
        _check_size(registered)
    return registered + static


def _refresh(request: Request, old: Binding, policy: Policy, now: float) -> Bindings | None:
    """Give what a refresh leaves of the only binding; None where the request may be anything else.

    Nearly every REGISTER is one: a Contact, and all that the binding has of it stands in it
    unchanged, so that nothing of it has to be read again.
    """
    value, known = request.header("contact") or b"", b"<%b>%b" % (old.contact, old.params)
    if value == known:
        asked = request.header("expires")
    else:
        start, _, asked = value.rpartition(b";expires=")
        if start != known or not asked.isdigit():
            return None
    if old.expires == NEVER:
        return None
    path = _read_path(request) if "path" in request.names else ()
    expires = now + _granted(_interval(asked, policy), policy)
    call_id, cseq = request.call_id, request.cseq[0]
    _check_order(request, [old])
    if expires <= now:
        return ()
    contact, params, q, action, _, _, _, _, _, instance, reg_id = old
    refreshed = (Binding(contact, params, q, action, expires, now, call_id, cseq, path, instance, reg_id),)
    _check_size(refreshed)
    return refreshed


def contact_lines(bindings: Bindings, call_id: bytes, cseq: int, now: float) -> list[bytes]:
    """Write the Contact lines of a 200, one for each registered binding (RFC 3261 10.3 step 8).

    pjsua, Mitel: each URI as it was registered. JsSIP, SIP.js: the first one counts, so those of
    this request come first, then those of the same client by Call-ID.

    @param call_id: Call-ID of the REGISTER that is answered, as C{cseq} is its CSeq number
    """
    registered = [binding for binding in bindings if binding.expires != NEVER]
    if len(registered) > 1:
        registered.sort(key=lambda binding: 2 if binding.call_id != call_id else int(binding.cseq != cseq))
    return [
        b"Contact: <%b>;expires=%d%b" % (binding.contact, max(1, round(binding.expires - now)), binding.params)
        for binding in registered
    ]


def without_doubles(bindings: Bindings) -> Bindings:
    """Leave out each static binding whose contact is registered, or static, before it."""
    if len(bindings) < 2 or not any(binding.is_static for binding in bindings):
        return bindings
    kept: list[Binding] = []
    for binding in sorted(bindings, key=lambda binding: binding.is_static):
        uri = parse_uri(binding.contact)
        if not (binding.is_static and any(_same_uri(uri, other) for other in kept)):
            kept.append(binding)
    return tuple(kept)


def _remove_all(request: Request, values: list[bytes], current: Bindings, policy: Policy) -> Bindings:
    """Do what C{Contact: *} asks for (RFC 3261 10.3 step 6)."""
    if values != [b"*"] or "expires" not in request.names or _interval(request.header("expires"), policy):
        raise RequestError(400, b"Contact * Needs Expires 0 And No Other Contact")
    static = tuple(binding for binding in current if binding.is_static)
    _check_order(request, [binding for binding in current if not binding.is_static])
    return static


def _check_order(request: Request, touched: list[Binding]) -> None:
    """Fail unless the request is newer than what it touches (RFC 3261 10.3 steps 6 and 7)."""
    for old in touched:
        if old.call_id == request.call_id and request.cseq[0] <= old.cseq:
            raise RequestError(400, b"CSeq Out Of Order")


def _check_size(bindings: Bindings) -> None:
    """Fail where bindings are more than is kept for one address of record."""
    size = sum(
        [len(each.contact) + len(each.params) + len(each.call_id) + sum(map(len, each.path)) for each in bindings]
    )
    if size > MOST_OCTETS:
        raise RequestError(403, b"Contacts Too Large")


def _read_contacts(request: Request, values: list[bytes], policy: Policy, now: float) -> list[tuple[Binding, Uri]]:
    """Give the binding that each Contact value asks for; one to be removed ends C{now}."""
    path = _read_path(request) if "path" in request.names else ()
    default = request.header("expires")
    read = []
    for value in values:
        address = parse_name_addr(value)
        asked = address.params[b"expires"] or b"" if b"expires" in address.params else default
        instance, reg_id = _flow(address)
        binding = Binding(
            address.uri.raw,
            _other_params(value, address),
            address.q,
            _action(address),
            now + _granted(_interval(asked, policy), policy),
            now,
            request.call_id,
            request.cseq[0],
            path,
            instance,
            reg_id,
        )
        read.append((binding, address.uri))
    added = [binding for binding, _ in read if binding.expires > now]
    if len(added) > 1 and any(binding.reg_id for binding in added):
        raise RequestError(400, b"One Contact With reg-id At A Time")  # RFC 5626 6
    return read


def _interval(text: bytes | None, policy: Policy) -> float:
    """Read the interval that is asked for, in seconds; there is no text where none is."""
    if text is None:
        return policy.default
    if not text.isdigit():
        return _HOUR  # RFC 3261 10.2: "Malformed values SHOULD be treated as equivalent to 3600."
    return min(int(text), MAX_SECONDS) if len(text) <= 10 else MAX_SECONDS


def _granted(asked: float, policy: Policy) -> float:
    """Give the interval that is granted for one that is asked for.

    @raise RequestError: it is too brief
    """
    # RFC 3261 10.3 step 7: "If and only if [it] is greater than zero AND smaller than one hour AND less than a
    # registrar-configured minimum".
    if 0 < asked < min(policy.minimum, _HOUR):
        raise RequestError(423, headers=(b"Min-Expires: %d" % policy.minimum,))
    return min(asked, policy.maximum)


def _read_path(request: Request) -> tuple[bytes, ...]:
    """Give the Path values (RFC 3327 5.3); each must be fit for a Route."""
    path = tuple(request.values("path"))
    for value in path:
        if not parse_name_addr(value).uri.is_sip:
            raise RequestError(400, b"Bad Path")
    return path


def _other_params(value: bytes, address: NameAddr) -> bytes:
    """Give the header parameters of a Contact value but expires, as they came."""
    if address.params.keys() <= {b"expires"}:
        return b""
    end = value.index(address.uri.raw, len(address.display)) + len(address.uri.raw)
    found = _PARAM.finditer(value, value.index(b";", end))
    return b"".join([param[0] for param in found if param[1].lower() != b"expires"]).lstrip(b" \t")


def _action(address: NameAddr) -> str:
    action = (address.params.get(b"action") or b"").lower()
    return action.decode("ascii") if action in _ACTIONS else ""


def _flow(address: NameAddr) -> tuple[bytes, int]:
    """Give instance and reg-id; one without the other counts for nothing (RFC 5626 6)."""
    instance, reg_id = address.params.get(b"+sip.instance"), address.params.get(b"reg-id")
    if not instance or not reg_id or not reg_id.isdigit() or len(reg_id) > 10:
        return b"", 0
    return unquote(instance), int(reg_id)


def _replaces(binding: Binding, uri: Uri, old: Binding) -> bool:
    """Tell whether a binding takes the place of an older one.

    @param uri: its contact, read
    """
    if binding.reg_id and old.reg_id:
        return (binding.instance, binding.reg_id) == (old.instance, old.reg_id)  # RFC 5626 6
    return _same_uri(uri, old)


def _same_uri(uri: Uri, binding: Binding) -> bool:
    return uri.raw == binding.contact or uri.same(parse_uri(binding.contact))
