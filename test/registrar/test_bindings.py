"""The arithmetic of bindings (RFC 3261 10.3, RFC 3327, RFC 5626 6)."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import RequestError
from sipproxy.message import Request
from sipproxy.registrar.bindings import Binding, Bindings, Policy, contact_lines, register, without_doubles
from test.registrar.requests import NOW, register_request

POLICY = Policy(default=3600, minimum=60, maximum=7200, max_contacts=3)
INSTANCE = '+sip.instance="<urn:uuid:0;>,expires=9>"'


def after(request: Request, current: Bindings = ()) -> Bindings:
    """Give the bindings after a request."""
    return register(request, current, POLICY, NOW)


def contacts(bindings: Bindings) -> list[bytes]:
    """Give the contacts."""
    return [binding.contact for binding in bindings]


def intervals(bindings: Bindings) -> list[float]:
    """Give how long bindings last, in seconds."""
    return [binding.expires - NOW for binding in bindings]


class RefusalTestCase(SynchronousTestCase):
    """A test case that looks at refusals."""

    def refusal(self, request: Request, current: Bindings = ()) -> RequestError:
        """Give the error that a request ends in."""
        error: RequestError = self.assertRaises(RequestError, after, request, current)
        return error


class ContactTests(RefusalTestCase):
    """What becomes of Contact values."""

    def test_all_that_is_kept(self) -> None:
        """A binding holds URI and parameters octet for octet, and what ordering needs."""
        uri = "sip:166-0x120fa20@10.0.0.1:5060;pn-prid=a%20B;Line=x~1;transport=UDP"
        request = register_request(
            f'm: "B" <{uri}>;Q=0.50;expires=120;{INSTANCE};+u.x ; methods="INVITE,BYE";action=proxy', cseq=7
        )
        expected = Binding(
            contact=uri.encode(),
            params=f';Q=0.50;{INSTANCE};+u.x ; methods="INVITE,BYE";action=proxy'.encode(),
            q=0.5,
            action="proxy",
            expires=NOW + 120,
            updated=NOW,
            call_id=b"c1@phone",
            cseq=7,
        )
        self.assertEqual(after(request), (expected,))

    def test_large_contact(self) -> None:
        """Linphone: a contact of several kilobytes is kept whole."""
        uri = "sip:a@10.0.0.1;pn-tok=" + "x" * 6000
        self.assertEqual(contacts(after(register_request(f"Contact: <{uri}>"))), [uri.encode()])

    def test_uri_within_a_display_name(self) -> None:
        """A display name that looks like the contact does not confuse the parameters."""
        request = register_request('Contact: "<sip:a@h>;x=1" <sip:a@h>;y=2')
        self.assertEqual(after(request)[0].params, b";y=2")

    def test_parameters_without_brackets(self) -> None:
        """Parameters of a URI without angle brackets belong to the header (RFC 3261 20.10)."""
        binding = after(register_request("Contact: sip:a@h;expires=90;x"))[0]
        self.assertEqual((binding.contact, binding.params, binding.expires), (b"sip:a@h", b";x", NOW + 90))

    def test_other_schemes(self) -> None:
        """A contact need not be a SIP URI (RFC 3261 10.2.1)."""
        request = register_request("Contact: <mailto:bob@example.com>", "Contact: <tel:+1408>")
        self.assertEqual(contacts(after(request)), [b"mailto:bob@example.com", b"tel:+1408"])

    def test_row_03_lists_and_lines(self) -> None:
        """Contact lines and lists in them are one list."""
        request = register_request("Contact: <sip:a@h>, <sip:b@h>", "m: <sip:c@h>")
        self.assertEqual(contacts(after(request)), [b"sip:a@h", b"sip:b@h", b"sip:c@h"])

    def test_row_40_no_contact_changes_nothing(self) -> None:
        """Without Contact nothing is changed, also with Expires 0."""
        current = after(register_request("Contact: <sip:a@h>"))
        self.assertIs(after(register_request("Expires: 0", cseq=2), current), current)

    def test_empty_contact(self) -> None:
        """A Contact with nothing in it is an error, not a query."""
        self.assertEqual(self.refusal(register_request("Contact:")).status, 400)

    def test_row_40_q(self) -> None:
        """q has up to three decimals; anything else is refused."""
        self.assertEqual(after(register_request("Contact: <sip:a@h>;q=0.125"))[0].q, 0.125)
        for wrong in ("2", "0.1234", "-1", "x", "1.001"):
            self.assertEqual(self.refusal(register_request(f"Contact: <sip:a@h>;q={wrong}")).status, 400, wrong)

    def test_action(self) -> None:
        """The action of RFC 2543 is read in any case; an unknown one says nothing."""
        found = [
            after(register_request(f"Contact: <sip:a@h>;action={action}"))[0].action
            for action in ("Redirect", "proxy", "fly")
        ]
        self.assertEqual(found, ["redirect", "proxy", ""])

    def test_path(self) -> None:
        """Path values are kept in order; one that could be no Route is refused."""
        request = register_request("Path: <sip:p1;lr>, <sip:p2;lr>", "Path: <sip:p3;lr>", "Contact: <sip:a@h>")
        self.assertEqual(after(request)[0].path, (b"<sip:p1;lr>", b"<sip:p2;lr>", b"<sip:p3;lr>"))
        self.assertEqual(self.refusal(register_request("Path: <sip:[x>", "Contact: <sip:a@h>")).status, 400)
        self.assertEqual(self.refusal(register_request("Path: <tel:1>", "Contact: <sip:a@h>")).status, 400)


class ExpiryTests(RefusalTestCase):
    """How long a binding lasts."""

    def test_row_39_parameter_then_header_then_default(self) -> None:
        """The Contact's own interval comes first, then that of Expires, then the configured one."""
        both = after(register_request("Contact: <sip:a@h>;expires=100, <sip:b@h>", "Expires: 200"))
        self.assertEqual(intervals(both), [100, 200])
        self.assertEqual(intervals(after(register_request("Contact: <sip:a@h>"))), [3600])

    def test_row_39_malformed_is_an_hour(self) -> None:
        """A malformed interval counts as 3600 (RFC 3261 10.2), also a date of RFC 2543."""
        for wrong in (';expires="Thu, 01 Dec 1994 16:00:00 GMT"', ";expires", ";expires=-1", ";expires=1h"):
            self.assertEqual(intervals(after(register_request("Contact: <sip:a@h>" + wrong))), [3600], wrong)
        self.assertEqual(intervals(after(register_request("Contact: <sip:a@h>", "Expires: soon"))), [3600])

    def test_row_39_too_long_is_shortened(self) -> None:
        """An interval above the maximum, or above what 32 bits hold, becomes the maximum."""
        for long in ("7201", "4294967295", "280297596632815", "1" + "0" * 100):
            self.assertEqual(intervals(after(register_request("Contact: <sip:a@h>", f"Expires: {long}"))), [7200])

    def test_row_39_too_brief(self) -> None:
        """Below the minimum is 423 with Min-Expires, for any one of several contacts."""
        error = self.refusal(register_request("Contact: <sip:a@h>, <sip:b@h>;expires=59"))
        self.assertEqual((error.status, error.headers), (423, (b"Min-Expires: 60",)))
        self.assertEqual(intervals(after(register_request("Contact: <sip:a@h>;expires=60"))), [60])

    def test_row_39_an_hour_is_never_too_brief(self) -> None:
        """An hour is accepted whatever the minimum."""
        policy = Policy(minimum=5000)
        found = register(register_request("Contact: <sip:a@h>;expires=3600"), (), policy, NOW)
        self.assertEqual(intervals(found), [3600])

    def test_zero_removes(self) -> None:
        """Zero removes that contact and no other; one that is not there is no error."""
        current = after(register_request("Contact: <sip:a@h>, <sip:b@h>"))
        request = register_request("Contact: <sip:a@h>;expires=0, <sip:z@h>;expires=0", cseq=2)
        self.assertEqual(contacts(after(request, current)), [b"sip:b@h"])


class ReplacementTests(RefusalTestCase):
    """Which binding a contact replaces."""

    def test_equal_uris(self) -> None:
        """Contacts are compared as RFC 3261 19.1.4 says, and the new octets are kept."""
        current = after(register_request("Contact: <sip:%61lice@Example.com;transport=udp>"))
        request = register_request("Contact: <sip:alice@example.COM;Transport=UDP;x=1>", cseq=2)
        self.assertEqual(contacts(after(request, current)), [b"sip:alice@example.COM;Transport=UDP;x=1"])

    def test_different_uris(self) -> None:
        """A port or a user in another case makes another contact."""
        current = after(register_request("Contact: <sip:a@h>"))
        for cseq, other in enumerate(("sip:a@h:5060", "sip:A@h"), 2):
            self.assertEqual(len(after(register_request(f"Contact: <{other}>", cseq=cseq), current)), 2, other)

    def test_own_contacts_come_first(self) -> None:
        """What the request registers stands before what was there."""
        current = after(register_request("Contact: <sip:a@h>"))
        self.assertEqual(
            contacts(after(register_request("Contact: <sip:b@h>", call_id="c2"), current)), [b"sip:b@h", b"sip:a@h"]
        )

    def test_twice_in_a_request(self) -> None:
        """Of a contact that stands twice the last one counts."""
        found = after(register_request("Contact: <sip:a@h>;expires=0, <sip:a@H>;q=0.1, <sip:a@h>;q=0.2"))
        self.assertEqual([binding.q for binding in found], [0.2])

    def test_row_40_instance_and_reg_id(self) -> None:
        """The same instance and reg-id replace a binding whose contact is another (RFC 5626 6)."""
        current = after(register_request(f"Contact: <sip:a@h1>;{INSTANCE};reg-id=1"))
        same = after(register_request(f"Contact: <sip:a@h2>;{INSTANCE};reg-id=1", call_id="c2"), current)
        other = after(register_request(f"Contact: <sip:a@h1>;{INSTANCE};reg-id=2", call_id="c3"), same)
        self.assertEqual(contacts(other), [b"sip:a@h1", b"sip:a@h2"])
        self.assertEqual([(b.instance, b.reg_id) for b in other], [(b"<urn:uuid:0;>,expires=9>", n) for n in (2, 1)])

    def test_row_40_instance_alone(self) -> None:
        """Without reg-id, and reg-id without instance, the contact decides."""
        for params in (INSTANCE, "reg-id=1"):
            current = after(register_request(f"Contact: <sip:a@h1>;{params}"))
            found = after(register_request(f"Contact: <sip:a@h2>;{params}", cseq=2), current)
            self.assertEqual((len(found), found[0].reg_id), (2, 0), params)

    def test_row_40_one_flow_at_a_time(self) -> None:
        """Several contacts of which one has a reg-id are refused, unless the others are removed (RFC 5626 6)."""
        flow = f"<sip:a@h>;{INSTANCE};reg-id=1"
        self.assertEqual(self.refusal(register_request(f"Contact: {flow}, <sip:b@h>")).status, 400)
        found = after(register_request(f"Contact: {flow}, <sip:b@h>;expires=0"))
        self.assertEqual(contacts(found), [b"sip:a@h"])

    def test_too_many(self) -> None:
        """One contact more than allowed is 403, and none of the request's is kept."""
        current = after(register_request("Contact: <sip:a@h>, <sip:b@h>"))
        error = self.refusal(register_request("Contact: <sip:c@h>, <sip:d@h>", cseq=2), current)
        self.assertEqual(error.status, 403)
        self.assertEqual(len(after(register_request("Contact: <sip:c@h>, <sip:b@h>", cseq=2), current)), 3)

    def test_lowered_limit(self) -> None:
        """Who has more contacts than a lowered limit can refresh and remove them."""
        current = after(register_request("Contact: <sip:a@h>, <sip:b@h>"))
        found = register(register_request("Contact: <sip:a@h>", cseq=2), current, Policy(max_contacts=1), NOW)
        self.assertEqual(len(found), 2)


REFRESHED = st.sampled_from(["<sip:a@h>", "<sip:a@h;expires=7>", "<sip:a,b@h>", "<tel:+1>", "sip:a@h", '"A" <sip:a@h>'])
PARAMS = st.lists(
    st.sampled_from([";q=0.5", " ; q=0.7", ";action=redirect", f";{INSTANCE}", ";reg-id=1", ";x", ';y="a,b"']),
    max_size=3,
).map("".join)
EXPIRES = st.sampled_from(["", ";expires=0", ";expires=1", ";expires=90", ";expires=x", ";Expires=90", ";expires"])


class RefreshTests(SynchronousTestCase):
    """A Contact that says what the binding says."""

    def outcome(self, request: Request, current: Bindings = ()) -> Bindings | int:
        """Give the bindings after a request, or the status of its refusal."""
        try:
            return after(request, current)
        except RequestError as error:
            return error.status

    @given(REFRESHED, PARAMS, EXPIRES, EXPIRES, st.sampled_from(["", "0", "120", "soon"]), st.booleans())
    def test_same_as_anew(
        self, contact: str, params: str, first: str, second: str, expires: str, is_before: bool
    ) -> None:
        """A refresh leaves the binding that the same request leaves where there is none."""
        current = self.outcome(register_request(f"Contact: {contact}{first}{params}"))
        if not isinstance(current, tuple):
            return
        both = (second + params) if is_before else (params + second)
        lines = [f"Contact: {contact}{both}", "Path: <sip:p@h;lr>"]
        request = register_request(*lines, *([f"Expires: {expires}"] if expires else []), cseq=2)
        self.assertEqual(self.outcome(request, current), self.outcome(request))

    def test_order(self) -> None:
        """It is refused where it is not newer."""
        current = after(register_request("Contact: <sip:a@h>", cseq=5))
        self.assertEqual(self.outcome(register_request("Contact: <sip:a@h>", cseq=5), current), 400)
        self.assertEqual(self.outcome(register_request("Contact: <sip:a@h>;expires=0", cseq=4), current), 400)
        self.assertEqual(self.outcome(register_request("Contact: <sip:a@h>;expires=0", cseq=6), current), ())

    def test_no_address(self) -> None:
        """What is no address at all is none beside a binding either."""
        current = after(register_request("Contact: <sip:a@h>"))
        for value in ("123", ";expires=60", "<sip:a@h", "<sip:a@h>;expires=60;q=9"):
            self.assertEqual(self.outcome(register_request(f"Contact: {value}", cseq=2), current), 400, value)


class OrderTests(RefusalTestCase):
    """Requests that are older than what they would change."""

    def setUp(self) -> None:
        self.current = after(register_request("Contact: <sip:a@h>, <sip:b@h>", cseq=5))

    def test_row_38_not_higher(self) -> None:
        """The same Call-ID needs a higher CSeq for each binding it touches, or nothing is changed."""
        for cseq in (5, 4):
            for contact in ("<sip:new@h>, <sip:b@h>", "<sip:a@h>;expires=0"):
                request = register_request(f"Contact: {contact}", cseq=cseq)
                self.assertEqual(self.refusal(request, self.current).status, 400, contact)

    def test_row_38_higher_or_another_call(self) -> None:
        """A higher CSeq, or another Call-ID with any, updates."""
        for call_id, cseq in (("c1@phone", 6), ("other", 1)):
            request = register_request("Contact: <sip:b@h>;q=0.1", call_id=call_id, cseq=cseq)
            self.assertEqual([binding.q for binding in after(request, self.current)], [0.1, 1.0])

    def test_row_38_untouched_bindings(self) -> None:
        """A binding that the request does not touch has no say."""
        self.assertEqual(len(after(register_request("Contact: <sip:c@h>", cseq=1), self.current)), 3)

    def test_row_38_all(self) -> None:
        """Contact * removes all, if it is newer than each of them."""
        star = ("Contact: *", "Expires: 0")
        self.assertEqual(after(register_request(*star, cseq=6), self.current), ())
        self.assertEqual(after(register_request(*star, call_id="c9"), self.current), ())
        self.assertEqual(self.refusal(register_request(*star, cseq=5), self.current).status, 400)

    def test_row_38_all_needs_zero_and_nothing_else(self) -> None:
        """Contact * with another contact, or another interval, or none, is refused."""
        for lines in (
            ("Contact: *",),
            ("Contact: *", "Expires: 60"),
            ("Contact: *", "Expires: none"),
            ("Contact: *, <sip:a@h>", "Expires: 0"),
            ("Contact: *", "Contact: *", "Expires: 0"),
            ("Contact: *;expires=0",),
        ):
            self.assertEqual(self.refusal(register_request(*lines, cseq=9), self.current).status, 400, str(lines))

    def test_static_survive(self) -> None:
        """Static bindings are neither removed nor replaced, nor do they count."""
        static = (Binding(b"sip:gw@h"), Binding(b"sip:gw2@h"))
        current = self.current + static
        self.assertEqual(after(register_request("Contact: *", "Expires: 0", cseq=6), current), static)
        found = after(register_request("Contact: <sip:gw@h>", cseq=6), current)
        self.assertEqual(contacts(found), [b"sip:gw@h", b"sip:a@h", b"sip:b@h", b"sip:gw@h", b"sip:gw2@h"])


class LinesTests(SynchronousTestCase):
    """The Contact lines of a 200."""

    def test_row_39_all_with_what_remains(self) -> None:
        """Each binding has a line with its URI and parameters as registered and the seconds that remain."""
        found = after(register_request("Contact: <sip:a@h;x=Y>;q=0.5;expires=100;Z=1", "Contact: <sip:b@h>;expires=61"))
        self.assertEqual(
            contact_lines(found, b"c1@phone", 1, NOW + 60.7),
            [b"Contact: <sip:a@h;x=Y>;expires=39;q=0.5;Z=1", b"Contact: <sip:b@h>;expires=1"],
        )

    def test_row_39_own_first(self) -> None:
        """First the contacts of this request, then those of the same client, then the others; no static ones."""
        bindings = (
            Binding(b"sip:static@h"),
            Binding(b"sip:other@h", expires=NOW + 9, call_id=b"c2", cseq=9),
            Binding(b"sip:earlier@h", expires=NOW + 9, call_id=b"c1", cseq=8),
            Binding(b"sip:own@h", expires=NOW + 9, call_id=b"c1", cseq=9),
        )
        lines = contact_lines(bindings, b"c1", 9, NOW)
        self.assertEqual([line.split(b">")[0][14:] for line in lines], [b"own@h", b"earlier@h", b"other@h"])

    def test_doubles(self) -> None:
        """A static contact that is registered too is given once, as registered."""
        registered = Binding(b"sip:a@h", expires=NOW)
        static = Binding(b"sip:a@H")
        self.assertEqual(without_doubles((static, registered, Binding(b"sip:b@h"))), (registered, Binding(b"sip:b@h")))
        self.assertEqual(without_doubles((static, static)), (static,))


PIECES = st.lists(
    st.sampled_from(["<sip:a@h>", "<sip:A@h>", "sip:b@h", "<sip:a@h;x=1>", "*", "", "<sip:a@h"]).flatmap(
        lambda uri: st.sampled_from(["", ";expires=0", ";expires=60", ";expires=1", ";q=0.5", ";q=9"]).map(uri.__add__)
    ),
    max_size=4,
)


class AnyRequestTests(SynchronousTestCase):
    """Whatever is registered in whatever order."""

    @given(st.lists(st.tuples(PIECES, st.sampled_from(["c1", "c2"]), st.integers(1, 4)), max_size=5))
    def test_invariants(self, steps: list[tuple[list[str], str, int]]) -> None:
        """A request changes all or is refused with 400, 403 or 423; no contact is there twice, none has run out."""
        current: Bindings = ()
        for pieces, call_id, cseq in steps:
            request = register_request(*(f"Contact: {piece}" for piece in pieces), call_id=call_id, cseq=cseq)
            try:
                current = after(request, current)
            except RequestError as error:
                self.assertIn(error.status, (400, 403, 423))
            self.assertEqual(len({binding.contact for binding in current}), len(current))
            self.assertTrue(all(60 <= binding.expires - NOW <= 7200 for binding in current))
            self.assertLessEqual(len(current), 3)
