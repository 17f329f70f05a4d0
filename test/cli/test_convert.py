"""C{sipproxyctl convert}."""

import json
from pathlib import Path

from click.testing import CliRunner, Result
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.cli.convert import convert


class ConvertTests(SynchronousTestCase):
    """The command, on a file."""

    def run_on(self, text: str, *options: str) -> Result:
        """Convert a file with this text."""
        folder = Path(self.mktemp())
        folder.mkdir()
        self.path = folder / "sipd.conf"
        self.path.write_text(text)
        return CliRunner().invoke(convert, [str(self.path), *options])

    def test_complete(self) -> None:
        """All is carried over: the file goes to the standard output, the verdicts beside it, the exit status is 0."""
        result = self.run_on("Port 5070\nProxyDomain example.com\n")
        self.assertEqual((result.exit_code, result.stdout), (0, "Listen 5070\nProxyDomain example.com\n"))
        self.assertEqual(
            result.stderr, f"{self.path}:1: Port: renamed: Listen 5070\n{self.path}:2: ProxyDomain: same\n"
        )

    def test_incomplete(self) -> None:
        """Something is left out or still to be done: the exit status is 1."""
        result = self.run_on("ServerType inetd\n")
        self.assertEqual(
            (result.exit_code, result.stdout),
            (1, "# ServerType inetd  # not supported: the server always stands alone\n"),
        )
        result = self.run_on("AuthScheme CHAP\nAuthentication On\n")
        self.assertEqual(result.exit_code, 1)
        self.assertIn(f"still to do: {self.path}:1:12: expected HTTP_Digest", result.stderr)

    def test_json(self) -> None:
        """JSON has the same, with the file as a text."""
        found = json.loads(self.run_on("Port 5070\n", "--json").stdout)
        self.assertEqual(found["findings"], [{"line": 1, "name": "Port", "verdict": "renamed", "note": "Listen 5070"}])
        self.assertEqual((found["complete"], found["text"], found["remaining"]), (True, "Listen 5070\n", []))

    def test_no_file(self) -> None:
        """A file that cannot be read is one line on the standard error."""
        result = CliRunner().invoke(convert, ["/nonexistent/sipd.conf"])
        self.assertEqual(result.exit_code, 1)
        self.assertEqual(result.stderr, "sipproxyctl: /nonexistent/sipd.conf: No such file or directory\n")
