"""docs/conformance.md: made from docs/features.py, whose tests exist."""

import ast
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from docs.features import ABSENT, DONE, GROUPS, PARTLY, page

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "conformance.md"


def has(name: str) -> bool:
    """Tell whether there is a package, a module, a class or a test of a dotted name below C{test}."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = TESTS.joinpath(*parts[:length])
        if path.is_dir() and length == len(parts):
            return any(path.glob("test_*.py"))
        if path.with_suffix(".py").exists():
            return _has_within(ast.parse(path.with_suffix(".py").read_text()), parts[length:])
    return False


def _has_within(tree: ast.Module | ast.ClassDef, names: list[str]) -> bool:
    if not names:
        return True
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == names[0]:
            return _has_within(node, names[1:])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == names[0]:
            return len(names) == 1
    return False


class FeatureTests(SynchronousTestCase):
    """The table and the page."""

    maxDiff = None

    def test_proofs(self) -> None:
        """What is there has tests that exist; what is absent has none."""
        features = [feature for group in GROUPS.values() for feature in group]
        missing = [name for feature in features for name in feature.tests.split() if not has(name)]
        self.assertEqual(missing, [])
        self.assertEqual({feature.status for feature in features}, {DONE, PARTLY, ABSENT})
        wrong = [feature.name for feature in features if bool(feature.tests) == (feature.status == ABSENT)]
        self.assertEqual(wrong, [])

    def test_names(self) -> None:
        """A test that does not exist would be found."""
        ours = "test_docs_features.FeatureTests"
        self.assertTrue(has(ours) and has(f"{ours}.test_names") and has("config"))
        for name in ("test_nothing", "config.test_nothing", f"{ours}.test_nothing", "data"):
            self.assertFalse(has(name), name)

    def test_page(self) -> None:
        """The page is what the table makes: C{python docs/features.py}."""
        self.assertEqual(PAGE.read_text(), page())
