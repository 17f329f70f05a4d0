"""Priority and weight."""

from collections import Counter
from random import Random
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.routing.selection import arrange


class Entry(NamedTuple):
    """Something weighted."""

    name: str
    weight: int
    priority: int = 0


class Scripted(Random):
    """Draws what a test has written down, and shuffles nothing."""

    def __init__(self, *draws: int) -> None:
        super().__init__(0)
        self.draws = list(draws)
        self.bounds: list[tuple[int, int]] = []

    def shuffle(self, x: object) -> None:
        """Leave the order."""

    def randint(self, a: int, b: int) -> int:
        """Give the next draw."""
        self.bounds.append((a, b))
        return self.draws.pop(0)


def names(entries: list[Entry]) -> str:
    """Write their names in a row."""
    return "".join([entry.name for entry in entries])


def priority(entry: Entry) -> int:
    """Give the rank."""
    return entry.priority


class SelectionTests(SynchronousTestCase):
    """RFC 2782."""

    def arranged(self, random: Random, *entries: Entry, most: int = 100, least: int = 0) -> str:
        """Arrange entries by priority."""
        return names(arrange(entries, priority, random, most, least))

    def test_priorities(self) -> None:
        """A lower number comes first, whatever the weights."""
        self.assertEqual("cab", self.arranged(Scripted(), Entry("a", 9, 2), Entry("b", 99, 3), Entry("c", 0, 1)))

    def test_running_sum(self) -> None:
        """The first whose running sum reaches the number drawn is next; the sums begin anew without it."""
        random = Scripted(4, 1)
        self.assertEqual("cab", self.arranged(random, Entry("a", 1), Entry("b", 2), Entry("c", 3)))
        self.assertEqual([(0, 6), (0, 3)], random.bounds)

    def test_weight_zero(self) -> None:
        """Weight 0 stands at the beginning of the list: a draw of 0 takes it, no other does."""
        entries = (Entry("a", 10), Entry("z", 0))
        self.assertEqual("za", self.arranged(Scripted(0), *entries))
        self.assertEqual("az", self.arranged(Scripted(1), *entries))

    def test_shares(self) -> None:
        """Over many calls each is first as often as its weight says."""
        random = Random(1)
        entries = (Entry("a", 10), Entry("b", 30), Entry("c", 60), Entry("z", 0))
        first = Counter(self.arranged(random, *entries)[0] for _ in range(5000))
        self.assertApproximates(0.10, first["a"] / 5000, 0.02)
        self.assertApproximates(0.30, first["b"] / 5000, 0.03)
        self.assertApproximates(0.60, first["c"] / 5000, 0.03)
        self.assertLess(first["z"], 100)

    def test_exact_shares(self) -> None:
        """Without the draw of 0 weights of 1 and 3 are a quarter and three quarters."""
        random = Random(1)
        first = Counter(self.arranged(random, Entry("a", 1), Entry("b", 3), least=1)[0] for _ in range(5000))
        self.assertApproximates(0.25, first["a"] / 5000, 0.02)

    def test_all_zero(self) -> None:
        """Where no weight says anything, chance does; each comes once."""
        random = Random(1)
        orders = {self.arranged(random, Entry("a", 0), Entry("b", 0), least=1) for _ in range(50)}
        self.assertEqual({"ab", "ba"}, orders)

    def test_most(self) -> None:
        """No more than wanted are given."""
        self.assertEqual("ab", self.arranged(Scripted(), Entry("b", 1, 2), Entry("c", 1, 3), Entry("a", 1, 1), most=2))

    @given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 3)), max_size=30), st.integers(), st.booleans())
    def test_permutation(self, given_: list[tuple[int, int]], seed: int, exact: bool) -> None:
        """Whatever the weights: each entry once, by priority, and the same again for the same seed."""
        entries = [Entry(str(n), weight, rank) for n, (weight, rank) in enumerate(given_)]
        arranged = arrange(entries, priority, Random(seed), 100, int(exact))
        self.assertEqual(sorted(entries), sorted(arranged))
        self.assertEqual(sorted(map(priority, arranged)), [*map(priority, arranged)])
        self.assertEqual(arranged, arrange(entries, priority, Random(seed), 100, int(exact)))
