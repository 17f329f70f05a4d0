"""How problems are worded."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Position, Problem
from sipproxy.config.problems import quotation


class ProblemTests(SynchronousTestCase):
    """One line each."""

    def test_form(self) -> None:
        """The form is fixed; a suggestion ends it, a warning is marked after the position."""
        position = Position("/etc/sipd.conf", 3, 14)
        self.assertEqual(str(Problem(position, "On or Off", "yes")), "/etc/sipd.conf:3:14: expected On or Off, got yes")
        self.assertEqual(
            str(Problem(position, "On or Off", "Of", "Off", "warning")),
            "/etc/sipd.conf:3:14: warning: expected On or Off, got Of, did you mean Off?",
        )

    def test_file_name(self) -> None:
        """A file's name stays on the line too."""
        self.assertEqual(str(Position("a\nb", 1, 2)), "a\\nb:1:2")

    def test_one_line(self) -> None:
        """A problem stays on its line, whatever a module puts into it."""
        problem = Problem(Position("f", 1, 2), "a\nb", "c\x1b")
        self.assertEqual(str(problem), "f:1:2: expected a\\nb, got c\\x1b")

    def test_quotation(self) -> None:
        """Text is shortened, escaped, and quoted where one could not see it otherwise."""
        self.assertEqual(
            [quotation(text) for text in ("a", "", "a b", "a\tb\u2028", "\udcff", "ä" * 61)],
            ["a", '""', '"a b"', "a\\tb\\u2028", "\\udcff", "ä" * 57 + "..."],
        )

    def test_order(self) -> None:
        """Problems are sorted by file, line and column as numbers, and each is told once."""
        places = [("b", 1, 1), ("a", 10, 1), ("a", 9, 10), ("a", 9, 9), ("b", 1, 1)]
        error = ConfigError(Problem(Position(*place), "x", "y") for place in places)
        self.assertEqual(
            [problem.position for problem in error.problems], [("a", 9, 9), ("a", 9, 10), ("a", 10, 1), ("b", 1, 1)]
        )
        self.assertEqual(str(error).count("\n"), 3)
