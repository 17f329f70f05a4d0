"""Tests of L{sipproxy.access.keys}."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.access.keys import LONGEST_KEY, CallerKeys, key_text, subscriber_keys
from sipproxy.message import Uri, parse_uri

from .fixtures import request


def keys(uri: str) -> tuple[str, ...]:
    """Give the keys of a URI."""
    return subscriber_keys(parse_uri(uri.encode()), "example.com")


class SubscriberKeysTests(SynchronousTestCase):
    """L{subscriber_keys}."""

    def test_phone(self) -> None:
        """user=phone and tel: the number, without what makes it readable and without its parameters."""
        self.assertEqual(keys("sip:+1-(408).555@gw.example;user=phone"), ("+1408555",))
        self.assertEqual(keys("sip:+1408555;isub=1@gw.example;user=Phone"), ("+1408555",))
        self.assertEqual(keys("tel:+1-408-555"), ("+1408555",))

    def test_ip(self) -> None:
        """user=ip: user@ProxyDomain, whatever the host."""
        self.assertEqual(keys("sip:bob@192.0.2.1:5070;user=ip"), ("bob@example.com",))

    def test_neither(self) -> None:
        """No parameter: the user part, then user@ProxyDomain; separators are undone in numbers only."""
        self.assertEqual(keys("sip:bob@elsewhere"), ("bob", "bob@example.com"))
        self.assertEqual(keys("sip:b%6Fb@x;transport=udp"), ("bob", "bob@example.com"))
        self.assertEqual(keys("sip:john.doe@x"), ("john.doe", "john.doe@example.com"))
        self.assertEqual(keys("sip:+1-408-555@x"), ("+1408555", "+1408555@example.com"))

    def test_hash(self) -> None:
        """# is legal, escaped or not."""
        for uri in ("sip:*5#1@x;user=phone", "sip:*5%231@x;user=phone"):
            self.assertEqual(keys(uri), ("*5#1",))
        self.assertEqual(keys("sip:12#@x")[0], "12#")

    def test_nobody(self) -> None:
        """No user, or what can be no name."""
        longest = "x" * (LONGEST_KEY + 1)
        for uri in ("sip:example.com", "sip:%FF@x", "sip:a%00b@x", "sip:%0Ab@x;user=phone", f"sip:{longest}@x"):
            self.assertEqual(keys(uri), (), uri)
        self.assertEqual(keys("mailto:bob@x"), ())

    @given(st.binary(max_size=30))
    def test_any_octets(self, octets: bytes) -> None:
        """Any octets are a name, or nobody's."""
        text = key_text(octets)
        self.assertTrue(text == "" or text.encode() == octets)


class CallerKeysTests(SynchronousTestCase):
    """L{CallerKeys}."""

    def test_auth(self) -> None:
        """OrigUserNameSource Auth: the name as it stands."""
        callers = CallerKeys("example.com", "Auth")
        self.assertEqual(callers.of_credentials(request(), "somebody"), ("somebody",))
        self.assertEqual(callers.of_credentials(request(), ""), ())

    def test_expand(self) -> None:
        """NumExpandAuthUserName expands it."""
        callers = CallerKeys("example.com", "Auth", expand=lambda name: "1408555" + name)
        self.assertEqual(callers.of_credentials(request(), "1234"), ("14085551234",))

    def test_from(self) -> None:
        """OrigUserNameSource From: the user of From, whose name the credentials must have in one of its forms."""
        callers = CallerKeys("example.com", "From")
        for name in ("bob", "bob@example.com"):
            self.assertEqual(callers.of_credentials(request(), name), ("bob", "bob@example.com"))
        for name in ("alice", "Bob", ""):
            self.assertEqual(callers.of_credentials(request(), name), ())
        by_ip = request(from_="<sip:bob@example.com;user=ip>;tag=1")
        self.assertEqual(callers.of_credentials(by_ip, "bob"), ("bob@example.com",))

    def test_register(self) -> None:
        """In REGISTER the one to be registered counts."""
        register = request(method="REGISTER", to="<sip:carol@example.com>")
        self.assertEqual(CallerKeys("example.com", "From").of_sender(register), ("carol", "carol@example.com"))

    def test_names(self) -> None:
        """A number that is expanded is looked up under both of its names."""

        def both(uri: Uri) -> tuple[Uri, ...]:
            return uri, parse_uri(b"sip:14085551234@example.com")

        callers = CallerKeys("example.com", "From", names=both)
        sent = request(from_="<sip:1234@example.com>;tag=1")
        self.assertEqual(
            callers.of_sender(sent), ("1234", "1234@example.com", "14085551234", "14085551234@example.com")
        )
