"""LogFormat: reading it, and the exact octets that it gives."""

import json
import os
import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.logs.fields import EXPECTED, Surroundings
from sipproxy.logs.format import PREDEFINED, json_renderer, parse_format, text_renderer
from test.logs.outcomes import Outcome, east, request, request_with

HERE = Surroundings("proxy.example.com", time.gmtime)
COMBINED = parse_format(PREDEFINED["combined-sip"])
PID = os.getpid()


def line(text: str, outcome: Outcome | None = None, surroundings: Surroundings = HERE) -> bytes:
    """Give the line of a format, without its end."""
    rendered = text_renderer(parse_format(text), surroundings)(outcome or Outcome())
    assert rendered.endswith(b"\n")
    return rendered[:-1]


class CombinedTests(SynchronousTestCase):
    """The default format, to the octet."""

    def combined(self, outcome: Outcome) -> bytes:
        """Give the line of an outcome."""
        return text_renderer(COMBINED, HERE)(outcome)

    def test_answered_request(self) -> None:
        """A request with a final response."""
        self.assertEqual(
            self.combined(Outcome()),
            b'192.0.2.1 - - [25/Nov/2026:18:00:36 +0000] "INVITE sip:bob@example.com SIP/2.0" 200 345 12346'
            b' "abc@192.0.2.1" "Alice <sip:alice@example.com>;tag=1" "<sip:bob@example.com>"'
            b" 192.0.2.7:5060/udp registry\n",
        )

    def test_forwarded_stateless_request(self) -> None:
        """A forwarded stateless request has no status and no size."""
        outcome = Outcome(status=None, size=0, duration=0.0, notes={})
        self.assertEqual(
            self.combined(outcome),
            b'192.0.2.1 - - [25/Nov/2026:18:00:36 +0000] "INVITE sip:bob@example.com SIP/2.0" - - 0'
            b' "abc@192.0.2.1" "Alice <sip:alice@example.com>;tag=1" "<sip:bob@example.com>" - -\n',
        )

    def test_display_name_in_quotes(self) -> None:
        """Quotes of a display name are escaped, and only those."""
        message = request_with(b"from", b'"Alice" <sip:alice@example.com>;tag=1')
        outcome = Outcome(request=message, notes={"user": "alice"})
        self.assertEqual(
            self.combined(outcome),
            b'192.0.2.1 - alice [25/Nov/2026:18:00:36 +0000] "INVITE sip:bob@example.com SIP/2.0" 200 345 12346'
            b' "-" "\\"Alice\\" <sip:alice@example.com>;tag=1" "-" - -\n',
        )

    def test_controls(self) -> None:
        """Controls, backslashes and octets that are no UTF-8 are escaped, UTF-8 is kept."""
        message = request_with(b"to", b'"Zo\xc3\xab \\" \x00\xff\t" <sip:z>')
        self.assertIn(
            b'"-" "-" "\\"Zo\xc3\xab \\\\\\" \\x00\\xff\\t\\" <sip:z>" ', self.combined(Outcome(request=message))
        )

    def test_folded_header(self) -> None:
        """A folded header is on one line."""
        message = request(b"OPTIONS sip:b SIP/2.0\r\nFrom: Alice\r\n <sip:a>;tag=1\r\n\r\n")
        self.assertIn(b'"Alice <sip:a>;tag=1"', self.combined(Outcome(request=message)))

    def test_line_of_another_second(self) -> None:
        """Each line has the time of its own request."""
        render = text_renderer(COMBINED, Surroundings("x", east))
        first = Outcome()
        for seconds, expected in ((0, b"[25/Nov/2026:23:45:36 +0545]"), (-37, b"[25/Nov/2026:23:44:59 +0545]")):
            self.assertIn(expected, render(replace(first, started=first.started + seconds)))

    @given(st.binary(), st.sampled_from([b"from", b"to", b"call-id"]), st.text())
    def test_any_octets(self, value: bytes, name: bytes, note: str) -> None:
        """Whatever a header or a note holds, the line is one, printable, and its own quotes are the only ones."""
        outcome = Outcome(request=request_with(name, value), notes={"reason": note})
        text = self.combined(outcome).decode()
        self.assertTrue(text[:-1].isprintable())
        self.assertEqual(text[-1], "\n")
        self.assertEqual(text.replace("\\\\", "").replace('\\"', "").count('"'), 8)


class DirectiveTests(SynchronousTestCase):
    """Each directive."""

    def test_directives(self) -> None:
        """What each gives."""
        for text, expected in (
            ("%h %a %A", b"192.0.2.1 192.0.2.1 192.0.2.9"),
            ("%p %{local}p %{canonical}p %{remote}p", b"5060 5060 5060 5061"),
            ("%l %u %{user}n", b"- - -"),
            ("%r", b"INVITE sip:bob@example.com SIP/2.0"),
            ("%m %U", b"INVITE sip:bob@example.com"),
            ("%s %>s %<s", b"200 200 200"),
            ("%b %B %D", b"345 345 12346"),
            ("%T %{s}T %{ms}T %{us}T", b"0 0 12 12346"),
            ("%{CALL-ID}i %{i}i %{f}i", b"abc@192.0.2.1 abc@192.0.2.1 Alice <sip:alice@example.com>;tag=1"),
            ("%{Subject}i %{nothing}n", b"- -"),
            ("%{next-hop}n", b"192.0.2.7:5060/udp"),
            ("%v %P", b"proxy.example.com %d" % PID),
            ("100%%\\t%m", b"100%\tINVITE"),
            ("", b""),
            ("é%m", "éINVITE".encode()),
        ):
            self.assertEqual(line(text), expected, text)

    def test_times(self) -> None:
        """The common form, strftime's, and Apache's fractions; of the beginning or the end."""
        for text, expected in (
            ("%t", b"[25/Nov/2026:18:00:36 +0000]"),
            ("%{begin:}t", b"[25/Nov/2026:18:00:36 +0000]"),
            ("%{%Y-%m-%d %H:%M:%S}t", b"2026-11-25 18:00:36"),
            ("%{end:%S}t", b"37"),
            ("%{sec}t %{msec}t %{usec}t", b"1795629636 1795629636123 1795629636123456"),
            ("%{msec_frac}t %{usec_frac}t", b"123 123456"),
            ("%{end:sec}t", b"1795629637"),
        ):
            self.assertEqual(line(text, Outcome(duration=1.0)), expected, text)

    def test_absent_values(self) -> None:
        """What is absent is a hyphen; a size of none is one for %b and 0 for %B."""
        outcome = Outcome(status=None, size=0, notes={"user": ""})
        self.assertEqual(line("%s %b %B %u", outcome), b"- - 0 -")

    def test_server_name_is_escaped(self) -> None:
        """Even what is ours cannot break a line."""
        self.assertEqual(line("%v", surroundings=Surroundings('a"b', time.gmtime)), b'a\\"b')

    def test_lone_surrogates(self) -> None:
        """A note that is no proper text is shown in hexadecimal."""
        self.assertEqual(line("%{a}n", Outcome(notes={"a": "\ud800\udcff"})), b"\\xed\\xa0\\x80\\xed\\xb3\\xbf")


class ParseTests(SynchronousTestCase):
    """Formats that are wrong."""

    def test_errors(self) -> None:
        """An error says what was expected, and at which character."""
        for text, expected in (
            ("%h %Z", f"one of {EXPECTED} at character 4 of the format"),
            ("%h %", "a directive such as %h, %{Call-ID}i or %% at character 4 of the format"),
            ("%{Call-ID", "a directive such as %h, %{Call-ID}i or %% at character 1 of the format"),
            ("%200s", "a directive such as %h, %{Call-ID}i or %% at character 1 of the format"),
            ("%i", "%{Header}i with the name of a header field at character 1 of the format"),
            ("%{Call ID}i", "%{Header}i with the name of a header field at character 1 of the format"),
            ("%n", "%{name}n with the name of a note at character 1 of the format"),
            ("%{x}p", "%p, %{local}p or %{remote}p at character 1 of the format"),
            ("%{x}T", "%T, %{s}T, %{ms}T or %{us}T at character 1 of the format"),
            ("%{x}h", "%h without an argument at character 1 of the format"),
            ("%{x}v", "%v without an argument at character 1 of the format"),
            ("%h\n", "printable text at character 3 of the format"),
            ("%{a\nb}n", "printable text in the braces at character 1 of the format"),
        ):
            self.assertEqual(str(self.assertRaises(ValueError, parse_format, text)), expected)

    def test_expected_names_all(self) -> None:
        """The list of directives is complete and in order."""
        self.assertEqual(EXPECTED, "%A %a %B %b %D %h %i %l %m %n %P %p %r %s %T %t %U %u %v %%")

    @given(st.text('%{}<>hiDt\\"a1 \n', max_size=12))
    def test_any_format(self, text: str) -> None:
        """A format is refused with a ValueError, or gives one line of any outcome."""
        try:
            line_format = parse_format(text)
        except ValueError:
            return
        self.assertEqual(text_renderer(line_format, HERE)(Outcome()).count(b"\n"), 1)


class JsonTests(SynchronousTestCase):
    """The same fields as an object."""

    def test_combined(self) -> None:
        """The fields by name; numbers are numbers, what is absent is null."""
        rendered = json_renderer(COMBINED, HERE)(Outcome(status=None, size=0))
        self.assertEqual(
            json.loads(rendered),
            {
                "host": "192.0.2.1",
                "ident": None,
                "user": None,
                "time": "2026-11-25T18:00:36.123456+00:00",
                "request": "INVITE sip:bob@example.com SIP/2.0",
                "status": None,
                "size": None,
                "duration_us": 12346,
                "call_id": "abc@192.0.2.1",
                "from": "Alice <sip:alice@example.com>;tag=1",
                "to": "<sip:bob@example.com>",
                "next_hop": "192.0.2.7:5060/udp",
                "reason": "registry",
            },
        )

    def test_all_fields(self) -> None:
        """Every directive has a name of its own."""
        text = "%h %a %A %p %{remote}p %m %U %B %T %{ms}T %v %P %{sec}t %{%H}t"
        self.assertEqual(
            json.loads(json_renderer(parse_format(text), HERE)(Outcome())),
            {
                "host": "192.0.2.1",
                "source_address": "192.0.2.1",
                "local_address": "192.0.2.9",
                "local_port": 5060,
                "source_port": 5061,
                "method": "INVITE",
                "uri": "sip:bob@example.com",
                "size": 345,
                "duration_s": 0,
                "duration_ms": 12,
                "server": "proxy.example.com",
                "pid": PID,
                "time_sec": "1795629636",
                "time_text": "18",
            },
        )

    def test_same_name(self) -> None:
        """A note with a header's name does not take its place."""
        render = json_renderer(parse_format("%{From}i %{from}n"), HERE)
        self.assertEqual(
            json.loads(render(Outcome(notes={"from": "x"}))),
            {"from": "Alice <sip:alice@example.com>;tag=1", "from_n": "x"},
        )

    @given(st.binary(), st.text())
    def test_any_octets(self, value: bytes, note: str) -> None:
        """Whatever a header or a note holds, the object is one line of ASCII."""
        outcome = Outcome(request=request_with(b"to", value), notes={"reason": note})
        rendered = json_renderer(COMBINED, HERE)(outcome)
        self.assertEqual(json.loads(rendered)["reason"], note or None)
        self.assertTrue(rendered.isascii())
        self.assertEqual(rendered.count(b"\n"), 1)
