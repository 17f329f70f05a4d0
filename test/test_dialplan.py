"""Tests of patterns of numbers and their tables."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.dialplan import NumberTable, Pattern, PatternMap, fill, is_number, is_pattern, parse_pattern


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


class PatternMapTests(SynchronousTestCase):
    """L{PatternMap}, which changes."""

    def test_changes(self) -> None:
        """What is set is found until it is removed; the shapes of what is gone cost nothing."""
        plan: PatternMap[str] = PatternMap()
        for text in ("1T", "1408.......", "911", "1408......."):
            plan.set(text, text.lower())
        self.assertEqual((len(plan), "911" in plan, plan.get("1T")), (3, True, "1t"))
        self.assertEqual([text for _, text, _ in plan.matches("14085551234")], ["1408.......", "1T"])
        plan.remove("1408.......")
        self.assertEqual([text for _, text, _ in plan.matches("14085551234")], ["1T"])
        plan.remove("1T")
        self.assertIsNone(plan.first("14085551234"))
        self.assertEqual(plan.first("911"), ((True, -3, -3, False, (0, 1, 2)), "911", "911"))
        self.assertRaises(KeyError, plan.remove, "1T")
        plan.remove("911")
        self.assertEqual((len(plan), plan.matches("911")), (0, []))

    def test_wrong(self) -> None:
        """What is no pattern is refused, and nothing has changed."""
        plan: PatternMap[str] = PatternMap()
        for text in ("", "+", "T", "+T", "12a", "1T2", "1+2", "12 3", "dd", "\uff11"):
            self.assertRaises(ValueError, plan.set, text, "")
            self.assertFalse(is_pattern(text))
        self.assertEqual(len(plan), 0)

    def test_equally_specific(self) -> None:
        """Of patterns that are equally specific the one wins whose literals come first, in any order of entry."""
        for texts in (("1.3", "12.", "1.."), ("12.", "1..", "1.3")):
            plan: PatternMap[str | None] = PatternMap()
            for text in texts:
                plan.set(text, text)
            self.assertEqual([text for _, text, _ in plan.matches("123")], ["12.", "1.3", "1.."])
            self.assertEqual([text for _, text, _ in plan.matches("123", 1)], ["12."])

    def test_no_numbers(self) -> None:
        """What looks like a pattern, or has other digits than ours, is no number and finds nothing."""
        plan: PatternMap[int] = PatternMap()
        for text in ("1...", "1T", "14..", "....", "+1T"):
            plan.set(text, 1)
        for number in ("1.55", "14..", "1T", "+", "", "1+23", "+1T", "\u0661234", "\uff11\uff12\uff13\uff14", "abcd"):
            self.assertEqual(plan.matches(number), [], number)

    def test_copy(self) -> None:
        """A copy is changed by itself."""
        plan: PatternMap[int] = PatternMap()
        plan.set("1..", 1)
        other = plan.copy()
        other.set("12.", 2)
        other.remove("1..")
        self.assertEqual([list(each.values()) for each in (plan, other)], [[1], [2]])
        self.assertEqual([each.first("123") is not None for each in (plan, other)], [True, True])
        self.assertIsNone(other.first("133"))

    def test_long_numbers(self) -> None:
        """However many lengths of numbers are asked for, what is remembered is bounded."""
        plan: PatternMap[int] = PatternMap()
        plan.set("1T", 1)
        for size in range(1, 300):
            self.assertEqual(len(plan.matches("1" * size)), 1)
            self.assertEqual(len(plan.matches("+" + "1" * size)), 1)
        self.assertLess(len(plan._by_size), 5)

    @given(st.lists(st.tuples(st.booleans(), PATTERNS), max_size=20), NUMBERS)
    def test_any_changes(self, changes: list[tuple[bool, str]], number: str) -> None:
        """After any changes a map finds what one does that was made of what is left."""
        plan: PatternMap[str] = PatternMap()
        left: dict[str, None] = {}
        for is_added, text in changes:
            if is_added:
                plan.set(text, text)
                left[text] = None
            elif text in left:
                plan.remove(text)
                del left[text]
            plan.first(number)
        found = [text for _, text, _ in plan.matches(number)]
        self.assertEqual(found, [value for values in table(*left).matches(number) for value in values])
        self.assertEqual(sorted(found), sorted(text for text in left if matches(text, number)))


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
