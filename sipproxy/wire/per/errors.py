"""What goes wrong with packed encodings."""


class PerError(Exception):
    """Base of the errors of this package."""


class DecodeError(PerError):
    """Octets that are no encoding of the type, or one that is larger than the limits allow."""


class EncodeError(PerError):
    """A value that its type does not have."""
