"""Which records there are of a call, and when."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.accounting.calls import SESSION_GRACE, Rules
from sipproxy.accounting.deadlines import SLOT
from test.accounting.fixtures import Accounts, Hop, Outcome, Packet, request

START, INTERIM, STOP = "Start", "Interim-Update", "Stop"
PATHED = ("Record-Route: <sip:192.0.2.1;lr>",)


class CallsTestCase(SynchronousTestCase):
    """Accounting, and what its RADIUS server gets.

    @ivar accounts: accounting
    """

    rules = Rules(max_age=3600.0, most=100)

    def setUp(self) -> None:
        """Begin."""
        self.accounts = Accounts(Path(self.mktemp()), rules=self.rules)
        self.addCleanup(lambda: self.accounts.service.stopService())

    def packets(self) -> list[Packet]:
        """Give what was sent."""
        for _ in range(4):
            self.accounts.commit()
        return self.accounts.radius.packets

    def kinds(self) -> list[str]:
        """Give the kinds of what was sent."""
        return [packet.kind for packet in self.packets()]

    def stop_of_call(self) -> Packet:
        """Give the Stop of the only call there was."""
        (stop,) = [packet for packet in self.packets() if packet.kind == STOP]
        return stop


class BeginningTests(CallsTestCase):
    """What counts as a call."""

    def test_new_attempt(self) -> None:
        """The same INVITE with credentials is an attempt of its own."""
        first = self.accounts.invite(cseq=1)
        self.accounts.finish(first, 407)
        self.accounts.answer(self.accounts.invite(cseq=2))
        self.accounts.bye()
        self.assertEqual(self.kinds(), [START, STOP, START, INTERIM, STOP])
        attempts = [packet.text("Cisco-AVPair") for packet in self.packets()]
        self.assertEqual(len(set(attempts[:2])), 1)
        self.assertEqual(len(set(attempts[2:])), 1)
        self.assertNotEqual(attempts[0], attempts[2])

    def test_spiral(self) -> None:
        """A request that comes back makes no record, whatever becomes of it."""
        call = self.accounts.invite()
        spiral = self.accounts.invite()
        self.accounts.finish(spiral, 486)
        self.assertEqual(self.kinds(), [START])
        self.accounts.answer(call)
        self.assertEqual(self.kinds(), [START, INTERIM])

    def test_too_many(self) -> None:
        """A call beyond the number that may be open is told to the error log, and not followed."""
        for number in range(101):
            self.accounts.invite(f"c{number}")
        self.assertEqual(self.accounts.service.open_calls, 100)
        self.assertEqual(len(self.kinds()), 100)

    def test_user(self) -> None:
        """User-Name is who authenticated."""
        outcome = Outcome(request(), notes={"user": "+1 555"})
        self.accounts.service.calls.forwarded(outcome, Hop(), b"sip:bob@10.0.0.2")
        self.assertEqual(self.packets()[0].text("User-Name"), "+1 555")

    def test_conference(self) -> None:
        """A Cisco-Guid is the conference."""
        self.accounts.invite(further=("Cisco-Guid: 1-2-3-4294967295",))
        expected = "h323-conf-id=00000001 00000002 00000003 FFFFFFFF"
        self.assertEqual(self.packets()[0].text("h323-conf-id"), expected)

    def test_long_call_id(self) -> None:
        """A Call-ID that no attribute holds is told by its SHA-256, in all records."""
        call_id = "x" * 300
        self.accounts.answer(outcome := self.accounts.invite(call_id))
        self.accounts.finish(outcome, 200)
        self.accounts.bye(call_id)
        packets = self.packets()
        self.assertEqual([packet.kind for packet in packets], [START, INTERIM, STOP])
        (session,) = {packet.text("Acct-Session-Id") for packet in packets}
        self.assertEqual(len(session), 64)


class FromTests(CallsTestCase):
    """OrigUserNameSource From, RadiusUserNameAttrAddDomain On."""

    rules = Rules(3600.0, 100, "From", add_domain=True)

    def test_user(self) -> None:
        """User-Name is the user of From at its domain, whoever authenticated."""
        outcome = Outcome(request(), notes={"user": "1"})
        self.accounts.service.calls.forwarded(outcome, Hop(), b"sip:bob@10.0.0.2")
        self.assertEqual(self.packets()[0].text("User-Name"), "alice@example.com")


class EndingTests(CallsTestCase):
    """What ends a call."""

    def setUp(self) -> None:
        """Begin with a call."""
        super().setUp()
        self.invite = self.accounts.invite()

    def test_bye_of_callee(self) -> None:
        """The tags of a BYE may stand the other way round."""
        self.accounts.answer(self.invite)
        self.accounts.bye(tags=("bob", "alice"))
        self.assertEqual(self.stop_of_call().text("Calling-Station-Id"), "sip:alice@example.com")

    def test_bye_challenged(self) -> None:
        """A BYE that is challenged comes again."""
        self.accounts.answer(self.invite)
        self.accounts.bye(status=407)
        self.assertEqual(self.kinds(), [START, INTERIM])
        self.accounts.bye()
        self.assertEqual(self.kinds(), [START, INTERIM, STOP])

    def test_bye_refused_downstream(self) -> None:
        """A BYE that the other side does not know, or does not answer, ends the call (RFC 3261 15.1.1)."""
        for status in (481, 408):
            with self.subTest(status):
                self.accounts.answer(outcome := self.accounts.invite(str(status)))
                self.accounts.finish(outcome, 200)
                self.accounts.bye(str(status), status)
                self.assertEqual(self.accounts.service.open_calls, 1)

    def test_bye_of_strangers(self) -> None:
        """A BYE that was not forwarded, or is of no dialog, ends nothing."""
        self.accounts.answer(self.invite)
        outcome = Outcome(request("BYE", cseq=2, tags=("alice", "bob")), status=403)
        self.accounts.service.calls.finished(outcome)
        self.accounts.bye(tags=("alice", "mallory"))
        self.assertEqual(self.kinds(), [START, INTERIM])

    def test_several_answers(self) -> None:
        """The last BYE counts; a 2xx that is repeated does not."""
        clock = self.accounts.clock
        connected = clock.seconds()
        self.accounts.answer(self.invite)
        for tag in ("bob", "carol", "carol"):
            self.accounts.answer(self.invite, tag=tag)
        self.accounts.bye()
        self.assertEqual(self.kinds(), [START, INTERIM])
        clock.advance(connected + 7.0 - clock.seconds())
        self.accounts.bye(tags=("carol", "alice"))
        self.assertEqual(self.stop_of_call().text("Acct-Session-Time"), 7)

    def test_many_answers(self) -> None:
        """What is remembered of a callee that answers again and again is bounded."""
        for number in range(100):
            self.accounts.answer(self.invite, tag=str(number))
        for number in range(100):
            self.accounts.bye(tags=("alice", str(number)))
        self.assertEqual(self.kinds(), [START, INTERIM, STOP])

    def test_statuses(self) -> None:
        """The final response decides the cause, in hexadecimal, and the Acct-Terminate-Cause."""
        self.accounts.finish(self.invite, 486)
        for status, cause, terminate in (
            (302, "1F", "User-Error"),
            (404, "1", "User-Error"),
            (408, "66", "NAS-Request"),
            (500, "29", "User-Error"),
            (603, "15", "User-Error"),
        ):
            with self.subTest(status):
                self.accounts.finish(self.accounts.invite(str(status)), status)
                stop = self.packets()[-1]
                self.assertEqual(stop.text("h323-disconnect-cause"), f"h323-disconnect-cause={cause}")
                self.assertEqual(stop.text("Acct-Terminate-Cause"), terminate)

    def test_branch_of_failure(self) -> None:
        """The Stop of a fork names the branch whose response was passed on."""
        self.accounts.service.calls.forwarded(self.invite, Hop("10.0.0.3"), b"sip:bob@10.0.0.3")
        self.accounts.service.calls.forwarded(self.invite, Hop("10.0.0.4"), b"sip:bob@10.0.0.4")
        self.accounts.finish(self.invite, 486, "10.0.0.3:5060")
        self.assertEqual(self.stop_of_call().text("outgoing-req-uri"), "outgoing-req-uri=sip:bob@10.0.0.3")

    def test_cancelled(self) -> None:
        """A CANCEL explains the end, whatever its status is."""
        self.accounts.service.calls.finished(Outcome(request("CANCEL"), status=200))
        self.accounts.finish(self.invite, 487)
        self.assertEqual(self.stop_of_call().text("Acct-Terminate-Cause"), "User-Request")

    def test_unreadable_answer(self) -> None:
        """A 2xx whose To cannot be read opens a dialog all the same."""
        self.accounts.answer(self.invite, tag="<")
        self.assertEqual(self.kinds(), [START, INTERIM])


class AgeTests(CallsTestCase):
    """Calls whose BYE never comes."""

    def test_age(self) -> None:
        """A call is given up when it is as old as is allowed, with the time that it could last."""
        self.accounts.clock.advance(100.0)
        self.accounts.answer(self.accounts.invite())
        self.accounts.clock.advance(3600.0 - SLOT)
        self.assertEqual(self.kinds(), [START, INTERIM])
        self.accounts.clock.pump([SLOT, SLOT, SLOT])
        stop = self.stop_of_call()
        self.assertEqual(stop.text("Acct-Terminate-Cause"), "Lost-Carrier")
        self.assertEqual(stop.text("Acct-Session-Time"), 3600)

    def test_session(self) -> None:
        """A session that is not refreshed ends the call; each refresh begins it anew."""
        self.accounts.answer(self.accounts.invite(), "Session-Expires: 300;refresher=uas", *PATHED)
        self.accounts.clock.pump([SLOT] * 29)
        self.accounts.within("UPDATE", further=("Session-Expires: 200",))
        self.accounts.clock.pump([SLOT] * 22)
        self.assertEqual(self.kinds(), [START, INTERIM])
        self.accounts.clock.pump([SLOT] * 4)
        stop = self.stop_of_call()
        self.assertEqual(stop.text("Acct-Session-Time"), 290 + 200)
        self.assertEqual(stop.text("Acct-Terminate-Cause"), "Lost-Carrier")
        self.assertLess(SESSION_GRACE, 4 * SLOT)

    def test_refused_refresh(self) -> None:
        """A refresh that is refused is none."""
        self.accounts.answer(self.accounts.invite(), "Session-Expires: 300", *PATHED)
        self.accounts.clock.pump([SLOT] * 29)
        self.accounts.within("INVITE", status=422, further=("Session-Expires: 200",))
        self.accounts.clock.pump([SLOT] * 6)
        self.assertEqual(self.stop_of_call().text("Acct-Session-Time"), 300)

    def test_end_of_refreshes(self) -> None:
        """A session whose timer is taken away has its age only."""
        self.accounts.answer(self.accounts.invite(), "Session-Expires: 300", *PATHED)
        self.accounts.within("INVITE")
        self.accounts.clock.pump([SLOT] * 60)
        self.assertEqual(self.kinds(), [START, INTERIM])

    def test_no_path(self) -> None:
        """Where no proxy stays in the path nobody sees refreshes, so an interval means nothing."""
        self.accounts.answer(self.accounts.invite(), "Session-Expires: 300")
        self.accounts.clock.pump([SLOT] * 60)
        self.assertEqual(self.kinds(), [START, INTERIM])

    def test_shortest_session(self) -> None:
        """An interval below RFC 4028's least is taken for that, one that is no number for none."""
        self.accounts.answer(self.accounts.invite("c1"), "Session-Expires: 1", *PATHED)
        self.accounts.answer(self.accounts.invite("c2"), "Session-Expires: soon", *PATHED)
        self.accounts.clock.pump([SLOT] * 15)
        self.assertEqual(self.stop_of_call().text("Acct-Session-Time"), 90)
        self.assertEqual(self.accounts.service.open_calls, 1)

    def test_no_timer(self) -> None:
        """When all calls have ended there is no timer left."""
        self.accounts.answer(self.accounts.invite())
        self.accounts.bye()
        self.packets()
        self.accounts.clock.pump([SLOT] * 2)
        self.assertEqual(self.accounts.clock.getDelayedCalls(), [])
