"""Calls whose accounting is killed again and again, on either side, while SIPp makes them (RFC 2866 1).

Each has one Start and one Stop in the detail file in the end, and the duration
that SIPp has measured. Where the server is killed between its 100 and the 200,
nobody asks again, and the caller gives up: that call has a Stop without any
duration. Where the 200 had come to the server it stays open, as nobody sends a
BYE: a callee has to when it hears no ACK (RFC 3261 13.3.1.4), but SIPp does not.
A few hundred calls, or as many as C{ACCOUNTED_CALLS} in the environment says.
"""

import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import cycle
from random import Random
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from test.interop.freeradius import SECRET, FreeRadius
from test.interop.harness import make_folder, wait_until
from test.interop.proxy import Proxy
from test.interop.sipp import Sipp, register_service
from test.interop.telephone import host_port

CALLS = int(os.environ.get("ACCOUNTED_CALLS", "300"))
_RATE = 60
_AT_ONCE = 200
"""Calls that may be open before SIPp begins no more: else what is sent again leaves a busy machine no time."""
_PATIENCE = 60 + CALLS // 12
"""Seconds in which SIPp must be through."""
_BETWEEN = (0.5, 4.0)
"""Seconds, at least and at most, between the start of one and the kill of the other."""
_KINDS = ("Start", "Interim-Update", "Stop")
_GIVEN_UP = ("Start", "Stop")
_LEFT_OPEN = ("Start", "Interim-Update")


class Heard(NamedTuple):
    """What SIPp says of a call, in milliseconds.

    @ivar connected: when it had the 200
    @ivar hung_up: when it first sent its BYE
    @ivar ended: when that was answered
    """

    connected: int
    hung_up: int
    ended: int


def calls_of(lines: list[str]) -> dict[str, Heard | None]:
    """Read what the caller has logged, by Call-ID; None for a call that nobody answered."""
    moments: dict[str, dict[str, int]] = {}
    for line in lines:
        what, call_id, tick = line.split()
        moments.setdefault(call_id, {})[what] = int(tick)
    return {
        call_id: None if "given-up" in found else Heard(found["connected"], found["hangs-up"], found["ended"])
        for call_id, found in moments.items()
    }


def records_of(detail: str) -> list[dict[str, str]]:
    """Read the records of a detail file; one that a kill has cut off is there without its end."""
    found: list[dict[str, str]] = []
    for line in detail.splitlines():
        if line.startswith("\t"):
            name, _, value = line.strip().partition(" = ")
            found[-1][name] = value.strip('"')
        elif line:
            found.append({})
    return found


class KillTests(SynchronousTestCase):
    """SIPp, the server as its operator runs it, and FreeRADIUS."""

    timeout = 2 * _PATIENCE

    def setUp(self) -> None:
        """Start all but the caller."""
        self.radius = FreeRadius(self)
        secret = make_folder(self, "secret") / "radius"
        secret.write_bytes(SECRET)
        secret.chmod(0o600)
        self.proxy = Proxy(
            self,
            "Accounting On\nAddRecordRoute On\nOverloadQueueInMs 10000\nRadiusTimeoutInMs 300\nRadiusDeadTimeInS 1\n"
            f"RadiusServer acct {host_port(self.radius.acct)} {secret}",
        )
        self.proxy.start()
        quiet = ("-default_behaviors", "all,-abortunexp", "-max_retrans", "20", "-max_invite_retrans", "20")
        called = Sipp(self, "uas_again", CALLS, options=quiet, patience=_PATIENCE)
        register_service(self, self.proxy.address, host_port(called.address))
        self.caller = Sipp(
            self,
            "uac_outlasts",
            CALLS,
            self.proxy.address,
            _RATE,
            options=("-l", str(_AT_ONCE), *quiet),
            patience=_PATIENCE,
        )

    def kill_until_done(self) -> Counter[str]:
        """Kill both in turn at random moments, until most calls have ended, and tell how often each was."""
        chance, killed = Random(CALLS), Counter[str]()
        # What SIPp sends again meanwhile comes before the question whether the server answers.
        start_proxy: Callable[[], None] = partial(self.proxy.start, _PATIENCE)
        peers = ("FreeRADIUS", self.radius.kill, self.radius.start), ("server", self.proxy.kill, start_proxy)
        for name, kill, start in cycle(peers):
            time.sleep(chance.uniform(*_BETWEEN))
            ended = sum(line.startswith("ended ") for line in self.caller.logged())
            if len(killed) == 2 and ended > CALLS * 0.9:
                break
            kill()
            start()
            killed[name] += 1
        return killed

    def keys(self) -> Counter[tuple[str, str]]:
        """Count the records in the detail file by what tells them apart."""
        return Counter(
            (record.get("Cisco-AVPair", ""), record.get("Acct-Status-Type", ""))
            for record in records_of(self.radius.records())
        )

    def test_every_call(self) -> None:
        """Every call has one Start and one Stop, and lasted as long as SIPp says, to a second."""
        killed = self.kill_until_done()
        self.caller.see_success()
        heard = calls_of(self.caller.logged())
        self.assertEqual(len(heard), CALLS)
        self.assertEqual(set(killed), {"server", "FreeRADIUS"})
        count = sum(len(_KINDS if call else _GIVEN_UP) for call in heard.values())
        wait_until(lambda: len(self.keys()) >= count, f"{count} records", timeout=60.0)
        self.proxy.stop()
        records = [record for record in records_of(self.radius.records()) if "Cisco-AVPair" in record]
        told = {(record["Cisco-AVPair"], record["Acct-Status-Type"]): record for record in records}
        kinds = Counter((told[key]["Acct-Session-Id"], key[1]) for key in told)
        left_open = {call_id for call_id, call in heard.items() if call is None and kinds[call_id, "Interim-Update"]}
        wanted: dict[str, tuple[str, ...]] = dict.fromkeys(heard, _KINDS)
        wanted |= dict.fromkeys([call_id for call_id, call in heard.items() if call is None], _GIVEN_UP)
        wanted |= dict.fromkeys(left_open, _LEFT_OPEN)
        self.assertEqual(kinds, Counter((call_id, kind) for call_id in wanted for kind in wanted[call_id]))
        self.assertEqual(self.spooled(), left_open)
        off = [wrong for record in told.values() for wrong in _wrong(record, heard)]
        self.assertEqual(off, [])
        self.assertNotIn("Traceback", self.proxy.error_log())
        given_up, twice = list(heard.values()).count(None), len(records) - len(told)
        print(f"{CALLS} calls, {given_up} of them given up, {len(left_open)} left open; killed: {dict(killed)}")
        print(f"{len(records)} records, {twice} of them twice")

    def spooled(self) -> set[str]:
        """Give the Call-IDs in the spool: of the calls that are open, or of which something was not acknowledged."""
        with closing(sqlite3.connect(self.proxy.folder / "data" / "accounting.db")) as database:
            return {json.loads(invite)[0] for (invite,) in database.execute("SELECT invite FROM calls")}


def _wrong(record: dict[str, str], heard: dict[str, Heard | None]) -> list[tuple[dict[str, str], Heard | None]]:
    """Give a Stop that differs from what the caller has heard."""
    if record["Acct-Status-Type"] != "Stop":
        return []
    call = heard[record["Acct-Session-Id"]]
    seconds = int(record["Acct-Session-Time"])
    if call is None:
        return [(record, call)] if seconds else []
    # A BYE reaches a server that is away only when it is sent again.
    shortest, longest = (call.hung_up - call.connected) / 1000, (call.ended - call.connected) / 1000
    return [] if shortest - 1 <= seconds <= longest + 1 else [(record, call)]
