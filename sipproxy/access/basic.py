"""The Basic scheme, for AuthScheme CHAP only (RFC 7617).

Cisco: RFC 3261 22 forbids Basic. The original had no other way to get at the
password that CHAP is computed of.

Basic knows neither nonces nor, in credentials, realms: the first credentials
that can be read are taken for ours, and nothing of them runs out.
"""

from base64 import b64decode
from binascii import Error
from collections.abc import Sequence
from typing import NamedTuple

from zope.interface import implementer

from sipproxy.access.checks import Presented
from sipproxy.access.credentials import quote, split_scheme
from sipproxy.access.keys import key_text
from sipproxy.access.schemes import IScheme, Lacking
from sipproxy.errors import SipParseError
from sipproxy.message import Request


class BasicCredentials(NamedTuple):
    """A user name and a password in the clear."""

    username: bytes
    password: bytes


@implementer(IScheme)
class BasicScheme:
    """Asks for a password."""

    def __init__(self, realm: str) -> None:
        self._challenges = (b"Basic realm=" + quote(realm.encode("utf-8")),)

    def challenges(self, host: str, lacking: Lacking) -> Sequence[bytes]:
        """Give the challenge, which is always the same."""
        return self._challenges

    def presented(self, values: Sequence[bytes], request: Request, host: str) -> Presented | Lacking:
        """Find the first credentials that can be read."""
        for value in values:
            credentials = parse_basic(value)
            if credentials is not None:
                return Presented(key_text(credentials.username), host, credentials)
        return Lacking.CREDENTIALS

    def spend(self, presented: Presented, request: Request, host: str) -> Lacking | None:
        """Do nothing: a password may be used any number of times."""
        return None


def parse_basic(value: bytes) -> BasicCredentials | None:
    """Read the value of an Authorization or Proxy-Authorization header; None where it is not Basic."""
    try:
        scheme, rest = split_scheme(value)
        text = b64decode(rest, validate=True) if scheme == b"basic" else b""
    except (SipParseError, Error):
        return None
    username, colon, password = text.partition(b":")
    return BasicCredentials(username, password) if colon else None
