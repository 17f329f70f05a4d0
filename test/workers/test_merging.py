"""One answer made of those of all workers."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.workers import merging


def status(**changes: Any) -> dict[str, Any]:
    """Give what one process says of itself."""
    return {
        "version": "1",
        "pid": 1,
        "since": 0.0,
        "state": "serving",
        "healthy": True,
        "pending": 0,
        "traffic": {"requests": 1, "calls": 0, "requests_per_second": 0.5, "calls_per_second": 0.0},
        "registrations": 7,
        "transactions": {"server": 0, "client": 0, "limit": 10, "retransmissions": 0},
        "listeners": [],
        "dependencies": [{"name": "registry", "state": "up", "since": None, "reason": ""}],
        "logs": {"problems": [], "lost": 0},
        "workers": [],
        **changes,
    }


class StatusTests(SynchronousTestCase):
    """The state of the server."""

    def test_sums(self) -> None:
        """Numbers are added, listeners by address; what there is once is the owner's."""
        counts = {"server": 1, "client": 2, "limit": 5, "retransmissions": 0}
        answers = [
            status(
                pid=number,
                pending=number,
                registrations=3,
                transactions=counts,
                listeners=[
                    {"address": "a:5060/udp", "received": number},
                    {"address": f"a:506{number}/udp", "received": 9},
                ],
            )
            for number in (2, 3)
        ]
        found = merging.status(status(), answers)
        self.assertEqual((found["pid"], found["pending"], found["registrations"]), (1, 5, 7))
        self.assertEqual((found["traffic"]["requests"], found["traffic"]["requests_per_second"]), (2, 1.0))
        self.assertEqual(found["transactions"], {"server": 2, "client": 4, "limit": 10, "retransmissions": 0})
        self.assertEqual(
            {each["address"]: each["received"] for each in found["listeners"]},
            {"a:5060/udp": 5, "a:5062/udp": 9, "a:5063/udp": 9},
        )
        self.assertEqual([each["pid"] for each in found["workers"]], [2, 3])
        self.assertTrue(found["healthy"])

    def test_away(self) -> None:
        """What is away for one worker is away, and each dependency is there once."""
        away = {"name": "subscribers", "state": "away", "since": 5.0, "reason": "x"}
        up = {"name": "subscribers", "state": "up", "since": None, "reason": ""}
        unasked = {"name": "subscribers", "state": "unasked", "since": None, "reason": ""}
        answers = [
            status(dependencies=[up]),
            status(dependencies=[away], healthy=False),
            status(dependencies=[unasked]),
        ]
        found = merging.status(status(), answers)
        self.assertEqual([each["state"] for each in found["dependencies"]], ["up", "away"])
        self.assertFalse(found["healthy"])

    def test_logs(self) -> None:
        """A log that none can write is told once; lost lines are added."""
        logs = {"problems": ["full"], "lost": 2}
        found = merging.status(status(logs=logs), [status(logs=logs), status(logs=logs)])
        self.assertEqual(found["logs"], {"problems": ["full"], "lost": 6})

    def test_no_worker(self) -> None:
        """Without a worker the server is not well."""
        found = merging.status(status(), [])
        self.assertFalse(found["healthy"])
        self.assertEqual((found["pending"], found["listeners"]), (0, []))


class CallTests(SynchronousTestCase):
    """What concerns calls."""

    def test_calls(self) -> None:
        """Calls stand in the order in which they began, and are limited all together."""
        answers = [
            {"calls": [{"since": since} for since in times], "pending": len(times)} for times in ([1, 4], [2, 3])
        ]
        found = merging.calls({"limit": 3}, answers)
        self.assertEqual(found, {"calls": [{"since": 1}, {"since": 2}, {"since": 3}], "pending": 4})
        self.assertEqual(len(merging.calls({}, answers)["calls"]), 4)

    def test_past_calls(self) -> None:
        """So do calls that are over."""
        answers: list[dict[str, Any]] = [{"calls": [{"started": 2}]}, {"calls": []}, {"calls": [{"started": 1}]}]
        self.assertEqual(merging.past_calls({}, answers), {"calls": [{"started": 1}, {"started": 2}]})

    def test_drain(self) -> None:
        """It is drained when all refuse new calls."""
        answers = [{"draining": True, "pending": 1}, {"draining": False, "pending": 2}]
        self.assertEqual(merging.drain({}, answers), {"draining": False, "pending": 3})

    def test_gateways(self) -> None:
        """Each gateway is as the one has it that thinks worst of it."""

        def gateway(port: int, state: str) -> dict[str, Any]:
            return {"address": "192.0.2.1", "port": port, "transport": "udp", "state": state}

        answers = [{"gateways": [gateway(1, "up"), gateway(2, "down")]}, {"gateways": [gateway(1, "suspect")]}]
        self.assertEqual(merging.gateways({}, answers), {"gateways": [gateway(1, "suspect"), gateway(2, "down")]})

    def test_nams(self) -> None:
        """Likewise each server that is asked for numbers."""
        answers = [{"nams": [{"server": "a", "state": state}]} for state in ("up", "away")]
        self.assertEqual(merging.nams({}, answers), {"nams": [{"server": "a", "state": "away"}]})
