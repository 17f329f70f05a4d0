"""How keys and values are written, and that whatever stands there is read or refused."""

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.farm.layout import (
    Keys,
    UnreadableError,
    read_bindings,
    read_object,
    read_row,
    write_bindings,
    write_object,
    write_row,
    write_row_key,
)
from sipproxy.registrar.bindings import NEVER, Binding

some_binding = st.builds(
    Binding,
    st.binary(max_size=20),
    st.binary(max_size=9),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from(["", "proxy"]),
    st.sampled_from([1.5, 2e9, NEVER]),
    st.just(1.25),
    st.binary(max_size=9),
    st.integers(0, 2**31),
    st.lists(st.binary(max_size=9), max_size=2).map(tuple),
    st.just(b"<urn:uuid:1>"),
    st.integers(1, 9),
)
some_value = st.one_of(
    st.binary(max_size=40), st.binary(max_size=20).map(lambda end: b'{"v":1,"bindings":' + end + b"}")
)
some_field = st.one_of(st.text(max_size=9), st.integers(-5, 2**40))


class LayoutTests(SynchronousTestCase):
    """Values, and what is none."""

    def test_keys(self) -> None:
        """All keys of a farm begin with its name, those of a database with the database's."""
        keys = Keys("office")
        self.assertEqual(keys.database("registry"), b"/sipproxy/office/registry/")
        self.assertEqual(keys.member("a.example"), b"/sipproxy/office/members/a.example")
        self.assertEqual(keys.lock("routing"), b"/sipproxy/office/locks/routing")
        self.assertEqual(keys.schema, b"/sipproxy/office/schema")

    def test_bindings(self) -> None:
        """Bindings are JSON with a version."""
        value = write_bindings((Binding(b"sip:a@h", expires=9.5, updated=1.0, call_id=b"c", cseq=2),))
        fields = {"contact": "sip:a@h", "updated": 1.0, "call_id": "c", "cseq": 2, "expires": 9.5}
        self.assertEqual(json.loads(value), {"v": 1, "bindings": [fields]})

    @given(st.lists(some_binding, max_size=3).map(tuple))
    def test_bindings_come_back(self, bindings: tuple[Binding, ...]) -> None:
        """What is written is read."""
        self.assertEqual(read_bindings(write_bindings(bindings)), bindings)

    @given(st.lists(some_field, min_size=3, max_size=5).map(tuple))
    def test_rows_come_back(self, row: tuple[str | int, ...]) -> None:
        """What is written is read."""
        self.assertEqual(read_row(write_row_key(row[:2]), write_row(row, 2)), row)

    @given(
        st.one_of(st.binary(max_size=40), st.binary(max_size=20).map(lambda end: b'{"v":1,"bindings":' + end + b"}"))
    )
    def test_anything(self, value: bytes) -> None:
        """Whatever octets there are, they are read or refused."""
        for read in (read_bindings, read_object, lambda value: read_row(value, value)):
            try:
                read(value)
            except UnreadableError:
                continue

    def test_later_version(self) -> None:
        """A value of a later release is refused, and it is said so."""
        error = self.assertRaises(UnreadableError, read_object, b'{"v":2,"id":"x"}')
        self.assertEqual(str(error), "of a later release: version 2, known here: 1")
        self.assertRaises(UnreadableError, read_bindings, b'{"v":2,"bindings":[]}')
        self.assertEqual(read_object(write_object({"id": "x"})), {"v": 1, "id": "x"})
