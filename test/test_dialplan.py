"""Tests of patterns of numbers and their tables."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.dialplan import NumberTable, Pattern, fill, is_number, parse_pattern


def table(*patterns: str) -> NumberTable[str]:
    """Make a table whose values are the patterns themselves."""
    return NumberTable((parse_pattern(pattern), pattern) for pattern in patterns)


def matches(pattern: str, number: str) -> bool:
    """Say what the definition says, symbol by symbol."""
    if pattern.startswith("+") and not number.startswith("+"):
        return False
    symbols, digits = pattern.removeprefix("+"), number.removeprefix("+")
    if symbols.endswith("T"):
        symbols = symbols[:-1]
        if not digits[len(symbols) :].isdigit() and digits[len(symbols) :]:
            return False
        digits = digits[: len(symbols)]
    if len(symbols) != len(digits):
        return False
    return all(s == d or (s == "." and d.isdigit()) for s, d in zip(symbols, digits, strict=True))


def rank(pattern: Pattern) -> tuple[bool, int, int, bool]:
    """Give the order of patterns: the most specific first."""
    return not pattern.plus, -pattern.literals, -len(pattern.symbols), pattern.is_open


PATTERNS = st.from_regex(r"\A\+?[0-2#*.]{1,5}T?\Z")
NUMBERS = st.from_regex(r"\A\+?[0-2#*]{1,7}\Z")


class PatternTests(SynchronousTestCase):
    """L{parse_pattern} and what matches."""

    def test_parts(self) -> None:
        """A pattern has symbols, perhaps a plus and a T."""
        self.assertEqual(parse_pattern("+1408.T"), Pattern("+1408.T", "1408.", True, True))
        self.assertEqual(parse_pattern("*69#").literals, 4)

    def test_wrong_patterns(self) -> None:
        """Anything else is refused."""
        for text in ("", "+", "T", "+T", "12a", "1T2", "1+2", "12 3", "\uff11"):
            self.assertRaises(ValueError, parse_pattern, text)

    def test_length(self) -> None:
        """A pattern matches numbers of exactly its length."""
        self.assertEqual([table("5....").find(number) for number in ("5123", "51234", "512345")], [[], ["5...."], []])

    def test_open(self) -> None:
        """Behind a final T any further digits may follow, or none."""
        self.assertEqual([table("9T").find(number) for number in ("9", "91", "9123", "8")], [["9T"]] * 3 + [[]])

    def test_plus(self) -> None:
        """A pattern with a plus wants one; without it matches both; where both match, the one with it wins."""
        both = table("1408.......", "+1408.......")
        self.assertEqual(both.find("+14085551234"), ["+1408......."])
        self.assertEqual(both.find("14085551234"), ["1408......."])
        self.assertEqual(table("1408.......").find("+14085551234"), ["1408......."])
        self.assertEqual(table("+1408.......").find("14085551234"), [])

    def test_specific(self) -> None:
        """More literals win, then the longer pattern, then the one without T."""
        plan = table("1T", "1408T", "1408.......", "14085551234", "...........")
        self.assertEqual(plan.find("14085551234"), ["14085551234"])
        self.assertEqual(plan.find("14085551235"), ["1408......."])
        self.assertEqual(plan.find("140855512345"), ["1408T"])
        self.assertEqual(plan.find("24085551234"), ["..........."])
        self.assertEqual(
            [found for [found] in plan.matches("14085551235")], ["1408.......", "1408T", "1T", "..........."]
        )

    def test_alternates(self) -> None:
        """All values of one pattern are found, in the order of their entry."""
        plan = NumberTable([(parse_pattern("1.."), "a"), (parse_pattern("1.."), "b")])
        self.assertEqual(plan.find("123"), ["a", "b"])

    def test_dots_are_digits(self) -> None:
        """A dot is no # and no *."""
        self.assertEqual((table("1..").find("1#2"), table("1#.").find("1#2")), ([], ["1#."]))

    def test_dots_between(self) -> None:
        """Dots may stand anywhere."""
        self.assertEqual(table("1.3.5").find("12345"), ["1.3.5"])
        self.assertEqual(table("1.3.5").find("12445"), [])

    @given(st.lists(PATTERNS, max_size=8, unique=True), NUMBERS)
    def test_agrees_with_the_definition(self, patterns: list[str], number: str) -> None:
        """A table finds all that match, the most specific first."""
        found = [value for values in table(*patterns).matches(number) for value in values]
        expected = [pattern for pattern in patterns if matches(pattern, number)]
        self.assertEqual(sorted(found), sorted(expected))
        ranks = [rank(parse_pattern(pattern)) for pattern in found]
        self.assertEqual(ranks, sorted(ranks))

    def test_large(self) -> None:
        """A hundred thousand patterns are found by one look each time."""
        plan = table(*(f"1{number:06}...." for number in range(100_000)))
        self.assertEqual(plan.find("10999991234"), ["1099999...."])
        self.assertEqual(plan.find("11000001234"), [])


class FillTests(SynchronousTestCase):
    """L{fill} and L{is_number}."""

    def test_dots(self) -> None:
        """Dots are filled with the last digits of the number."""
        self.assertEqual(fill("1408555....", "51234"), "14085551234")
        self.assertEqual(fill("9.......", "+14085551234"), "95551234")
        self.assertEqual(fill("911", "1234"), "911")

    def test_too_short(self) -> None:
        """A number with fewer digits than dots cannot fill them."""
        self.assertRaises(ValueError, fill, "9....", "123")

    def test_numbers(self) -> None:
        """Digits, # and *, perhaps a plus before."""
        self.assertEqual(
            [is_number(text) for text in ("123", "+1", "*69#", "", "+", "1-2", "a1")], [True] * 3 + [False] * 4
        )
