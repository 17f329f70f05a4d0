"""What goes wrong with RAS messages."""

from sipproxy.errors import SipproxyError


class DecodeError(SipproxyError):
    """A datagram that is no message about a location; the text says why, for the log."""


class EncodeError(SipproxyError):
    """A message that H.225.0 has no form for: a name too long, a host that is no address."""
