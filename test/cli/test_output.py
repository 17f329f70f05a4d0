"""What is printed."""

import json
from contextlib import redirect_stdout
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.cli import output


class OutputTests(SynchronousTestCase):
    """Tables and JSON, as a pipe gets them."""

    def printed(self) -> StringIO:
        """Take what is printed from now on."""
        taken = StringIO()
        redirection = redirect_stdout(taken)
        redirection.__enter__()
        self.addCleanup(redirection.__exit__, None, None, None)
        return taken

    def test_long_table(self) -> None:
        """The first rows are printed before the last are there; nothing is wrapped or taken for markup."""
        taken = self.printed()
        seen: list[int] = []

        def rows() -> "list[tuple[str, str]]":
            seen.append(len(taken.getvalue()))
            return [("[red]", "x" * 300), ("a\x1b[2Jb", "c")]

        output.print_long_table(("ONE", "TWO"), (row for _ in range(600) for row in rows()))
        lines = taken.getvalue().splitlines()
        self.assertEqual((len(lines), lines[0].split()), (1201, ["ONE", "TWO"]))
        self.assertEqual(lines[1], "[red]      " + "x" * 300)
        self.assertEqual(lines[2], "a\\x1b[2Jb  c")
        self.assertEqual(seen[0], 0)
        self.assertGreater(seen[-1], 50_000)

    def test_no_rows(self) -> None:
        """A table without rows has its header."""
        taken = self.printed()
        output.print_long_table(("ONE", "TWO"), [])
        self.assertEqual(taken.getvalue().split(), ["ONE", "TWO"])

    def test_json_list(self) -> None:
        """However many elements there are, it is one array."""
        lists: list[list[dict[str, object]]] = [[], [{"a": 1}], [{"a": 1}, {"b": "ü\n"}]]
        for items in lists:
            taken = StringIO()
            with redirect_stdout(taken):
                output.print_json_list(items)
            self.assertEqual(json.loads(taken.getvalue()), items)

    def test_pages(self) -> None:
        """Pages are asked for one behind the other, each when it is needed."""
        asked: list[str | None] = []

        def fetch(after: str | None) -> "dict[str, object]":
            asked.append(after)
            return {"things": [{"n": len(asked)}], "next": None if len(asked) == 3 else f"p{len(asked)}"}

        found = output.pages(fetch, "things")
        self.assertEqual((next(found), asked), ({"n": 1}, [None]))
        self.assertEqual(list(found), [{"n": 2}, {"n": 3}])
        self.assertEqual(asked, [None, "p1", "p2"])
