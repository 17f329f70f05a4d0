"""C{twistd sipproxy --check}, and what a wrong configuration does to a start."""

import re

from twisted.trial.unittest import SynchronousTestCase

from test.interop.proxy import Proxy

_PLACED = re.compile(r"(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): expected .+, got .+")


class CheckTests(SynchronousTestCase):
    """All that is wrong is told, a line each, and nothing is started."""

    def see_problems(self, proxy: Proxy, *starts: str) -> None:
        """Check that C{--check} and a start say the same.

        @param starts: how each line goes on behind the file's name
        """
        for done in (proxy.run("--check"), proxy.run()):
            self.assertEqual((done.returncode, done.stdout), (1, ""), done)
            lines = done.stderr.splitlines()
            self.assertEqual([line for line in lines if not _PLACED.fullmatch(line)], [])
            expected = [f"{proxy.configuration}:{start}" for start in starts]
            self.assertEqual([line[: len(start)] for line, start in zip(lines, expected, strict=True)], expected)
        self.assertFalse((proxy.folder / "logs").exists())

    def test_right(self) -> None:
        """A right configuration is told as such, with exit status 0; nothing is made or started."""
        proxy = Proxy(self)
        done = proxy.run("--check")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done)
        self.assertEqual(done.stderr, f"{proxy.configuration}: configuration is right\n")
        self.assertEqual(list(proxy.folder.iterdir()), [proxy.configuration])

    def test_all_errors(self) -> None:
        """Several errors are told at once, in the order of the file."""
        proxy = Proxy(self)
        proxy.configuration.write_text(
            "Lisen 5060\nListen 127.0.0.1:70000\n  AddRecordRoute Perhaps\nSIPT1InMs -1\nProxyDomain example.test\n"
        )
        self.see_problems(proxy, "1:1: expected", "2:8: expected", "3:18: expected", "4:11: expected")

    def test_unknown_directive(self) -> None:
        """An unknown directive is refused, with the name that it may have been."""
        proxy = Proxy(self, "AddRecordRout On")
        line = len(proxy.configuration.read_text().splitlines())
        done = proxy.run("--check")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            done.stderr,
            f"{proxy.configuration}:{line}:1: expected a directive or container, got AddRecordRout, "
            "did you mean AddRecordRoute?\n",
        )

    def test_open_container(self) -> None:
        """A container that is not closed is told at the end of the file."""
        proxy = Proxy(self)
        proxy.configuration.write_text("ProxyDomain example.test\n<IfModule mod_sip.c>\nAddRecordRoute On\n")
        done = proxy.run("--check")
        self.assertEqual(done.returncode, 1)
        self.assertTrue(_PLACED.fullmatch(done.stderr.rstrip("\n")), done.stderr)

    def test_no_file(self) -> None:
        """A configuration that is not there is told like any other error."""
        proxy = Proxy(self)
        proxy.configuration.unlink()
        self.see_problems(proxy, "1:1: expected a readable file")

    def test_warning(self) -> None:
        """What is only doubtful is told, and hinders nothing."""
        proxy = Proxy(self, "SIPTimerCInMs 5000")
        done = proxy.run("--check")
        self.assertEqual(done.returncode, 0)
        self.assertIn(": warning: expected at least 180001", done.stderr)
