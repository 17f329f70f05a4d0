"""Fields of records as operators write them, in a command, a file of routes or a configuration."""

from typing import TypeVar

from sipproxy.config.kinds import Kind, WrongValueError
from sipproxy.config.problems import quotation

T = TypeVar("T")


class WrongFieldError(ValueError):
    """A field whose value is not what it should be.

    @ivar field: its name
    @ivar expected: what would have been right
    @ivar got: what is there instead
    """

    def __init__(self, field: str, expected: str, got: str) -> None:
        super().__init__(f"{field}: expected {expected}, got {quotation(got)}")
        self.field = field
        self.expected = expected
        self.got = got


def read_field(name: str, kind: Kind[T], text: str) -> T:
    """Read the text of a field.

    @raise WrongFieldError: it is wrong
    """
    try:
        return kind.parse((text,))
    except WrongValueError as wrong:
        raise WrongFieldError(name, wrong.expected, text) from None
