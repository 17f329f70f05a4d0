"""Which package is tested: the installed one, and whether it is compiled."""

import os
from pathlib import Path

from sipproxy.message import message


class NotCompiledError(Exception):
    """On a build server both forms are to be tested."""


def describe() -> str:
    """Say what is tested.

    @raise NotCompiledError: it is plain Python, and the environment says C{CI=true}
    """
    place = Path(message.__file__)
    if place.suffix != ".py":
        return f"The tests of what is compiled, with the installed package: {place}"
    if os.environ.get("CI") == "true":
        raise NotCompiledError(f"{place} is not compiled: is there a C compiler with Python's headers?")
    return f"The tests of what could be compiled, and is not: {place}"
