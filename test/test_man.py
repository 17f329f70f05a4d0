"""The manual pages: made from the declarations, and in order."""

import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from sipproxy.config import manual
from sipproxy.modules import MODULES

MAN = Path(__file__).resolve().parent.parent / "man"


class ManualTests(SynchronousTestCase):
    """man/."""

    def test_is_current(self) -> None:
        """sipd.conf(5) says what the declarations say; C{make man} writes it anew."""
        self.assertEqual((MAN / "sipd.conf.5").read_text(), manual(MODULES))

    def test_every_directive_is_there(self) -> None:
        """No directive is missing from the page."""
        page = (MAN / "sipd.conf.5").read_text()
        names = [directive.name for module in MODULES for directive in module.directives]
        self.assertEqual([name for name in names if name not in page], [])

    def test_pages_are_in_order(self) -> None:
        """mandoc finds nothing to warn of."""
        if shutil.which("mandoc") is None:
            raise SkipTest("mandoc is not installed")
        for page in MAN.iterdir():
            run = subprocess.run(["mandoc", "-Tlint", "-Wwarning", str(page)], capture_output=True, text=True)
            self.assertEqual(run.stdout, "", page.name)
