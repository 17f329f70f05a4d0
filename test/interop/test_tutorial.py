"""docs/tutorial.md, followed: its configuration, its commands, two baresips with passwords, a call."""

import os
import re
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from test.interop.baresip import Baresip
from test.interop.harness import PATIENCE, ROOT, wait_until
from test.interop.proxy import Proxy, environment
from test.interop.telephone import host_port

_ADD = re.compile(r"^\$ \S*sipproxyctl (subscribers add (\w+) --password (\w+))$", re.MULTILINE)


class TutorialTests(SynchronousTestCase):
    """The server of the tutorial, at another port and with a folder of its own."""

    def test_call(self) -> None:
        """Subscribers as the page adds them can register and call, nobody else; the log has their names."""
        server = Proxy(self)
        text = (ROOT / "docs" / "examples" / "tutorial.conf").read_text()
        text = text.replace("../../var/tutorial", ".").replace("5060/udp", host_port(server.address))
        server.configuration.write_text(text)
        server.start()
        people = _ADD.findall((ROOT / "docs" / "tutorial.md").read_text())
        self.assertEqual([name for _, name, _ in people], ["alice", "bob"])
        for command, name, _ in people:
            self.assertIn(f"added {name}", self.tool(server, command))
        alice, bob = (Baresip(self, name, server.address, password) for _, name, password in people)
        self.assertRegex(self.tool(server, "registrations list"), r"(?s)alice@example\.org .*bob@example\.org ")
        alice.dial(f"sip:bob@{server.domain}")
        bob.wait_called()
        self.assertIn("INVITE", self.tool(server, "calls"))
        bob.answer()
        alice.wait_established()
        alice.hang_up()
        bob.wait_closed()
        wait_until(lambda: self.lines(server, "BYE"), "BYE is in the access log")
        (asked, called) = self.lines(server, "INVITE")
        self.assertEqual((asked[2], asked[8], called[2], called[8]), ("-", "407", "alice", "200"))
        explained = self.tool(server, f"explain --call-id {called[11].strip(chr(34))}")
        self.assertRegex(explained, r"translation  mod_sip_registry  sip:bob-")

    def tool(self, server: Proxy, words: str) -> str:
        """Run sipproxyctl, and give what it says."""
        command = [sys.executable, "-c", "from sipproxy.cli.main import main; main()", *words.split()]
        variables = {**os.environ, **environment(), "SIPPROXY_CONF": str(server.configuration)}
        run = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout + run.stderr

    def lines(self, server: Proxy, method: str) -> list[list[str]]:
        """Give the words of the lines of a method in the access log."""
        return [line.split() for line in server.access_log() if f'"{method} ' in line]
