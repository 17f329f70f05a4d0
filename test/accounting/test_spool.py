"""The spool and what becomes of it: ends of all kinds, full disks, damage, and servers that are away."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipproxy.accounting.calls import Rules
from sipproxy.accounting.deadlines import SLOT
from sipproxy.accounting.journal import Change, Journal, read_changes
from sipproxy.accounting.rows import InlineFile, SpoolFile
from sipproxy.accounting.spool import LINGER, RETRY, SETTLE
from sipproxy.errors import StoreError
from test.accounting.fixtures import NOW, RULES, Accounts

START, INTERIM, STOP = "Start", "Interim-Update", "Stop"


class FullFile(InlineFile):
    """A file whose disk may be full.

    @ivar is_full: whether it is
    """

    is_full = False

    def commit(self, changes: Sequence[Change], gone: Sequence[int], done: int) -> "Deferred[None]":
        """Write, if there is room."""
        if self.is_full:
            return fail(StoreError("database or disk is full"))
        return super().commit(changes, gone, done)


class SpoolTestCase(SynchronousTestCase):
    """Accounting over files of its own."""

    def begin(self, **parts: object) -> Accounts:
        """Begin."""
        accounts = Accounts(Path(self.mktemp()), **parts)  # type: ignore[arg-type]
        self.addCleanup(lambda: accounts.service.stopService())
        return accounts

    def rows(self, accounts: Accounts) -> int:
        """Tell how many rows the file has."""
        with closing(sqlite3.connect(accounts.path)) as connection:
            count: int = connection.execute("SELECT count(*) FROM calls").fetchone()[0]
        return count

    def call(self, accounts: Accounts, call_id: str = "c1") -> None:
        """Let a call of a second happen."""
        accounts.answer(accounts.invite(call_id))
        accounts.clock.advance(1.0)
        accounts.bye(call_id)

    def settle(self, accounts: Accounts) -> None:
        """Let what can be written and sent be so."""
        for _ in range(8):
            accounts.commit()
        accounts.clock.advance(SETTLE)
        accounts.commit()


class OrderTests(SpoolTestCase):
    """What is written and sent, and in which order."""

    def test_written_first(self) -> None:
        """Nothing is sent before it is in the file."""
        accounts = self.begin()
        accounts.invite()
        accounts.clock.advance(LINGER * 0.9)
        self.assertEqual(accounts.radius.kinds, [])
        accounts.commit()
        self.assertEqual(accounts.radius.kinds, [("c1", START)])

    def test_removed(self) -> None:
        """What is acknowledged leaves the file; open calls stay."""
        accounts = self.begin()
        self.call(accounts)
        accounts.invite("c2")
        self.settle(accounts)
        self.assertEqual((self.rows(accounts), accounts.service.waiting, accounts.service.open_calls), (1, 0, 1))

    def test_order_in_a_call(self) -> None:
        """A record is sent when the one before it is acknowledged; other calls do not wait for that."""
        accounts = self.begin()
        accounts.radius.mode = "silent"
        self.call(accounts, "c1")
        self.call(accounts, "c2")
        self.settle(accounts)
        self.assertEqual(accounts.radius.kinds, [("c1", START), ("c2", START)])
        accounts.radius.packets[1].answer.callback(None)
        self.assertEqual(accounts.radius.kinds[2:], [("c2", INTERIM)])
        accounts.radius.packets[2].answer.callback(None)
        self.assertEqual(accounts.radius.kinds[3:], [("c2", STOP)])

    def test_short_call(self) -> None:
        """A call that is over before anything is written has all its records."""
        accounts = self.begin()
        accounts.answer(accounts.invite())
        accounts.bye()
        self.settle(accounts)
        self.assertEqual([kind for _, kind in accounts.radius.kinds], [START, INTERIM, STOP])
        self.assertEqual(self.rows(accounts), 0)

    def test_journal_does_not_grow(self) -> None:
        """What is committed leaves the journal."""
        accounts = self.begin()
        for number in range(50):
            self.call(accounts, str(number))
        self.settle(accounts)
        files = [path for path in accounts.path.parent.iterdir() if "-changes." in path.name]
        self.assertLessEqual(len(files), 2)
        self.assertEqual(sum(path.stat().st_size for path in files), 0)


class RestartTests(SpoolTestCase):
    """Ends of the process, at any moment."""

    def test_kill_before_commit(self) -> None:
        """What was not committed is in the journal: no record is lost, none doubled."""
        accounts = self.begin()
        accounts.answer(accounts.invite())
        accounts.kill()
        self.assertEqual(accounts.service.open_calls, 1)
        accounts.clock.advance(30.0)
        accounts.bye()
        accounts.kill()
        self.settle(accounts)
        self.assertEqual([kind for _, kind in accounts.radius.kinds], [START, INTERIM, STOP])
        self.assertEqual(accounts.radius.packets[-1].text("Acct-Session-Time"), 30)

    def test_kill_at_every_moment(self) -> None:
        """Whenever the end comes, each record is told, in order, and what is told twice has the same key."""
        moments = 9
        for moment in range(moments):
            with self.subTest(moment):
                accounts = self.begin()

                def end(at: int, moment: int = moment, accounts: Accounts = accounts) -> None:
                    if at == moment:
                        accounts.kill()

                outcome = accounts.invite()
                end(0)
                accounts.commit()
                end(1)
                self.settle(accounts)
                end(2)
                if not accounts.service.calls._attempts[("c1", "alice", 1)].outcome:
                    outcome = accounts.invite()  # the caller repeats it
                accounts.answer(outcome)
                end(3)
                accounts.commit()
                end(4)
                accounts.clock.advance(10.0)
                end(5)
                accounts.bye()
                end(6)
                accounts.commit()
                end(7)
                self.settle(accounts)
                end(8)
                self.settle(accounts)
                kinds = [kind for _, kind in accounts.radius.kinds]
                self.assertEqual(list(dict.fromkeys(kinds)), [START, INTERIM, STOP])
                self.assertLessEqual(len(kinds), 4)
                self.assertEqual(len({packet.text("Cisco-AVPair") for packet in accounts.radius.packets}), 1)
                self.assertEqual(accounts.radius.packets[-1].text("Acct-Session-Time"), 10)
                self.assertEqual(accounts.service.open_calls, 0)

    def test_acknowledged_once(self) -> None:
        """What was acknowledged before the last commit is not sent again."""
        accounts = self.begin()
        accounts.answer(accounts.invite())
        self.settle(accounts)
        accounts.kill()
        self.settle(accounts)
        self.assertEqual([kind for _, kind in accounts.radius.kinds], [START, INTERIM])

    def test_acknowledged_a_moment_ago(self) -> None:
        """What was acknowledged is written with the next change of its call; what was after that is sent again."""
        accounts = self.begin()
        outcome = accounts.invite()
        accounts.commit()
        accounts.answer(outcome)
        accounts.commit()
        accounts.kill()
        self.settle(accounts)
        self.assertEqual([kind for _, kind in accounts.radius.kinds], [START, INTERIM, INTERIM])

    def test_stop_writes_all(self) -> None:
        """With an orderly end nothing that was acknowledged a moment ago is sent again."""
        accounts = self.begin()
        self.call(accounts)
        accounts.commit()
        self.assertEqual(self.rows(accounts), 1)
        self.successResultOf(accounts.service.stopService())
        self.assertEqual(self.rows(accounts), 0)

    def test_delay(self) -> None:
        """Acct-Delay-Time counts from the event, over a restart and at every sending."""
        accounts = self.begin()
        accounts.radius.mode = "away"
        accounts.invite()
        accounts.commit()
        accounts.kill()
        accounts.radius.mode = "silent"
        accounts.clock.advance(100.0)
        packet = accounts.radius.packets[-1]
        self.assertEqual(packet.text("Acct-Delay-Time"), 100)
        accounts.clock.advance(7.0)
        self.assertEqual(packet.text("Acct-Delay-Time"), 107)

    def test_age_over_a_restart(self) -> None:
        """A call that grew too old while the server was down is given up, but no sooner than a BYE had time to come."""
        accounts = self.begin(rules=Rules(100.0, 10))
        accounts.answer(accounts.invite())
        self.settle(accounts)
        accounts.kill(down=1000.0)
        accounts.clock.pump([SLOT] * 2)
        self.assertEqual(accounts.service.open_calls, 1)
        accounts.clock.pump([SLOT] * 3)
        self.settle(accounts)
        stop = accounts.radius.packets[-1]
        self.assertEqual((stop.kind, stop.text("Acct-Terminate-Cause")), (STOP, "Lost-Carrier"))
        self.assertEqual(stop.text("Acct-Session-Time"), 100)

    def test_cancel_after_a_restart(self) -> None:
        """The CANCEL of an INVITE that was pending when the server ended ends the call."""
        accounts = self.begin()
        accounts.invite()
        accounts.kill()
        accounts.within("CANCEL", tags=("alice", ""))
        self.assertEqual(accounts.service.open_calls, 1)
        outcome = accounts.invite(cseq=2)
        self.assertEqual(accounts.service.open_calls, 2)
        accounts.finish(outcome, 487)
        self.assertEqual(accounts.service.open_calls, 1)

    def test_torn_line(self) -> None:
        """A line of the journal that was not finished is left out, the others count."""
        path = Path(self.mktemp())
        path.mkdir()
        journal = Journal(path / "db")
        journal.start()
        journal.write(Change(1, 1, 0, True, "[1]", "[2]"))
        with open(f"{path / 'db'}-changes.1", "ab") as opened:
            opened.write(b"2\t1\t0\t1\t[2]\t[1,")
        self.assertEqual([change.number for change in read_changes(path / "db", 0, 9)], [1])

    def test_foreign_file(self) -> None:
        """A file that is no spool is left alone, and calls go on."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "accounting.db").write_text("something else, which is no database at all" * 100)
        accounts = Accounts(folder)
        self.addCleanup(lambda: accounts.service.stopService())
        self.assertIsInstance(self.successResultOf(accounts.service.loaded), StoreError)
        self.call(accounts)
        accounts.clock.advance(RETRY)
        self.assertEqual([kind for _, kind in accounts.radius.kinds], [START, INTERIM, STOP])


class FullDiskTests(SpoolTestCase):
    """A spool that cannot be written."""

    def test_full(self) -> None:
        """Calls go on, records are delivered from memory, the state tells; with room all is as before."""
        path = Path(self.mktemp())
        path.mkdir()
        file = FullFile(path / "full.db")
        accounts = self.begin(spool_file=file)
        accounts.invite("before")
        self.settle(accounts)
        file.is_full = True
        self.call(accounts, "during")
        accounts.clock.pump([LINGER] + [RETRY] * 4)
        self.assertEqual(len(accounts.radius.kinds), 4)
        state = accounts.service.states[0]
        self.assertEqual((state.name, state.reason), ("accounting spool", "database or disk is full"))
        self.assertTrue(state.since is not None and state.since > NOW)
        file.is_full = False
        accounts.clock.advance(RETRY)
        self.settle(accounts)
        self.assertIsNone(accounts.service.states[0].since)
        self.assertEqual(accounts.service.open_calls, 1)
        self.assertEqual(accounts.service.waiting, 0)

    def test_full_and_killed(self) -> None:
        """What a full disk did not take is in the journal, if that has room."""
        path = Path(self.mktemp())
        path.mkdir()
        file = FullFile(path / "accounting.db")
        accounts = Accounts(path, spool_file=file)
        self.addCleanup(lambda: accounts.service.stopService())
        file.is_full = True
        accounts.radius.mode = "away"
        self.call(accounts)
        accounts.clock.pump([LINGER] + [RETRY] * 4)
        accounts.radius.packets.clear()
        accounts.radius.mode = "answers"
        accounts.kill()
        self.settle(accounts)
        self.assertEqual([kind for _, kind in accounts.radius.kinds], [START, INTERIM, STOP])

    def test_no_journal(self) -> None:
        """A folder in which nothing can be made stops nothing."""
        accounts = self.begin(spool_file=InlineFile(Path("/nonexistent/folder/accounting.db")))
        self.call(accounts)
        self.settle(accounts)
        accounts.clock.pump([RETRY] * 2)
        self.assertEqual([kind for _, kind in accounts.radius.kinds], [START, INTERIM, STOP])
        self.assertEqual(accounts.service.waiting, 0)


class AwayTests(SpoolTestCase):
    """RADIUS servers that do not answer."""

    def test_back_off(self) -> None:
        """Pauses grow; one record is tried at a time; when it is taken, the others follow."""
        accounts = self.begin()
        accounts.radius.mode = "away"
        for number in range(5):
            accounts.invite(str(number))
        accounts.commit()
        tries = []
        for _ in range(130):
            before = len(accounts.radius.packets)
            accounts.clock.advance(1.0)
            tries.append(len(accounts.radius.packets) - before)
        self.assertEqual([at for at, count in enumerate(tries, 1) if count], [1, 3, 7, 15, 31, 63, 123])
        self.assertEqual(set(tries), {0, 1})
        state = accounts.service.states[1]
        self.assertEqual((state.since, state.reason), (NOW + LINGER, "No RADIUS server answers"))
        self.assertEqual(accounts.service.waiting, 5)
        accounts.radius.mode = "answers"
        accounts.service.retry()
        self.settle(accounts)
        self.assertEqual((accounts.service.waiting, accounts.service.states[1].since), (0, None))

    def test_first_comes_first(self) -> None:
        """The record that was not taken is the first again."""
        accounts = self.begin()
        accounts.radius.mode = "away"
        for number in range(3):
            accounts.invite(str(number))
        accounts.commit()
        accounts.radius.packets.clear()
        accounts.radius.mode = "answers"
        accounts.service.retry()
        self.assertEqual([call_id for call_id, _ in accounts.radius.kinds], ["0", "1", "2"])

    def test_many(self) -> None:
        """A long time without servers is held on the disk, not in memory; then all is sent once, in order."""
        accounts = self.begin(most=100_000, rules=RULES._replace(most=100_000))
        (held,) = accounts.service.spool._followers
        held._most = 50  # type: ignore[attr-defined]
        accounts.radius.mode = "away"
        for number in range(1300):
            self.call(accounts, str(number))
        self.settle(accounts)
        self.assertLess(len(held._held), 60)  # type: ignore[attr-defined]
        self.assertLess(len(accounts.service.spool._live), 60)
        self.assertEqual((accounts.service.waiting, self.rows(accounts)), (3900, 1300))
        accounts.kill()
        self.assertEqual(accounts.service.waiting, 3900)
        accounts.radius.packets.clear()
        accounts.radius.mode = "answers"
        accounts.service.retry()
        for _ in range(20):
            accounts.clock.advance(61.0)
        kinds = accounts.radius.kinds
        self.assertEqual(len(kinds), 3900)
        self.assertEqual(len(set(kinds)), 3900)
        self.assertEqual((accounts.service.waiting, self.rows(accounts)), (0, 0))

    def test_spool_max(self) -> None:
        """Beyond AccountingSpoolMax records go to the error log; calls are followed all the same."""
        accounts = self.begin(most=2)
        accounts.radius.mode = "away"
        self.call(accounts)
        self.settle(accounts)
        self.assertEqual((accounts.service.waiting, accounts.service.open_calls), (2, 0))
        accounts.radius.mode = "answers"
        accounts.service.retry()
        self.settle(accounts)
        self.assertEqual(accounts.radius.kinds[-2:], [("c1", START), ("c1", INTERIM)])
        self.assertEqual(self.rows(accounts), 0)

    def test_record_that_cannot_be_sent(self) -> None:
        """It is put into the error log and does not hold up the others."""
        accounts = self.begin()
        accounts.radius.mode = "silent"
        accounts.invite("bad")
        accounts.invite("good")
        accounts.commit()
        accounts.radius.packets[0].answer.errback(ValueError("too long"))
        accounts.radius.packets[1].answer.callback(None)
        self.settle(accounts)
        self.assertEqual(accounts.service.waiting, 0)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_queue(self) -> None:
        """The queue is shown by pages, with what each record waits for."""
        accounts = self.begin()
        accounts.radius.mode = "silent"
        for number in range(3):
            self.call(accounts, str(number))
        self.settle(accounts)
        records, after = self.successResultOf(accounts.service.queue(0, 2))
        self.assertEqual(
            [(record.call_id, record.kind) for record in records[:4]],
            [
                ("0", START),
                ("0", INTERIM),
                ("0", STOP),
                ("1", START),
            ],
        )
        self.assertEqual(records[0].waits_for, ("radius",))
        assert after is not None
        records, end = self.successResultOf(accounts.service.queue(after, 2))
        self.assertEqual(({record.call_id for record in records}, end), ({"2"}, None))


class ThreadTests(TestCase):
    """The same over SQLite's own thread."""

    timeout = 20

    async def test_restart(self) -> None:
        """A call that is open at an orderly end is read back."""
        from twisted.internet import reactor

        folder = Path(self.mktemp())
        folder.mkdir()
        path = folder / "accounting.db"
        first = Accounts(folder, spool_file=SpoolFile(path, reactor))  # type: ignore[arg-type]
        self.assertIsNone(await first.service.loaded)
        first.answer(first.invite())
        await first.service.stopService()
        second = Accounts(folder, first.clock, spool_file=SpoolFile(path, reactor))  # type: ignore[arg-type]
        self.assertIsNone(await second.service.loaded)
        self.assertEqual(second.service.open_calls, 1)
        self.assertEqual(second.radius.kinds, [("c1", START), ("c1", INTERIM)])
        await second.service.stopService()
