"""Tests of GKTMP's tags and values."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.wire.gktmp import GktmpError, Message
from sipproxy.wire.gktmp_tags import (
    Address,
    Location,
    Question,
    TagTable,
    Value,
    read_address,
    read_delay,
    read_location,
    read_question,
    read_values,
    write_delay,
    write_location,
    write_question,
)

TABLE = TagTable()


def located(body: bytes, name: str = "LCF") -> Location:
    """Read an answer with a body."""
    return read_location(Message("RESPONSE", name, (), body), TABLE)


class TableTests(SynchronousTestCase):
    """L{TagTable}."""

    def test_read(self) -> None:
        """A file changes what it names, in any case; comments and blank lines are passed over."""
        table = TagTable.read("# ours\nseparator :\n\nDestinationInfo  da # dest\nservice -\n")
        self.assertEqual(table, TagTable(separator=":", destination_info="da", service="-"))
        self.assertEqual(TagTable.read(""), TABLE)

    def test_used(self) -> None:
        """What is written follows the table, and what is not used is left out."""
        table = TagTable.read("separator :\ndestinationInfo da\nservice -\ncanMapAlias -")
        self.assertEqual(write_question(Question("800", "18005551212"), table), b"da:E:18005551212\r\n")
        self.assertEqual(
            read_location(Message("RESPONSE", "LCF", (), b"da:E:1\r\nd=E:2"), table).destinations, (Value("E", "1"),)
        )
        self.assertEqual(write_delay(1.0, TagTable.read("delay -")), b"")

    def test_wrong(self) -> None:
        """What is wrong is told with its line."""
        for text, error in (
            ("\nfoo x", "line 2: expected one of separator, sourceInfo,"),
            ("delay", "line 1: expected delay and one tag"),
            ("delay a b", "line 1: expected delay and one tag"),
            ("separator ;", "line 1: expected the separator = or :, got ';'"),
            ("delay \u00e9", "line 1: expected a tag of letters and digits, or -"),
            ("delay x\ndelay y", "line 2: delay only once"),
            ("delay d", "the tag d stands for two fields"),
        ):
            with self.assertRaises(GktmpError) as caught:
                TagTable.read(text)
            self.assertIn(error, str(caught.exception))


class ValueTests(SynchronousTestCase):
    """Values and addresses."""

    def test_kinds(self) -> None:
        """Values are separated by spaces, their kinds in either case; text of no kind is kept."""
        self.assertEqual(
            read_values("E:1408  h:gw1 M:bob@example.com I:10.0.0.1:5060 X:y T"),
            (
                Value("E", "1408"),
                Value("H", "gw1"),
                Value("M", "bob@example.com"),
                Value("I", "10.0.0.1:5060"),
                Value("", "X:y"),
                Value("", "T"),
            ),
        )

    def test_addresses(self) -> None:
        """Addresses of all forms are read and written."""
        for text, address, written in (
            ("172.18.0.1:1720", Address("172.18.0.1", 1720), "172.18.0.1:1720"),
            ("gw.example.com", Address("gw.example.com"), "gw.example.com"),
            ("[2001:DB8::1]:5060", Address("2001:db8::1", 5060), "[2001:db8::1]:5060"),
            ("2001:db8::1", Address("2001:db8::1"), "[2001:db8::1]"),
            ("[::1]", Address("::1"), "[::1]"),
        ):
            self.assertEqual(read_address(text), address)
            self.assertEqual(str(address), written)

    def test_bad_addresses(self) -> None:
        """What is no address is an error."""
        for text in (
            "",
            ":5060",
            "a:0",
            "a:65536",
            "a:x",
            "[::1",
            "[x]:1",
            "1::2::3",
            "a b",
            "..",
            "-a",
            "[fe80::1%1]",
        ):
            self.assertRaises(GktmpError, read_address, text)


class QuestionTests(SynchronousTestCase):
    """REQUEST LRQ."""

    def test_round_trip(self) -> None:
        """A question is written and read."""
        question = Question("LNP", "14085551234", "4085559999")
        body = write_question(question, TABLE)
        self.assertEqual(body, b"S=LNP\r\ns=E:4085559999\r\nd=E:14085551234\r\nm=T\r\n")
        self.assertEqual(read_question(Message("REQUEST", "LRQ", (), body), TABLE), question)

    def test_no_number(self) -> None:
        """A question without a number is an error."""
        for body in (b"", b"d=H:bob", b"d="):
            self.assertRaises(GktmpError, read_question, Message("REQUEST", "LRQ", (), body), TABLE)


class LocationTests(SynchronousTestCase):
    """LCF, LRQ and LRJ."""

    def test_all(self) -> None:
        """Destinations and addresses come in order, alternates at the end, each once; unknown tags do no harm."""
        body = b"d=E:14085551234 H:gw1\r\nA=I:10.0.0.3\r\nc=I:10.0.0.1:5060 10.0.0.2\r\nr=I:x\r\nc=I:10.0.0.2\r\n"
        location = located(body)
        self.assertEqual(location.destinations, (Value("E", "14085551234"), Value("H", "gw1")))
        self.assertEqual(
            location.addresses,
            (Address("10.0.0.1", 5060), Address("10.0.0.2"), Address("10.0.0.3")),
        )
        self.assertEqual(str(location), "LCF E:14085551234 H:gw1 at 10.0.0.1:5060 at 10.0.0.2 at 10.0.0.3")

    def test_rejection(self) -> None:
        """LRJ has a reason, perhaps; the rest of it is not looked at."""
        self.assertEqual(str(located(b"R=noRouteToDestination\r\nd=E:x", "LRJ")), "LRJ noRouteToDestination")
        self.assertEqual(located(b"", "LRJ"), Location("LRJ"))

    def test_bad(self) -> None:
        """Values that are none of their kind, and messages that answer nothing, are errors."""
        for body in (b"d=E:abc", b"d=E:", b"d=1408", b"d=M:bob", b"d=I:10.0.0.1", b"c=I:...", b"x"):
            self.assertRaises(GktmpError, located, body)
        self.assertRaises(GktmpError, located, b"", "ARJ")

    @given(st.binary(max_size=60) | st.text("dcAR=:EHMI 14@.[]\n", max_size=60).map(str.encode))
    def test_any(self, body: bytes) -> None:
        """Any body gives a location that is read as it is written, or the one error."""
        try:
            location = located(body)
        except GktmpError:
            return
        self.assertEqual(located(write_location(location, TABLE)), location)


class DelayTests(SynchronousTestCase):
    """RIP."""

    def test_round_trip(self) -> None:
        """A delay is in milliseconds; it may be absent."""
        self.assertEqual(read_delay(Message("RESPONSE", "RIP", (), write_delay(1.25, TABLE)), TABLE), 1.25)
        self.assertIsNone(read_delay(Message("RESPONSE", "RIP"), TABLE))

    def test_bad(self) -> None:
        """What is no delay is an error."""
        for body in (b"D=0", b"D=65536", b"D=-1", b"D=x", b"D="):
            self.assertRaises(GktmpError, read_delay, Message("RESPONSE", "RIP", (), body), TABLE)
