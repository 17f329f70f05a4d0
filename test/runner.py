"""Run the tests with trial and close with one plain line: C{N passed, N failed, N skipped}.

C{python -m test.runner [NAME ...]}, by default all of C{test}. C{python -m twisted.trial NAME} runs the same
tests; this adds what a build server has to know:

  - no test at all is a failure, and so is a deprecated call of ours;
  - skipped tests are named at the end. Where the environment says C{CI=true} a skip is a failure, unless its reason
    begins with "not possible here:", which is for what the kernel cannot do;
  - trial's C{todo} is not used here: it does not fail when its cause is cured, so each is a failure;
  - a test that holds the thread is interrupted (trial's own timeout ends only a Deferred that never fires);
  - a process that a test left running is ended, and is a failure.
"""

import os
import re
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from twisted.trial.reporter import TextReporter
from twisted.trial.runner import DestructiveTestSuite, TestLoader, TrialRunner

from test.leftovers import end_leftovers, mark_children

ROOT = Path(__file__).resolve().parent.parent
NOT_POSSIBLE = "not possible here:"
PATIENCE = 300
"""Seconds that one test may take."""


class HungError(Exception):
    """A test took more than L{PATIENCE} seconds."""


class Skip(NamedTuple):
    """A test that was not run, and why."""

    test: str
    reason: str

    @property
    def is_excused(self) -> bool:
        """Tell whether no machine like this one could run the test."""
        return self.reason.startswith(NOT_POSSIBLE)


class Outcome(NamedTuple):
    """The numbers of a run."""

    passed: int
    failed: int
    skipped: int

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    @property
    def exit_status(self) -> int:
        """0 where something passed and nothing failed, otherwise 1."""
        return 0 if self.passed and not self.failed else 1


class Reporter(TextReporter):
    """A dot for each test as it ends, tracebacks at the end; interrupts a test that hangs."""

    def startTest(self, test: Any) -> None:
        """Give the test its time."""
        signal.alarm(PATIENCE)
        super().startTest(test)

    def stopTest(self, test: Any) -> None:
        """The test has ended in time."""
        signal.alarm(0)
        super().stopTest(test)

    def skips_with_reasons(self) -> list[Skip]:
        """Give the tests that were skipped, in the order of the run."""
        return [Skip(test.id(), str(reason)) for test, reason in self.skips]

    def outcome(self, skips_allowed: bool) -> Outcome:
        """Count.

        @param skips_allowed: whether a test may be skipped without being excused
        """
        counted = [skip for skip in self.skips_with_reasons() if skips_allowed or skip.is_excused]
        refused = len(self.skips) - len(counted)
        todos = len(self.expectedFailures) + len(self.unexpectedSuccesses)
        failed = len(self.failures) + len(self.errors) + todos + refused
        return Outcome(self.successes, failed, len(counted))


def interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    """Raise L{HungError} in the middle of what the test does."""
    raise HungError(f"still running after {PATIENCE} s")


def forbid_deprecated_calls() -> None:
    """Make a DeprecationWarning that points into our own files an error."""
    ours = rf"(sipproxy|test)\b|{re.escape(str(ROOT))}/(sipproxy|test|twisted)/"
    warnings.filterwarnings("error", category=DeprecationWarning, module=ours)


def run(names: Sequence[str]) -> Reporter:
    """Run tests.

    @param names: dotted names of packages, modules, classes or tests
    """
    loader = TestLoader()
    loader.suiteFactory = DestructiveTestSuite  # lets go of each test that has run
    runner = TrialRunner(Reporter, workingDirectory=str(ROOT / "_trial_temp"))
    reporter = runner.run(loader.loadByNames(list(names), recurse=True))
    assert isinstance(reporter, Reporter)
    return reporter


def main(names: Sequence[str]) -> int:
    """Run tests and tell the outcome.

    @return: the exit status
    """
    forbid_deprecated_calls()
    signal.signal(signal.SIGALRM, interrupt)
    mark = mark_children()
    try:
        reporter = run(names or ["test"])
    finally:
        left = end_leftovers(mark)
    skips_allowed = os.environ.get("CI") != "true"
    outcome = reporter.outcome(skips_allowed)
    outcome = outcome._replace(failed=outcome.failed + len(left))
    for skip in reporter.skips_with_reasons():
        word = "skipped" if skips_allowed or skip.is_excused else "failed, as CI skips nothing"
        print(f"{word}: {skip.test}: {skip.reason}")
    for process in left:
        print(f"left running by a test, now ended: {process}")
    if not reporter.testsRun:
        print("no test was run")
    print(outcome, flush=True)
    return outcome.exit_status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
