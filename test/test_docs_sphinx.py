"""The documents as HTML: Sphinx finds nothing to warn of."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent


class SphinxTests(SynchronousTestCase):
    """C{make docs}."""

    def test_html(self) -> None:
        """All pages are made, are reached from the first one, and have no warning."""
        for module in ("sphinx", "myst_parser"):
            if importlib.util.find_spec(module) is None:
                raise SkipTest(f"{module} is not installed")
        target = Path(self.mktemp()).resolve()
        options = ["-W", "--keep-going", "-q", "-b", "html", "-d", str(target / "trees")]
        command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(target / "html")]
        run = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
        made = {path.relative_to(target / "html").with_suffix("") for path in (target / "html").rglob("*.html")}
        self.assertEqual(pages - made, set())
