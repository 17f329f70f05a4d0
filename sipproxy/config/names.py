"""The nearest valid name to a mistyped one."""

from collections.abc import Iterable
from difflib import get_close_matches

#: difflib compares in quadratic time; a longer word is no mistyped name anyway.
LONGEST_NAME = 64

#: A search costs about a millisecond; a file of nothing but mistakes must not cost minutes.
MOST_SEARCHES = 200


class Suggestions:
    """Looks for the names that were meant, for the first mistakes of one configuration."""

    def __init__(self) -> None:
        self._searches_left = MOST_SEARCHES

    def nearest(self, word: str, names: Iterable[str]) -> str:
        """Find the name that a word was meant to be, whatever its case.

        @return: the name as it is written in C{names}; empty if none is near, or after L{MOST_SEARCHES}
        """
        spelling = {name.lower(): name for name in names}
        if not spelling or len(word) > LONGEST_NAME or self._searches_left == 0:
            return ""
        self._searches_left -= 1
        found = get_close_matches(word.lower(), spelling, n=1)
        name = spelling[found[0]] if found else ""
        return "" if name == word else name  # "sqlite:" without its path: to repeat it is no help
