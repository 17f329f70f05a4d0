"""Every exception of the package.

Two kinds, never mixed: the peer's fault or a backend's state (L{RequestError}
and its kin, each carries the status that answers the request), and ours (any
other exception: 500 and the error log).
"""

from collections.abc import Sequence


class SipproxyError(Exception):
    """Base of all errors of this package."""


class RequestError(SipproxyError):
    """A request that is answered with an error response.

    @ivar status: status code of the response, 300 to 699
    @ivar reason: reason phrase, C{b""} for the standard one of the status
    @ivar headers: header lines (C{b"Name: value"}) that the response carries
    """

    def __init__(self, status: int, reason: bytes = b"", headers: Sequence[bytes] = ()) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.headers = tuple(headers)

    def __str__(self) -> str:
        return f"{self.status} {self.reason.decode('utf-8', 'replace')}".rstrip()


class SipParseError(RequestError):
    """Bytes that are not what RFC 3261 section 25 allows: 400 with the reason.

    A status other than 400 is given where the RFC has a better one (505, 513).

    @ivar partial: the L{sipproxy.message.Request} as far as it could be read, so that its
        sender can be told; None where there is nothing to answer to
    """

    def __init__(self, reason: bytes, status: int = 400) -> None:
        super().__init__(status, reason)
        self.partial: object | None = None


class UnavailableError(RequestError):
    """A backend is away or we are full: 503 with Retry-After (RFC 3261 21.5.4)."""

    def __init__(self, reason: bytes = b"", retry_after: int = 30) -> None:
        super().__init__(503, reason, (b"Retry-After: %d" % retry_after,))


class SilenceError(SipproxyError):
    """A request that is not to be answered at all; the text says why, for the log."""


class NameNotFoundError(SipproxyError):
    """A host name has no address (the name does not exist, or has no record)."""


class ResolverTimeoutError(SipproxyError):
    """No name server answered in time."""


class ListenError(SipproxyError):
    """A port cannot be opened; the text is one line for the operator."""


class StoreError(SipproxyError):
    """A database cannot be read or written."""
