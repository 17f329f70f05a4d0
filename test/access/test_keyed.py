"""Tests of L{sipproxy.access.keyed}."""

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.access.keyed import KEY_SIZE, dialog_key, is_dialog_key, is_pass_key, make_secret, pass_key

from .fixtures import NOW, request

SECRET = make_secret(Random(1))


class DialogKeyTests(SynchronousTestCase):
    """Keys of dialogs."""

    def test_both_sides(self) -> None:
        """The key holds for later requests of either side, in any case."""
        key = dialog_key(SECRET, request())
        self.assertRegex(key, rb"^[0-9a-f]{%d}$" % KEY_SIZE)
        for from_, to in (("f1", "t1"), ("t1", "f1")):
            later = request(
                method="BYE", from_=f"<sip:bob@example.com>;tag={from_}", to=f"<sip:alice@a>;tag={to}", cseq=7
            )
            self.assertTrue(is_dialog_key(SECRET, later, key))
            self.assertTrue(is_dialog_key(SECRET, later, key.upper()))

    def test_others(self) -> None:
        """It does not hold without a To tag, for other calls and people, and with another secret."""
        key = dialog_key(SECRET, request())
        in_dialog = "<sip:alice@a>;tag=t1"
        self.assertFalse(is_dialog_key(SECRET, request(), key))
        self.assertFalse(is_dialog_key(SECRET, request(to=in_dialog, call_id="c2"), key))
        self.assertFalse(is_dialog_key(SECRET, request(to=in_dialog, from_="<sip:bob@a>;tag=f2"), key))
        self.assertFalse(is_dialog_key(make_secret(Random(2)), request(to=in_dialog), key))
        for wrong in (b"", key[:-1], b"\xff" * KEY_SIZE):
            self.assertFalse(is_dialog_key(SECRET, request(to=in_dialog), wrong))


class PassKeyTests(SynchronousTestCase):
    """Keys of passes."""

    def test_spiral(self) -> None:
        """The key holds for the same request with another target, for some minutes."""
        key = pass_key(SECRET, request(), NOW)
        spiral = request(uri="sip:carol@example.com")
        for later in (0, 200, 600):
            self.assertTrue(is_pass_key(SECRET, spiral, key, NOW + later))
        self.assertFalse(is_pass_key(SECRET, spiral, key, NOW + 1201))

    def test_others(self) -> None:
        """It does not hold for other requests of the call, for other calls, or as the key of a dialog."""
        key = pass_key(SECRET, request(), NOW)
        for other in (request(cseq=2), request(method="REGISTER"), request(call_id="c2")):
            self.assertFalse(is_pass_key(SECRET, other, key, NOW))
        self.assertFalse(is_pass_key(SECRET, request(), dialog_key(SECRET, request()), NOW))
