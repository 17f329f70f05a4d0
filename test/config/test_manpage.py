"""The manual page."""

import re
import shutil
import subprocess

from sipproxy.config import Directive, Module, manual, text
from test.config.sample import MODULES, ConfigTestCase


class ManualTests(ConfigTestCase):
    """C{sipd.conf(5)} from the declarations of the tests."""

    def render(self, page: str) -> str:
        """Give a page as a terminal shows it, without bold, underlined characters and indentation."""
        if shutil.which("mandoc") is None:
            self.skipTest("mandoc is not installed")
        command = ["mandoc", "-Tascii", "-O", "width=100"]
        shown = subprocess.run(command, input=page.encode(), capture_output=True, check=True).stdout
        return re.sub(r"^  +", " ", re.sub(r".\x08", "", shown.decode()), flags=re.MULTILINE)

    def test_directives(self) -> None:
        """Each directive has its values, its sentence and its default."""
        shown = self.render(manual(MODULES))
        for part in (
            "SIPT1InMs milliseconds\n"
            " Estimate of the round-trip time (RFC 3261 17.1.1.1).  Values: a whole number of\n"
            " milliseconds from 1 to 4294967295.\n"
            " Default: 500\n",
            "StatefulServer On | Off\n Whether transactions are kept.\n Default: On\n",
            "ErrorLog path | syslog | stderr\n Where errors go.\n Default: logs/error_log\n",
            "May stand several times.\n Default: 5060/udp\n",
            "Default: ServerName\n",
            "AccountingFile path\n Records as JSON lines.  Values: a path.\n Default: none\n",
            "AllowFrom address[/bits] ... | all | none\n",
        ):
            self.assertIn(part, shown)

    def test_sections(self) -> None:
        """Modules are sections in their order, blocks hold their directives."""
        shown = self.render(manual(MODULES))
        titles = re.findall(r"^\S.*$", shown, re.MULTILINE)
        self.assertEqual(titles[1:-1], ["NAME", "DESCRIPTION", "Server", "mod_sip.c", "mod_sip_routing.c", "SEE ALSO"])
        self.assertIn("<StaticRoute E164 or Domain, and a pattern> ... </StaticRoute>\n A route.", shown)
        self.assertIn("\n Static_Route_NextHopPort number\n Its port.", shown)

    def test_characters(self) -> None:
        """What is special for roff prints as itself."""
        default = "\\a 'b' \"c\" -d ^ ~ `e` %{X}i"
        sentence = ".B is 'not' a \\fBmacro\\fR."
        shown = self.render(manual((Module("m", (Directive("X", text(), default, sentence),)),)))
        self.assertIn(sentence, shown)
        self.assertIn(f"Default: {default}\n", shown)

    def test_lint(self) -> None:
        """mandoc finds no fault but long input lines, groff none at all."""
        page = manual(MODULES).encode()
        for command in (["mandoc", "-Tlint", "-Wwarning"], ["groff", "-man", "-Tutf8", "-ww", "-z"]):
            if shutil.which(command[0]) is None:
                self.skipTest(f"{command[0]} is not installed")
            found = subprocess.run(command, input=page, capture_output=True)
            self.assertEqual((found.stdout, found.stderr, found.returncode), (b"", b"", 0))
