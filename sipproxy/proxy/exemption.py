"""Requests that come back to us and need not authenticate again: keys in our Record-Route and in our branches.

What writes the keys and what recognises them is this one object; how they are
made is in L{sipproxy.access.keyed}.
"""

from collections.abc import Callable
from random import Random

from sipproxy.access.keyed import KEY_SIZE, dialog_key, is_dialog_key, is_pass_key, pass_key
from sipproxy.errors import SipParseError
from sipproxy.message import Request, Uri, parse_name_addr, parse_via
from sipproxy.proxy.identity import Identity
from sipproxy.proxy.loops import COOKIE, new_branch

#: Parameter of our Record-Route.
_PARAMETER = b"k"
_BEFORE_KEY = len(COOKIE) + 16


class Exemption:
    """The keys of one server.

    @param secret: from L{sipproxy.access.keyed.make_secret}
    @param now: gives seconds since 1970
    """

    def __init__(self, secret: bytes, identity: Identity, now: Callable[[], float]) -> None:
        self._secret = secret
        self._identity = identity
        self._now = now

    def covers(self, request: Request) -> bool:
        """Tell whether a request comes over our Record-Route within its dialog, or is a spiral of an admitted one."""
        if request.to.tag and self._comes_over_our_route(request):
            return True
        return self._is_spiral(request)

    def _comes_over_our_route(self, request: Request) -> bool:
        try:
            routes = request.values("route") if "route" in request.names else []
            uris = [request.request_uri, *(parse_name_addr(value).uri for value in routes[:2])]
        except SipParseError:
            return False  # who must read it says so
        return any(self._has_key(uri, request) for uri in uris)

    def _has_key(self, uri: Uri, request: Request) -> bool:
        key = uri.params.get(_PARAMETER) if uri.params else None
        return bool(key) and self._identity.is_ours(uri) and is_dialog_key(self._secret, request, key or b"")

    def _is_spiral(self, request: Request) -> bool:
        if request.names.count("via") == 1 and b"," not in request.required("via"):
            return False  # Below a Via of ours stands that of the one who sent us the request.
        for value in request.values("via"):
            if COOKIE not in value:
                continue
            try:
                via = parse_via(value)
            except SipParseError:
                continue
            key = via.branch[_BEFORE_KEY:].partition(b".")[0]
            is_ours = len(key) == KEY_SIZE and self._identity.is_our_via(via)
            if is_ours and is_pass_key(self._secret, request, key, self._now()):
                return True
        return False

    def route_parameter(self, request: Request) -> bytes:
        """Give what our Record-Route ends in for the dialog that a request may begin."""
        return b";" + _PARAMETER + b"=" + dialog_key(self._secret, request)

    def new_branch(self, random: Random, request: Request, decision: bytes) -> bytes:
        """Make a branch by which a spiral of the request is known."""
        unique, _, rest = new_branch(random, decision).partition(b".")
        return unique + pass_key(self._secret, request, self._now()) + b"." + rest
