"""Tests of NAPTR records as ENUM reads them."""

import time
from collections.abc import Iterable, Mapping

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.translation.naptr import (
    MAX_EXPRESSION,
    MAX_FOUND,
    MAX_NAMES,
    MAX_RESULT,
    MAX_STEPS,
    MAX_TRIES,
    Outcome,
    Rule,
    Search,
    Substitution,
    in_order,
    services,
)

NUMBER = b"+441632960083"
# Each of these takes RE2, with its own bounds, a second or some ten milliseconds.
COSTLY = (
    b"[^a-c]{1,1000}" * 17,
    b".{1000}" * 36,
    b"[^a-c]{1,255}" * 19,
    b"(([^x]?){31}){32}" * 15,
    b"((((.?){9}){9}){9})" * 12,
    b"(((((((((((a?)?)?)?)?)?)?)?)?){10}){10}){10}",
    b"(x+x+)+y",
    b"(.*)" * 60,
)


def rule(
    regexp: bytes = b"!^.*$!sip:a@b!",
    order: int = 10,
    preference: int = 10,
    flags: bytes = b"u",
    service: bytes = b"E2U+sip",
    replacement: bytes = b"",
) -> Rule:
    """Make a rule."""
    return Rule(order, preference, flags, service, regexp, replacement)


def link(target: bytes, order: int = 10) -> Rule:
    """Make a non-terminal rule."""
    return rule(b"", order, flags=b"", service=b"", replacement=target)


def result(uri: bytes, order: int = 10, preference: int = 10) -> Rule:
    """Make a rule that gives a URI."""
    return rule(b"!^.*$!" + uri + b"!", order, preference)


class OrderTests(SynchronousTestCase):
    """L{in_order}."""

    def test_order_before_preference(self) -> None:
        """The order counts before the preference; equal rules stay as they came."""
        rules = [rule(b"a", 20, 1), rule(b"b", 10, 50), rule(b"c", 10, 5), rule(b"d", 20, 1)]
        self.assertEqual([r.regexp for r in in_order(rules)], [b"c", b"b", b"a", b"d"])


class ServicesTests(SynchronousTestCase):
    """L{services}."""

    def test_forms(self) -> None:
        """Services of both forms are read in any case, several in one record too."""
        for field, found in {
            b"E2U+sip": (b"sip",),
            b"e2u+SIP": (b"sip",),
            b"sip+E2U": (b"sip",),
            b"E2U+pstn:sip": (b"pstn:sip",),
            b"E2U+voice:tel+sip+sms:tel": (b"voice:tel", b"sip", b"sms:tel"),
            b"pstn:sip+sip+e2u": (b"pstn:sip", b"sip"),
            b"SIP+D2U": (),
            b"E2U": (),
            b"": (),
            b"sip": (),
            b"E2U:sip": (),
        }.items():
            self.assertEqual(services(field), found, field)


class SubstitutionTests(SynchronousTestCase):
    """L{Substitution}."""

    def applied(self, expression: bytes, number: bytes = NUMBER) -> bytes | None:
        """Apply an expression."""
        return Substitution(expression).apply(number)

    def test_rfc_example(self) -> None:
        """The examples of RFC 6116 4 give what it says."""
        self.assertEqual(self.applied(rb"!^(\+441632960083)$!sip:\1@example.com!"), b"sip:+441632960083@example.com")
        self.assertEqual(self.applied(rb"!^\+441632960083$!h323:operator@example.com!"), b"h323:operator@example.com")
        self.assertIsNone(self.applied(rb"!^\+441632960084$!h323:operator@example.com!"))

    def test_delimiters(self) -> None:
        """Any character may delimit, one that means something in an ERE too; escaped it stands for itself."""
        for expression, made in {
            rb"/^\+44(.*)$/sip:\1@a/": b"sip:1632960083@a",
            rb"#^\+44(.*)$#sip:\1@a#": b"sip:1632960083@a",
            rb"|^\+44(.*)$|sip:\1@a|": b"sip:1632960083@a",
            rb"+^\+44(.*)$+sip:\+\1@a+": b"sip:+1632960083@a",
            rb".^\+44([0-9]*)$.sip:\1@a\.b.": b"sip:1632960083@a.b",
            rb"$^\+44$sip:x@a$": b"sip:x@a",
            rb"d^\+44(.*)$dsip:\1@\da\dd": b"sip:1632960083@dad",
            b"\xa7^.*$\xa7sip:x@a\xa7": b"sip:x@a",
            b" ^.*$ sip:x@a ": b"sip:x@a",
            rb"!^\+44(.*)$!sip:\1\!@a!": b"sip:1632960083!@a",
            rb"!^(\+44|\!)(.*)$!sip:\2@a!": b"sip:1632960083@a",
        }.items():
            self.assertEqual(self.applied(expression), made, expression)

    def test_only_the_replacement(self) -> None:
        """What the expression does not match is not part of the result."""
        self.assertEqual(self.applied(rb"!960(.)!sip:\1@a!"), b"sip:0@a")

    def test_groups(self) -> None:
        """Groups may be used many times, in any order; one that took no part is empty."""
        self.assertEqual(self.applied(rb"!^\+(44)(16)(x)?!sip:\2\1\3\2@a!"), b"sip:164416@a")
        self.assertEqual(self.applied(rb"!^\+((4)(4))!sip:\3\2\1@a!"), b"sip:4444@a")

    def test_extended_expressions(self) -> None:
        """Classes, alternatives, intervals and the longest match are as in POSIX."""
        for expression, made in {
            rb"!^\+[[:digit:]]{2}([[:digit:]]+)$!\1!": b"1632960083",
            rb"!(\+4|\+44|\+441)!\1!": b"+441",
            rb"!^\+(1|44)(.{4})!\2!": b"1632",
            rb"!^[+]44(.*)$!\1!": b"1632960083",
        }.items():
            self.assertEqual(self.applied(expression), made, expression)

    def test_case_flag(self) -> None:
        """The flag makes letters match in any case, and leaves the replacement as it is."""
        self.assertEqual(self.applied(b"!ABC!Sip:X@a!i", b"abc"), b"Sip:X@a")
        self.assertEqual(self.applied(b"!ABC!sip:x@a!I", b"abc"), b"sip:x@a")
        self.assertIsNone(self.applied(b"!ABC!sip:x@a!", b"abc"))

    def test_what_is_none(self) -> None:
        """What is no expression is refused with a reason."""
        for expression, reason in {
            b"": "no delimiter",
            b"1^.*$1sip:a@b1": "no delimiter",
            b"i^.*$isip:a@bi": "no delimiter",
            b"\\^.*$\\sip:a@b\\": "no delimiter",
            b"!": "not three delimiters",
            b"!^.*$!sip:a@b": "not three delimiters",
            b"!^.*$!sip:a@b!!": "not three delimiters",
            b"!^.*$!sip:a@b\\!": "not three delimiters",
            b"!^.*$!sip:a@b!g": "unknown flags",
            b"!^.*$!sip:\\1@b!": "no group 1",
            b"!^(.*)$!sip:\\2@b!": "no group 2",
            b"!^($!sip:a@b!": "missing ): ^($",
            b"!^*+(?:a)$!sip:a@b!": "no argument for repetition operator: ?",
            rb"!^\d+$!sip:a@b!": r"invalid escape sequence: \d",
            rb"!^(.)\1$!sip:a@b!": r"invalid escape sequence: \1",
            b"!.{256}!sip:a@b!": "more than 255 repetitions",
            b"!.{1,99999999999999999999}!sip:a@b!": "more than 255 repetitions",
            b"!" + b"x" * MAX_EXPRESSION + b"!a!": f"longer than {MAX_EXPRESSION} octets",
        }.items():
            error = self.assertRaises(ValueError, Substitution, expression)
            self.assertEqual(str(error), reason, expression)

    def test_long_result(self) -> None:
        """A result may not be long without bound."""
        expression = Substitution(b"!^(.*)$!" + b"\\1" * 100 + b"!")
        error = self.assertRaises(ValueError, expression.apply, NUMBER)
        self.assertEqual(str(error), f"a result of more than {MAX_RESULT} octets")

    def test_costly(self) -> None:
        """What is made to take long takes no long time."""
        for pattern in COSTLY:
            started = time.perf_counter()
            try:
                Substitution(b"!" + pattern + b"!a!").apply(b"+123456789012345")
            except ValueError:
                pass
            self.assertLess(time.perf_counter() - started, 0.3, pattern)

    @given(st.binary(max_size=MAX_EXPRESSION + 5), st.from_regex(rb"\A\+[0-9]{2,15}\Z"))
    def test_any_octets(self, expression: bytes, number: bytes) -> None:
        """Whatever octets come: a result, no match, or a ValueError."""
        try:
            self.applied(expression, number)
        except ValueError:
            pass

    @given(st.text(alphabet="!\\i().*+^$[]{}|,?0129a:", max_size=40))
    def test_any_expression(self, text: str) -> None:
        """Whatever looks like an expression: a result, no match, or a ValueError."""
        try:
            made = self.applied(b"!" + text.encode() + b"!\\1\\2x!")
        except ValueError:
            return
        self.assertTrue(made is None or len(made) <= MAX_RESULT)

    @given(st.text(alphabet="abc:@.-!/#", min_size=1, max_size=30), st.sampled_from("!/#~%a"))
    def test_written_replacements(self, text: str, delimiter: str) -> None:
        """Any text comes out of a replacement in which the delimiters are escaped."""
        escaped = text.replace(delimiter, f"\\{delimiter}")
        expression = f"{delimiter}^.*${delimiter}{escaped}{delimiter}"
        self.assertEqual(self.applied(expression.encode()), text.encode())


class SearchTests(SynchronousTestCase):
    """L{Search}."""

    def setUp(self) -> None:
        """Begin without notes."""
        self.notes: list[str] = []
        self.asked: list[str] = []

    def found(self, zone: Mapping[str, Outcome], wanted: Iterable[bytes] = (b"sip", b"pstn:sip")) -> list[bytes]:
        """Search in a zone, from the name C{start}."""
        search = Search(NUMBER, frozenset(wanted), self.notes.append)
        names = search.under("start")
        name = next(names)
        try:
            while True:
                self.asked.append(name)
                name = names.send(zone.get(name, f"{name} does not exist"))
        except StopIteration:
            return [uri.raw for uri in search.found]

    def test_all_in_order(self) -> None:
        """All usable records count, those of a higher order too, and none twice."""
        rules = [result(b"sip:c@a", 20, 1), result(b"sip:b@a", 10, 2), result(b"sip:a@a", 10, 1), result(b"sip:a@a")]
        self.assertEqual(self.found({"start": rules}), [b"sip:a@a", b"sip:b@a", b"sip:c@a"])
        self.assertEqual(self.notes, ["start: NAPTR records: 4, of use: 4"])

    def test_services(self) -> None:
        """A record counts when any of its services is wanted."""
        for service, uris in {
            b"E2U+sip": [b"sip:a@b"],
            b"sip+E2U": [b"sip:a@b"],
            b"e2u+PSTN:sip": [b"sip:a@b"],
            b"E2U+email:mailto+sip": [b"sip:a@b"],
            b"E2U+pstn:tel": [],
            b"E2U+sip:x": [],
            b"E2U+sip+P-home": [],
            b"": [],
            b"\xff+\xfe": [],
        }.items():
            self.assertEqual(self.found({"start": [rule(service=service)]}), uris, service)

    def test_private_service(self) -> None:
        """A private service that is listed does not spoil a record."""
        rules = [rule(service=b"E2U+p-home+sip")]
        self.assertEqual(self.found({"start": rules}, (b"sip", b"p-home")), [b"sip:a@b"])

    def test_followed(self) -> None:
        """A non-terminal rule is followed where it stands, its services and expression do not matter."""
        zone = {
            "start": [
                result(b"sip:1@a", 1),
                rule(b"!^.*$!x!", 2, flags=b"", service=b"D2U+x", replacement=b"Other."),
                result(b"sip:4@a", 3),
            ],
            "other": [result(b"sip:3@a", 90), result(b"sip:2@a", 80)],
        }
        self.assertEqual(self.found(zone), [b"sip:1@a", b"sip:2@a", b"sip:3@a", b"sip:4@a"])

    def test_dead_ends(self) -> None:
        """Where a rule leads to nothing, the search goes on behind it."""
        zone: dict[str, Outcome] = {
            "start": [link(b"", 1), link(b"missing", 2), link(b"empty", 3), result(b"sip:a@b", 4)],
            "empty": [rule(service=b"E2U+tel")],
        }
        self.assertEqual(self.found(zone), [b"sip:a@b"])
        self.assertEqual(
            self.notes,
            [
                "start: NAPTR records: 4, of use: 4",
                "start: skipped record 1 10: leads nowhere",
                "missing does not exist",
                "empty: NAPTR records: 1, of use: 0",
            ],
        )

    def test_loops(self) -> None:
        """A rule that leads back is passed over, and nothing is asked twice."""
        zone = {"start": [link(b"start", 1), link(b"two", 2)], "two": [link(b"START.", 1), result(b"sip:a@b", 2)]}
        self.assertEqual(self.found(zone), [b"sip:a@b"])
        self.assertEqual(self.asked, ["start", "two"])
        self.assertIn("two: skipped record 1 10: leads back to 'start'", self.notes)

    def test_steps(self) -> None:
        """As many steps as the RFC says are taken, and no more."""
        zone: dict[str, Outcome] = {f"n{step}": [link(b"n%d" % (step + 1))] for step in range(20)}
        zone["start"] = [link(b"n1")]
        zone[f"n{MAX_STEPS}"] = [result(b"sip:a@b")]
        self.assertEqual(self.found(zone), [b"sip:a@b"])
        zone[f"n{MAX_STEPS}"] = [link(b"n%d" % (MAX_STEPS + 1))]
        zone[f"n{MAX_STEPS + 1}"] = [result(b"sip:a@b")]
        self.assertEqual(self.found(zone), [])
        self.assertEqual(self.notes[-1], f"n{MAX_STEPS}: skipped record 10 10: leads too far")

    def test_wide(self) -> None:
        """A tree of rules is asked for only in part."""
        names = [b"n%d" % number for number in range(60)]
        self.assertEqual(self.found({"start": [link(name) for name in names]}), [])
        self.assertEqual(len(self.asked), MAX_NAMES)

    def test_many(self) -> None:
        """Of many records the most preferred ones count, wherever they stand."""
        rules = [result(b"sip:%d@a" % number, 1000 - number) for number in range(200)]
        self.assertEqual(self.found({"start": rules}), [b"sip:%d@a" % (199 - place) for place in range(MAX_FOUND)])
        self.assertEqual(self.notes[-1], "start: the records after these are not looked at")

    def test_many_bad_expressions(self) -> None:
        """Only so many expressions are tried."""
        rules = [rule(b"!%d(!sip:a@b!" % number) for number in range(200)]
        self.assertEqual(self.found({"start": rules}), [])
        self.assertEqual(len([note for note in self.notes if "bad expression" in note]), MAX_TRIES)

    def test_skipped(self) -> None:
        """What cannot be used is passed over, and the reason told on one line."""
        for bad, reason in (
            (rule(flags=b"s"), "unknown flags 's'"),
            (rule(flags=b"\xff\n"), r"unknown flags '\xff\n'"),
            (rule(b"!^\\+1!sip:a@b!"), r"'!^\\+1!sip:a@b!' does not match +441632960083"),
            (rule(b"!(!sip:a@b!"), "bad expression '!(!sip:a@b!': 'missing ): ('"),
            (rule(b"\x00\r\n"), r"bad expression '\x00\r\n': 'not three delimiters'"),
            (result(b"tel:+4422"), "result 'tel:+4422': not a sip: URI"),
            (result(b"sips:a@b"), "result 'sips:a@b': not a sip: URI"),
            (result(b"sip:a b@c"), "result 'sip:a b@c': 400 Bad URI"),
            (result(b"sip:a@b\r\nX: y"), r"result 'sip:a@b\r\nX: y': 400 Bad URI"),
            (result(b"sip:\xc3\xa9@b"), r"result 'sip:\xc3\xa9@b': 400 Bad URI"),
            (result(b""), "result '': 400 Bad URI"),
        ):
            self.notes.clear()
            self.assertEqual(self.found({"start": [bad, result(b"sip:good@a", 20)]}), [b"sip:good@a"])
            self.assertEqual(self.notes[-1], f"start: skipped record 10 10: {reason}")

    @given(
        st.lists(
            st.builds(
                Rule,
                st.integers(0, 65535),
                st.integers(0, 65535),
                st.sampled_from([b"", b"u", b"U", b"s", b"\xff"]),
                st.sampled_from([b"E2U+sip", b"", b"sip+E2U"]) | st.binary(max_size=20),
                st.sampled_from([b"!^.*$!sip:a@b!", b""]) | st.binary(max_size=30),
                st.sampled_from([b"start", b"a", b"b", b""]) | st.binary(max_size=10),
            ),
            max_size=12,
        )
    )
    def test_any_rules(self, rules: list[Rule]) -> None:
        """Whatever the records say, the search ends, and what it finds are URIs of ours."""
        self.asked.clear()
        found = self.found({"start": rules, "a": rules, "b": rules})
        self.assertLessEqual(len(self.asked), MAX_NAMES)
        self.assertEqual([uri for uri in found if not uri.lower().startswith(b"sip:")], [])
