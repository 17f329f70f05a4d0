"""Under which keys the subscriber database knows the user of a URI.

C{user=phone}: the number. C{user=ip}: user@ProxyDomain. Neither: the user part,
and if there is no such subscriber user@ProxyDomain. Escapes are undone first,
and the visual separators of a number (RFC 3966 5.1.1). The host of the URI does
not count: whose domain is ours is asked elsewhere.
"""

import re
from collections.abc import Callable, Sequence

from sipproxy.message import Request, Uri
from sipproxy.message.grammar import unescape
from sipproxy.message.uri import digits

#: Characters of the longest key; a longer name is nobody's.
LONGEST_KEY = 255

# A number with visual separators. # Cisco: "#" is legal, and "*".
_NUMBER = re.compile(rb"\+?[0-9#*.() \-]*[0-9][0-9#*.() \-]*\Z").match


def subscriber_keys(uri: Uri, domain: str) -> tuple[str, ...]:
    """Give the keys of a URI's user in the order of looking; none where it has no user.

    @param domain: the first ProxyDomain
    """
    user = uri.user
    if not user:
        return ()
    kind = (uri.params.get(b"user") or b"").lower() if uri.params else b""
    if kind == b"phone" or uri.scheme == b"tel":
        return tuple(filter(None, [key_text(digits(user.partition(b";")[0]))]))
    plain = unescape(user)
    name = key_text(digits(user) if _NUMBER(plain) else plain)
    full = f"{name}@{domain}"
    if not name or len(full) > LONGEST_KEY:
        return ()
    return (full,) if kind == b"ip" else (name, full)


def key_text(octets: bytes) -> str:
    """Give a name as text; empty where it can be no key: not UTF-8, control characters in it, or too long."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() and len(text) <= LONGEST_KEY else ""


def _itself(uri: Uri) -> tuple[Uri, ...]:
    return (uri,)


def _as_it_stands(text: str) -> str:
    return text


class CallerKeys:
    """The keys that the sender of a request claims to be known by (OrigUserNameSource, NumExpandAuthUserName).

    @param domain: the first ProxyDomain
    @param source: C{"From"} or C{"Auth"}
    @param names: gives the URIs that a URI is looked up under, for numbers that are expanded
    @param expand: gives the user name that stands for one in credentials
    """

    def __init__(
        self,
        domain: str,
        source: str,
        names: Callable[[Uri], Sequence[Uri]] = _itself,
        expand: Callable[[str], str] = _as_it_stands,
    ) -> None:
        self._domain = domain
        self._is_from = source == "From"
        self._names = names
        self._expand = expand

    def of_sender(self, request: Request) -> tuple[str, ...]:
        """Give the keys of the one who a request says it is from, in REGISTER the one to be registered."""
        address = request.to if request.method == b"REGISTER" else request.from_
        uris = self._names(address.uri)
        if len(uris) == 1:
            return subscriber_keys(uris[0], self._domain)
        return tuple(dict.fromkeys(key for uri in uris for key in subscriber_keys(uri, self._domain)))

    def of_credentials(self, request: Request, username: str) -> tuple[str, ...]:
        """Give the keys to look for where credentials have a user name; none where it is nobody's.

        @param username: empty where it can be no key
        """
        if not username:
            return ()
        name = self._expand(username)
        if not self._is_from:
            return (name,)
        keys = self.of_sender(request)
        known = {*keys, *(key.rpartition("@")[0] for key in keys)}
        return keys if username in known or name in known else ()
