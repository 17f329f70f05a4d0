"""Kinds of hosts, addresses, ports and networks."""

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from sipproxy.config import Listen, WrongValueError, address_port, host, hosts, listen, networks
from test.config.test_kinds import KindTestCase

LISTEN_EXPECTED = "[address:]port[/transport] with a literal address and a port from 1 to 65535"


class HostTests(KindTestCase):
    """Names and literal addresses."""

    def test_hosts(self) -> None:
        """Each host has one spelling."""
        given = ("GW-1.Example.com.", "localhost", "my_gw", "3com.com", "192.0.2.1", "2001:DB8::0:1", "[::1]")
        expected = ("gw-1.example.com", "localhost", "my_gw", "3com.com", "192.0.2.1", "2001:db8::1", "::1")
        self.assertEqual(hosts().parse(given), expected)

    def test_no_hosts(self) -> None:
        """What is neither a name nor an address is refused."""
        for word in (
            "", ".", "a..b", "-a", "a-", "a" * 64, ".".join(["a" * 49] * 6), "192.0.2.256", "192.0.2", "5060",
            "1.2.3.4.", "a:5060", "[192.0.2.1]", "fe80::1%eth0", "[::1", "ä.example", "a\n", "*.example.org",
            "sip:a", "\u0663",
        ):  # fmt: skip
            self.assertEqual(self.wrong(host(), word), ("a host name or address", 0), word)

    def test_wrong_one_of_hosts(self) -> None:
        """The wrong one of several is named."""
        self.assertEqual(self.wrong(hosts(), "a", "b:1", "c"), ("a host name or address", 1))

    def test_address_port(self) -> None:
        """A host and a port, which may have a default."""
        for word, expected in {
            "gw.example.com": ("gw.example.com", 53),
            "192.0.2.1:5353": ("192.0.2.1", 5353),
            "[2001:db8::1]:5353": ("2001:db8::1", 5353),
            "[2001:db8::1]": ("2001:db8::1", 53),
            "2001:db8::1": ("2001:db8::1", 53),
        }.items():
            self.assertEqual(address_port(53).parse([word]), expected)
        self.assertEqual(address_port(0, minimum=0).parse(["0.0.0.0:0"]), ("0.0.0.0", 0))

    def test_no_address_port(self) -> None:
        """A port out of range, a missing host, and a missing port where there is no default are refused."""
        for word in ("", ":53", "a:0", "a:65536", "a:", "a:x", "a:1:2", "[::1]53", "[a]:53", "::1:99999"):
            expected = "host[:port] with a port from 1 to 65535"
            self.assertEqual(self.wrong(address_port(53), word), (expected, 0), word)
        for word in ("a", "::1", "[::1]"):
            self.assertEqual(self.wrong(address_port(), word), ("host:port with a port from 1 to 65535", 0), word)

    def test_shown_address_port(self) -> None:
        """IPv6 is shown in brackets."""
        self.assertEqual(address_port(53).show(("::1", 53)), "[::1]:53")
        self.assertEqual(address_port(53).show(("192.0.2.1", 53)), "192.0.2.1:53")


class ListenTests(KindTestCase):
    """Places to listen at."""

    def test_listen(self) -> None:
        """Address and transport may be left out."""
        for word, expected in {
            "5060": Listen(None, 5060, "udp"),
            "5060/UDP": Listen(None, 5060, "udp"),
            "127.0.0.1:5070": Listen("127.0.0.1", 5070, "udp"),
            "[2001:DB8::1]:5070/udp": Listen("2001:db8::1", 5070, "udp"),
        }.items():
            self.assertEqual(listen().parse([word]), expected)

    def test_shown_listen(self) -> None:
        """A place is shown as it would be written."""
        places = (Listen(None, 5060), Listen("127.0.0.1", 5070), Listen("::1", 5070))
        self.assertEqual(list(map(listen().show, places)), ["5060/udp", "127.0.0.1:5070/udp", "[::1]:5070/udp"])

    def test_transport(self) -> None:
        """Another transport is refused, and udp is named."""
        for word in ("5060/tcp", "5060/", "[::1]:5060/udp/x"):
            self.assertEqual(self.wrong(listen(), word), ("transport udp", 0))

    def test_no_listen(self) -> None:
        """A name, a missing port and a port out of range are refused."""
        for word in (
            "",
            "udp",
            "127.0.0.1",
            "localhost:5060",
            "::1:5060",
            "[::1]",
            "0",
            "65536",
            ":5060",
            "[1.2.3.4]:1",
        ):
            self.assertEqual(self.wrong(listen(), word), (LISTEN_EXPECTED, 0), word)


class NetworksTests(KindTestCase):
    """Networks and their names."""

    def test_networks(self) -> None:
        """Addresses and networks of both families; bits behind the mask are cleared."""
        self.assertEqual(
            networks().parse(["10.1.2.3/8", "192.0.2.1", "2001:db8::/32"]),
            (ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32"), ip_network("2001:db8::/32")),
        )

    def test_names(self) -> None:
        """C{all} is both families, C{none} is empty; both are shown by name."""
        self.assertEqual(networks().parse(["All"]), (ip_network("0.0.0.0/0"), ip_network("::/0")))
        self.assertEqual(networks().parse(["none"]), ())
        given = (["all"], ["none"], ["10.0.0.0/8", "192.0.2.1"])
        self.assertEqual(
            [networks().show(networks().parse(words)) for words in given], ["all", "none", "10.0.0.0/8 192.0.2.1"]
        )

    def test_no_networks(self) -> None:
        """What is no network is refused, by its word."""
        for word in ("10.0.0.0/33", "gw.example.com", "", "10", "fe80::1%eth0/64"):
            self.assertEqual(self.wrong(networks(), "10.0.0.1", word), ("address[/bits], all or none", 1), word)
        self.assertEqual(self.wrong(networks()), ("address[/bits], all or none", 0))


class AnyWordTests(KindTestCase):
    """Whatever is written."""

    @given(st.text() | st.from_regex(r"[0-9a-f:.\[\]/%*]*", fullmatch=True))
    def test_any_word(self, word: str) -> None:
        """A word is a value, or wrong; nothing else is raised."""
        for kind in (host(), address_port(53), listen(), networks()):
            try:
                kind.parse([word])
            except WrongValueError as wrong:
                self.assertEqual(wrong.index, 0)
