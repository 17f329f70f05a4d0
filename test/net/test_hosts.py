"""The hosts file: its syntax, and that changes are noticed."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.net.hosts import HostsFile, parse_hosts


class ParseTests(SynchronousTestCase):
    """Lines of a hosts file."""

    def test_lines(self) -> None:
        """Names and aliases have the addresses of all their lines, IPv4 first, in the order of the file."""
        names = parse_hosts(
            [
                "# the machines\n",
                "\n",
                "2001:db8::1\tgw.example.test gw # the gateway\n",
                "192.0.2.2 GW.Example.Test.\n",
                "192.0.2.1 gw.example.test\n",
                "192.0.2.1 gw.example.test\n",
                "nonsense gw\n",
                "192.0.2.9\n",
            ]
        )
        self.assertEqual(
            {"gw.example.test": ["192.0.2.2", "192.0.2.1", "2001:db8::1"], "gw": ["2001:db8::1"]},
            names,
        )

    @given(st.lists(st.text()))
    def test_any_lines(self, lines: list[str]) -> None:
        """No line is an error."""
        self.assertIsInstance(parse_hosts(lines), dict)


class HostsFileTests(SynchronousTestCase):
    """A file that is changed."""

    def setUp(self) -> None:
        """Write a file."""
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.path.write_bytes(b"192.0.2.1 gw caf\xe9\n")
        self.hosts = HostsFile(str(self.path), self.clock.seconds)

    def test_find(self) -> None:
        """A name is found in any case and with a trailing dot; others are not."""
        self.assertEqual(["192.0.2.1"], self.hosts.find("GW."))
        self.assertEqual([], self.hosts.find("other"))

    def test_change(self) -> None:
        """A change is noticed after a second, not before."""
        self.hosts.find("gw")
        self.path.write_text("192.0.2.22 gw\n")
        self.clock.advance(0.9)
        self.assertEqual(["192.0.2.1"], self.hosts.find("gw"))
        self.clock.advance(0.2)
        self.assertEqual(["192.0.2.22"], self.hosts.find("gw"))

    def test_replaced(self) -> None:
        """A file of the same size and time put in its place is noticed too."""
        self.hosts.find("gw")
        old = os.stat(self.path)
        other = Path(f"{self.path}.new")
        other.write_bytes(b"192.0.2.7 gw caf\xe9\n")
        os.utime(other, ns=(old.st_atime_ns, old.st_mtime_ns))
        other.rename(self.path)
        self.clock.advance(1)
        self.assertEqual(["192.0.2.7"], self.hosts.find("gw"))

    def test_removed(self) -> None:
        """Without the file there are no names, until it is there again."""
        self.hosts.find("gw")
        self.path.unlink()
        self.clock.advance(1)
        self.assertEqual([], self.hosts.find("gw"))
        self.path.write_text("192.0.2.3 gw\n")
        self.clock.advance(1)
        self.assertEqual(["192.0.2.3"], self.hosts.find("gw"))

    def test_unreadable(self) -> None:
        """While the file cannot be read, the names known stay."""
        self.hosts.find("gw")
        self.path.unlink()
        self.path.mkdir()
        self.clock.advance(1)
        self.assertEqual(["192.0.2.1"], self.hosts.find("gw"))
