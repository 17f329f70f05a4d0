"""Short keys that we write into what comes back to us, so that it need not authenticate again. Pure.

The key of a dialog stands in our Record-Route: whoever sends a request back
over it with a To tag has seen a request that was admitted. The key of a pass
stands in our branch: a spiral shows it in one of its Vias.

A key proves that its bearer saw the message, and no more: a callee can send
requests within the dialog, and can send an INVITE back to us for another
target, as whoever forwards calls does. So a key is bound to the call, and that
of a pass also to the transaction and to some minutes.

Keys are hexadecimal digits: they stand in a URI parameter and in a branch
without escapes, and survive peers that change their case.
"""

from hashlib import blake2b
from hmac import compare_digest
from random import Random

from sipproxy.message import Request

#: Characters of a key.
KEY_SIZE = 16
#: Seconds that the key of a pass holds for at least, and twice that at most.
PASS_LIFETIME = 600


def make_secret(random: Random) -> bytes:
    """Draw the secret of a server; after a restart its old keys are worth nothing."""
    return random.getrandbits(256).to_bytes(32, "big")


def dialog_key(secret: bytes, request: Request) -> bytes:
    """Make the key for the Record-Route of an admitted request that may begin a dialog."""
    return _dialog_key(secret, request.call_id, request.from_.tag)


def is_dialog_key(secret: bytes, request: Request, key: bytes) -> bool:
    """Tell whether a key that came back was made for the dialog of a request, whichever side sends it."""
    if not request.to.tag:
        return False
    key = key.lower()
    by_caller = compare_digest(_dialog_key(secret, request.call_id, request.from_.tag), key)
    return by_caller or compare_digest(_dialog_key(secret, request.call_id, request.to.tag), key)


def pass_key(secret: bytes, request: Request, now: float) -> bytes:
    """Make the key for the branch of an admitted request.

    @param now: seconds since 1970
    """
    return _pass_key(secret, request, int(now // PASS_LIFETIME))


def is_pass_key(secret: bytes, request: Request, key: bytes, now: float) -> bool:
    """Tell whether a key that came back was made for an earlier pass of a request.

    @param now: seconds since 1970
    """
    key, period = key.lower(), int(now // PASS_LIFETIME)
    recent = compare_digest(_pass_key(secret, request, period), key)
    return recent or compare_digest(_pass_key(secret, request, period - 1), key)


def _dialog_key(secret: bytes, call_id: bytes, tag: bytes) -> bytes:
    # An empty tag is that of an RFC 2543 peer: then the Call-ID alone tells the dialog.
    return _key(secret, b"dialog", call_id, tag)


def _pass_key(secret: bytes, request: Request, period: int) -> bytes:
    number, method = request.cseq
    return _key(secret, b"pass", request.call_id, request.from_.tag, b"%d %b %d" % (number, method, period))


def _key(secret: bytes, purpose: bytes, *parts: bytes) -> bytes:
    # Only the Call-ID, which stands first, might hold a NUL: parts cannot run into each other.
    digest = blake2b(b"\0".join(parts), key=secret, person=purpose, digest_size=KEY_SIZE // 2)
    return digest.hexdigest().encode("ascii")
