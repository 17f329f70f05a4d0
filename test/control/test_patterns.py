"""Addresses of record as text, and patterns."""

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.control.patterns import Pattern, aor_key, aor_text


class TextTests(SynchronousTestCase):
    """Keys as text and back."""

    def test_text(self) -> None:
        """A key is written as it would stand in a URI."""
        for key, text in (
            (b"alice@example.com", "alice@example.com"),
            (b"*21#@example.com", "*21#@example.com"),
            (b"+4930;ext=1@[2001:db8::1]", "+4930;ext=1@[2001:db8::1]"),
            ("jürgen@example.com".encode(), "j%C3%BCrgen@example.com"),
            (b"a b%c\xff@@example.com", "a%20b%25c%FF%40@example.com"),
            (b"example.com", "example.com"),
        ):
            self.assertEqual((aor_text(key), aor_key(text)), (text, key))

    @given(st.binary(max_size=40))
    def test_there_and_back(self, key: bytes) -> None:
        """Any octets come back from their text, which can be printed."""
        text = aor_text(key)
        self.assertEqual(aor_key(text), key)
        self.assertTrue(text.isascii() and text.isprintable())


class PatternTests(SynchronousTestCase):
    """Patterns with C{*}."""

    @given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
    def test_like_an_expression(self, pattern: str, text: str) -> None:
        """A pattern matches what the regular expression matches in which each star is C{.*}."""
        expression = ".*".join(map(re.escape, pattern.split("*")))
        self.assertEqual(Pattern(pattern).matches(text), re.fullmatch(expression, text) is not None)

    def test_prefix(self) -> None:
        """What stands before the first star is known."""
        self.assertEqual([Pattern(text).prefix for text in ("*", "a*b*", "ab")], ["", "a", "ab"])

    def test_is_fast(self) -> None:
        """Many stars cost no more than their number."""
        self.assertFalse(Pattern("*a" * 400 + "b").matches("a" * 4000))
