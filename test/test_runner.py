"""The runner's own promises: what counts as failed, and that nothing stays behind."""

import os
import subprocess
import sys
from io import StringIO
from unittest import TestSuite

from twisted.trial.runner import TestLoader
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from test import leftovers
from test.runner import Outcome, Reporter


class Sample(SynchronousTestCase):
    """Tests with known ends; not collected, as the loader is given their names one by one."""

    def runTest(self) -> None:
        """Pass."""

    def skip_it(self) -> None:
        """Skip for a program that is not here."""
        raise SkipTest("no sipp")

    def skip_for_the_kernel(self) -> None:
        """Skip for what the kernel cannot do."""
        raise SkipTest("not possible here: no SCTP")

    def fail_it(self) -> None:
        """Fail."""
        self.fail("as it should")

    def cured(self) -> None:
        """Pass against expectation."""

    cured.todo = "was broken once"  # type: ignore[attr-defined]


class DirtySample(TestCase):
    """Needs the reactor."""

    def leave_a_call(self) -> None:
        """Leave a delayed call in the reactor."""
        from twisted.internet import reactor

        reactor.callLater(60, self.fail)


class OutcomeTests(SynchronousTestCase):
    """What the closing line says."""

    def count(self, *tests: TestSuite | TestCase | SynchronousTestCase, skips_allowed: bool = True) -> Outcome:
        """Run tests and give the numbers."""
        reporter = Reporter(StringIO())
        for test in tests:
            test.run(reporter)
        return reporter.outcome(skips_allowed)

    def test_passed_failed_skipped(self) -> None:
        """Each kind of end is counted once."""
        outcome = self.count(Sample(), Sample("fail_it"), Sample("skip_it"))
        self.assertEqual(str(outcome), "1 passed, 1 failed, 1 skipped")
        self.assertEqual(outcome.exit_status, 1)

    def test_skip_under_ci(self) -> None:
        """A build server lets pass only skips for what its kernel cannot do."""
        tests = Sample(), Sample("skip_it"), Sample("skip_for_the_kernel")
        self.assertEqual(self.count(*tests, skips_allowed=False), Outcome(1, 1, 1))

    def test_no_test(self) -> None:
        """A run without any test fails."""
        self.assertEqual(self.count().exit_status, 1)

    def test_todo(self) -> None:
        """A cured todo fails."""
        self.assertEqual(self.count(Sample("cured")), Outcome(0, 1, 0))

    def test_dirty_reactor(self) -> None:
        """A test that leaves something in the reactor fails, though it passed."""
        self.assertEqual(self.count(DirtySample("leave_a_call")).failed, 1)

    def test_collection(self) -> None:
        """A module that cannot be imported fails."""
        suite = TestLoader().loadByNames(["test.no_such_module"])
        self.assertEqual(self.count(suite), Outcome(0, 1, 0))


class LeftoverTests(SynchronousTestCase):
    """Processes that outlive their test."""

    def test_daemon(self) -> None:
        """A process that changed its session and lost its parent is found and ended; others are left alone."""
        mark = f"{leftovers.VARIABLE}=test_daemon".encode()
        code = "import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(60)"
        environment = {**os.environ, leftovers.VARIABLE: "test_daemon"}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        found = leftovers.end_leftovers(mark)
        self.assertEqual([process.command.split()[0] for process in found], [sys.executable])
        self.assertEqual(leftovers.find_leftovers(mark), [])
