"""What becomes of two changes of the same address of record."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.farm.merge import merge, newer
from sipproxy.registrar.bindings import Binding, Bindings
from test.farm.fixtures import binding

A, B, C = binding(b"sip:a@h"), binding(b"sip:b@h"), binding(b"sip:c@h")

some_binding = st.builds(
    binding,
    st.sampled_from([b"sip:a@h", b"sip:b@h", b"sip:c@h"]),
    st.sampled_from([b"c1", b"c2"]),
    st.integers(1, 4),
    st.sampled_from([1.0, 2.0, 3.0]),
)


@st.composite
def some_bindings(draw: st.DrawFn) -> Bindings:
    """Give bindings, each contact once."""
    found = draw(st.lists(some_binding, max_size=4))
    return tuple({one.contact: one for one in found}.values())


class MergeTests(SynchronousTestCase):
    """Each binding by itself."""

    def test_different_contacts(self) -> None:
        """Two contacts that were added at two members are both there, and one that was removed is not."""
        self.assertEqual(merge((A,), (A, B), (A, C)), (A, B, C))
        self.assertEqual(merge((A, B), (B,), (A, B, C)), (B, C))
        self.assertEqual(merge((A, B), (A, B, C), (B,)), (B, C))

    def test_later_cseq(self) -> None:
        """Of two registrations of one call the later CSeq wins, whatever the clocks say."""
        five, six = binding(b"sip:a@h", cseq=5, at=900), binding(b"sip:a@h", cseq=6, at=100)
        self.assertEqual(merge((A,), (five,), (six,)), (six,))
        self.assertEqual(merge((A,), (six,), (five,)), (six,))

    def test_other_call(self) -> None:
        """Of two calls the later registration wins."""
        old, new = binding(b"sip:a@h", b"x", 9, at=100), binding(b"sip:a@h", b"y", 1, at=200)
        self.assertEqual(merge((), (old,), (new,)), (new,))
        self.assertEqual(merge((), (new,), (old,)), (new,))

    def test_removal_loses(self) -> None:
        """A removal does not take away a registration that it has not seen, on either side."""
        refreshed = binding(b"sip:a@h", cseq=2)
        self.assertEqual(merge((A,), (), (refreshed,)), (refreshed,))
        self.assertEqual(merge((A,), (refreshed,), ()), (refreshed,))
        self.assertEqual(merge((A,), (), ()), ())

    def test_flow(self) -> None:
        """A new contact of the same instance and reg-id takes the place of the old one (RFC 5626 6)."""
        one = Binding(b"sip:1@h", updated=1, call_id=b"c", cseq=1, instance=b"<i>", reg_id=1)
        two = one._replace(contact=b"sip:2@h", cseq=2)
        self.assertEqual(merge((), (one,), (two,)), (two,))

    def test_permanent_beside_registered(self) -> None:
        """A permanent contact and a registered one of the same URI are two."""
        permanent = Binding(b"sip:a@h", updated=5)
        self.assertEqual(merge((), (A,), (permanent,)), (A, permanent))

    @given(some_bindings(), some_bindings(), some_bindings())
    def test_sides(self, base: Bindings, one: Bindings, other: Bindings) -> None:
        """Whoever merges comes to the same bindings, though maybe in another order; each contact is there once."""
        merged = merge(base, one, other)
        self.assertEqual(set(merged), set(merge(base, other, one)))
        self.assertEqual(len({found.contact for found in merged}), len(merged))

    @given(some_bindings(), some_bindings())
    def test_nothing_else_changed(self, base: Bindings, changed: Bindings) -> None:
        """A change that meets no other one stays as it is, and so does one that meets itself."""
        self.assertEqual(merge(base, changed, base), changed)
        self.assertEqual(merge(base, base, changed), changed)
        self.assertEqual(merge(base, changed, changed), changed)

    @given(some_binding, some_binding)
    def test_newer(self, one: Binding, other: Binding) -> None:
        """Which is newer does not depend on who asks."""
        self.assertEqual(newer(one, other), newer(other, one))
