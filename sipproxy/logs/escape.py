"""Escaping of what strangers sent, as Apache httpd does it in its logs.

A line of a log is one line, whatever the peer put into it: quote and backslash
get a backslash, control characters become C{\\n}, C{\\t}, ... or C{\\xhh}.
Valid UTF-8 is kept where it is printable (Apache: only ASCII is), so neither
terminal controls nor a right-to-left override reach the reader.
"""

#: Octets that no log has to escape: printable ASCII without the quote and the backslash.
_SAFE = bytes(octet for octet in range(0x20, 0x7F) if octet not in b'"\\')
_NAMED = {"\b": "\\b", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}
_QUOTED = _NAMED | {'"': '\\"'}


def odd_octets(text: bytes) -> bytes:
    """Give the octets of a text that are not safe; deleting the safe ones is the cheapest test there is."""
    return text.translate(None, _SAFE)


def escape(value: bytes) -> bytes:
    """Escape a field of the access log, where fields stand between quotes (ap_escape_logitem)."""
    if not value.translate(None, _SAFE):
        return value
    return _escape_text(value.decode("utf-8", "surrogateescape"), _QUOTED).encode()


def escape_text(text: str) -> str:
    """Escape the text of an error line; quotes are kept, nothing there depends on them (ap_escape_errorlog_item)."""
    if text.isprintable() and "\\" not in text:
        return text
    return _escape_text(text, _NAMED)


def decoded(value: bytes | str) -> str:
    """Give octets as text for L{escape_text}: what is no UTF-8 survives as lone surrogates, which are escaped."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def encoded(text: str) -> bytes:
    """Give text as octets for L{escape}: the reverse of L{decoded}, and no str can fail."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def readable(value: bytes | str) -> str:
    """Give text for JSON, which has escapes of its own: only what is no UTF-8 is shown in hexadecimal."""
    octets = value if isinstance(value, bytes) else encoded(value)
    return octets.decode("utf-8", "backslashreplace")


def _escape_text(text: str, named: dict[str, str]) -> str:
    return "".join([named.get(char) or (char if char.isprintable() else _octets(char)) for char in text])


def _octets(char: str) -> str:
    return "".join([f"\\x{octet:02x}" for octet in encoded(char)])
