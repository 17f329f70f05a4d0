"""Addresses of record as text, and patterns of text in which C{*} stands for any.

In the databases an address of record is octets with escapes undone; as text it
has them again, so that it can be typed, pasted into a URI and given back.
"""

from urllib.parse import quote, unquote_to_bytes

# RFC 3261 25.1: what may stand unescaped in a user part. # Cisco: "#" too.
_USER = "!*'()&=+$,;?/#"
_HOST = "[]:"


def aor_text(key: bytes) -> str:
    """Write the key of an address of record; L{aor_key} gives it back."""
    user, at, host = key.rpartition(b"@")
    return quote(user, _USER) + at.decode("ascii") + quote(host, _HOST)


def aor_key(text: str) -> bytes:
    """Read what L{aor_text} wrote."""
    return unquote_to_bytes(text)


class Pattern:
    """A text in which C{*} stands for any text, the empty one too.

    @ivar prefix: what all that matches begins with
    """

    def __init__(self, text: str) -> None:
        self.prefix, *self._rest = text.split("*")
        self._is_exact = not self._rest

    def matches(self, text: str) -> bool:
        """Tell whether a text is one of those meant; in linear time, as patterns come from outside."""
        if self._is_exact:
            return text == self.prefix
        if not text.startswith(self.prefix):
            return False
        at = len(self.prefix)
        *middle, last = self._rest
        for piece in middle:
            at = text.find(piece, at)
            if at < 0:
                return False
            at += len(piece)
        return text.endswith(last) and len(text) - len(last) >= at
