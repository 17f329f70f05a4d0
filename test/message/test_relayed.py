"""Tests of responses that are read no further than relaying needs."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import SipParseError
from sipproxy.message import Draft, Response, parse_message, read_response

USUAL = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1.Ab;received=127.0.0.1\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
    b"Call-ID: x\r\nCSeq: 7 INVITE\r\nContent-Length: 4\r\n\r\nbody"
)
PIECES = (
    b"SIP/2.0 200 OK", b"SIP/2.0 099 x", b"SIP/2.0 699", b"Via: a", b"Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1",
    b"v: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK3", b" folded", b"CSeq: 7 CANCEL", b"CSeq: 7 INVITE", b"CSeq:8 BYE",
    b"Content-Length: 0", b"Content-Length: 4", b"l: 4", b"From: <sip:a@b>;tag=1", b"", b"body", b"\n", b"\r",
    b"Via: SIP/2.0/UDP a;branch=z9hG4bK4, SIP/2.0/UDP b;branch=z9hG4bK5", b'Via: SIP/2.0/UDP a;x="1;branch=2";branch=z',
)  # fmt: skip


class RelayedResponseTests(SynchronousTestCase):
    """L{read_response}."""

    def test_usual(self) -> None:
        """The usual shape is read: status, branch, method, and what is left without our Via."""
        response = read_response(USUAL)
        assert response is not None
        self.assertEqual((response.status, response.transaction()), (200, (b"z9hg4bk1.ab", b"INVITE")))
        self.assertEqual(response.next_via(), b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2")
        self.assertEqual(response.without_top_via().split(b"\r\n")[1], b"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2")

    def test_one_line(self) -> None:
        """Via values in one line, as sipp writes them, are the usual shape too; only the first one goes."""
        response = read_response(USUAL.replace(b";received=127.0.0.1\r\nVia: ", b", "))
        assert response is not None
        self.assertEqual((response.transaction(), response.via.port), ((b"z9hg4bk1.ab", b"INVITE"), 5060))
        self.assertEqual(response.next_via(), b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2")
        self.assertEqual(response.without_top_via().split(b"\r\n")[1], b"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2")

    def test_the_rest_on_demand(self) -> None:
        """Whoever asks for more gets what the whole message has."""
        response = read_response(USUAL)
        assert response is not None
        whole = response.whole()
        self.assertEqual((whole.reason, whole.to.tag, whole.cseq), (b"OK", b"2", (7, b"INVITE")))
        self.assertEqual((whole.header("call-id"), whole.body), (b"x", b"body"))
        self.assertIs(response.whole(), whole)

    def test_cancel(self) -> None:
        """A response to a CANCEL is told from one to its INVITE."""
        response = read_response(USUAL.replace(b"7 INVITE", b"7 CANCEL"))
        assert response is not None
        self.assertEqual(response.transaction(), (b"z9hg4bk1.ab", b"CANCEL"))

    def test_other_shapes(self) -> None:
        """What is not of the usual shape is left to the whole parser."""
        for changed in (
            USUAL.replace(b"Via: ", b"v: "),
            USUAL.replace(b"Content-Length: 4", b"Content-Length: 5"),
            USUAL.replace(b"Content-Length: 4", b"Content-Length: 3"),
            USUAL.replace(b"SIP/2.0 200", b"SIP/2.0 700"),
            USUAL.replace(b";received=127.0.0.1", b","),
            USUAL.replace(b";received", b';x="1,2";received'),
            USUAL.replace(b";received=127.0.0.1", b",\r\n SIP/2.0/UDP a"),
            USUAL.replace(b"Call-ID: x", b"Call-ID: x\nInjected: y"),
            USUAL.replace(b"CSeq: ", b"X: "),
            b"INVITE" + USUAL[7:],
            USUAL[:40],
        ):
            self.assertIsNone(read_response(changed))

    @given(st.lists(st.sampled_from(PIECES), max_size=9), st.sampled_from([b"\r\n", b"\n", b"\r\n\r\n"]))
    def test_agrees_with_the_parser(self, pieces: list[bytes], end: bytes) -> None:
        """What is read in short is what the whole parser reads."""
        data = b"SIP/2.0 200 OK\r\n" + b"\r\n".join(pieces) + end
        for candidate in (data, USUAL.replace(b"From: <sip:a@b>;tag=1", b"\r\n".join(pieces))):
            self.agree(candidate)

    def agree(self, data: bytes) -> None:
        """Compare both readings of a datagram."""
        short = read_response(data)
        if short is None:
            return
        names = short.whole().names  # the rest can be read, whatever it is
        if any(names.count(name) > 1 for name in ("cseq", "content-length")):
            return  # no reading of these is the right one
        whole = parse_message(data)
        assert isinstance(whole, Response)
        self.assertEqual((short.status, short.to_bytes()), (whole.status, whole.to_bytes()))
        self.assertEqual(short.transaction(), whole.transaction())
        self.assertEqual(short.next_via(), whole.next_via())
        draft = Draft.of(whole)
        try:
            draft.pop_value("via")
        except SipParseError:
            return
        self.assertEqual(short.without_top_via(), draft.to_bytes())
