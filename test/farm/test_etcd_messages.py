"""Questions and answers of etcd, as its JSON gateway has them."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.farm.etcd_messages import (
    error_of,
    is_unknown_token,
    range_question,
    read_found,
    read_page,
    read_watched,
    txn_question,
    watch_question,
)
from sipproxy.farm.keyspace import (
    AwayError,
    Batch,
    CompactedError,
    Delete,
    Event,
    HasRevision,
    HasValue,
    Item,
    Page,
    Put,
)

A, B = "L2E=", "L2I="  # "/a", "/b"
some_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=9), st.just("MQ==")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["result", "error", "events", "kv", "key", "kvs", "mod_revision", "header", "revision"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


class EtcdMessagesTests(SynchronousTestCase):
    """Each kind."""

    def test_range(self) -> None:
        """A page is asked for, of now or of a revision, and the rest begins behind its last key."""
        question = {"key": A, "range_end": B, "limit": "2"}
        self.assertEqual(range_question(b"/a", b"/b", 2, 0), question)
        self.assertEqual(range_question(b"/a", b"/b", 2, 7), {**question, "revision": "7"})
        answer: Any = {"header": {"revision": "9"}, "kvs": [{"key": A, "mod_revision": "5"}], "more": True}
        self.assertEqual(read_page(answer, 0), Page(9, (Item(b"/a", b"", 5),), b"/a\0"))
        self.assertEqual(read_page({"header": {"revision": "9"}}, 7), Page(7, (), b""))

    def test_txn(self) -> None:
        """A commit has its conditions, its operations, and asks for what is there instead."""
        question = txn_question(
            [HasValue(b"/a", b"1"), HasRevision(b"/b", 0)], [Put(b"/a", b"2", 77), Delete(b"/a"), Delete(b"/a", b"/b")]
        )
        expected = {
            "compare": [
                {"key": A, "target": "VALUE", "value": "MQ=="},
                {"key": B, "target": "MOD", "mod_revision": "0"},
            ],
            "success": [
                {"request_put": {"key": A, "value": "Mg==", "lease": "77"}},
                {"request_delete_range": {"key": A}},
                {"request_delete_range": {"key": A, "range_end": B}},
            ],
            "failure": [{"request_range": {"key": A}}, {"request_range": {"key": B}}],
        }
        self.assertEqual(json.loads(json.dumps(question)), expected)
        answer = {
            "responses": [
                {"response_range": {"kvs": [{"key": A, "value": "MQ==", "mod_revision": "3"}], "count": "1"}},
                {"response_range": {}},
            ]
        }
        self.assertEqual(read_found(answer), [Item(b"/a", b"1", 3), None])

    def test_watch(self) -> None:
        """A watch tells puts and deletions; what else it says is no change."""
        self.assertEqual(
            watch_question(b"/a", b"/b", 7), {"create_request": {"key": A, "range_end": B, "start_revision": "7"}}
        )
        events = [
            {"kv": {"key": A, "value": "MQ==", "mod_revision": "7"}},
            {"type": "DELETE", "kv": {"key": B, "mod_revision": "8"}},
        ]
        found = read_watched({"result": {"header": {"revision": "20"}, "events": events}})
        self.assertEqual(found, Batch(8, (Event(b"/a", b"1"), Event(b"/b", None))))
        self.assertIsNone(read_watched({"result": {"created": True}}))

    def test_end_of_watch(self) -> None:
        """A watch that is over says why, or that changes are forgotten."""
        forgotten = {"result": {"canceled": True, "compact_revision": "9"}}
        self.assertRaises(CompactedError, read_watched, forgotten)
        error = self.assertRaises(AwayError, read_watched, {"result": {"canceled": True, "cancel_reason": "why not"}})
        self.assertIn("why not", str(error))
        no_leader = {"error": {"grpc_code": 14, "message": "etcdserver: no leader"}}
        self.assertEqual(str(self.assertRaises(AwayError, read_watched, no_leader)), "etcdserver: no leader")

    def test_errors(self) -> None:
        """What is forgotten is told from what is away, and both from a token that is not known."""
        compacted = {"code": 11, "message": "etcdserver: mvcc: required revision has been compacted"}
        self.assertIsInstance(error_of(compacted), CompactedError)
        self.assertIsInstance(error_of({"code": 14, "error": "etcdserver: request timed out"}), AwayError)
        self.assertEqual(str(error_of({})), "no reason given")
        self.assertEqual(str(error_of({"error": {"grpc_code": 14, "message": "no leader"}})), "no leader")
        self.assertTrue(is_unknown_token(401, {}))
        self.assertTrue(is_unknown_token(400, {"code": 16, "error": "etcdserver: invalid auth token"}))
        self.assertFalse(is_unknown_token(503, {"code": 14}))

    @given(some_json)
    def test_anything(self, answer: Any) -> None:
        """Whatever JSON comes, it is read or is an error that who asks knows to be somebody else's fault."""
        for read in (read_watched, read_found, lambda answer: read_page(answer, 0)):
            try:
                read(answer)
            except (AwayError, CompactedError, LookupError, TypeError, ValueError, AttributeError):
                continue
