"""What the documents promise: the example runs, the links lead somewhere."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")


def free_port() -> int:
    """Give a UDP port of the loopback address that nobody has at the moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class DocumentTests(SynchronousTestCase):
    """README, CONTRIBUTING and docs/."""

    def test_embedding(self) -> None:
        """The example of docs/embedding.md starts a server, is answered and ends."""
        command = [sys.executable, str(ROOT / "docs/examples/embed.py"), str(free_port())]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment)
        self.assertEqual((run.returncode, run.stdout.split("\n")[0]), (0, "SIP/2.0 200 OK"), run.stderr)

    def test_links(self) -> None:
        """Every relative link leads to a file."""
        pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        broken = [
            f"{page.name}: {link}"
            for page in pages
            for link in LINK.findall(page.read_text())
            if not (page.parent / link).exists()
        ]
        self.assertEqual(broken, [])

    def test_targets(self) -> None:
        """Every make target that a page names exists."""
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        pages = "".join(page.read_text() for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
        named = set(re.findall(r"(?:^    |`)make ([a-z-]+)", pages, re.MULTILINE))
        self.assertEqual(named - targets, set())
