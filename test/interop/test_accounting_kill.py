"""Calls whose accounting is killed again and again, on either side, while SIPp makes them (RFC 2866 1).

Each has one Start and one Stop in the detail file in the end, and the duration
that SIPp has measured. A few hundred calls, or as many as C{ACCOUNTED_CALLS}
in the environment says.
"""

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


class Heard(NamedTuple):
    """What SIPp says of a call, in milliseconds.

    @ivar connected: when it had the 200
    @ivar hung_up: when it first sent its BYE
    @ivar ended: when that was answered
    """

    connected: int
    hung_up: int
    ended: int


def calls_of(lines: list[str]) -> dict[str, Heard]:
    """Read what the caller has logged, by Call-ID."""
    moments: dict[str, dict[str, int]] = {}
    for line in lines:
        what, call_id, tick = line.split()
        moments.setdefault(call_id, {})[what] = int(tick)
    return {call_id: Heard(found["connected"], found["hangs-up"], found["ended"]) for call_id, found in moments.items()}


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
        wanted = {(call_id, kind) for call_id in heard for kind in _KINDS}
        wait_until(lambda: len(self.keys()) >= len(wanted), f"{len(wanted)} records", timeout=60.0)
        self.proxy.stop()
        self.see_spool_empty()
        records = [record for record in records_of(self.radius.records()) if "Cisco-AVPair" in record]
        told = {(record["Cisco-AVPair"], record["Acct-Status-Type"]): record for record in records}
        self.assertEqual(Counter((told[key]["Acct-Session-Id"], key[1]) for key in told), Counter(wanted))
        off = [wrong for record in told.values() for wrong in _wrong(record, heard)]
        self.assertEqual(off, [])
        self.assertNotIn("Traceback", self.proxy.error_log())
        print(
            f"{CALLS} calls, killed: {dict(killed)}, records: {len(records)}, of them twice: {len(records) - len(told)}"
        )

    def see_spool_empty(self) -> None:
        """See that all was acknowledged."""
        with closing(sqlite3.connect(self.proxy.folder / "data" / "accounting.db")) as database:
            self.assertEqual(database.execute("SELECT count(*) FROM calls").fetchone(), (0,))


def _wrong(record: dict[str, str], heard: dict[str, Heard]) -> list[tuple[dict[str, str], Heard]]:
    """Give a Stop that differs from what the caller has heard."""
    if record["Acct-Status-Type"] != "Stop":
        return []
    call = heard[record["Acct-Session-Id"]]
    seconds = int(record["Acct-Session-Time"])
    # A BYE reaches a server that is away only when it is sent again.
    shortest, longest = (call.hung_up - call.connected) / 1000, (call.ended - call.connected) / 1000
    return [] if shortest - 1 <= seconds <= longest + 1 else [(record, call)]
