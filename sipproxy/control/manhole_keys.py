"""Keys of the manhole: those that may log in, and its own.

Who may log in stands in a file in the form of OpenSSH's authorized_keys (sshd(8)),
without options: a line that restricts its key is refused rather than taken
without the restriction. The own key is made at the first start.
"""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import BadKeyError, FingerprintFormats, Key

from sipproxy.errors import ListenError, SipproxyError

# Octets of a file with keys, at most: a wrong path may lead to anything.
_LONGEST = 1 << 20
_KINDS = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-")
_COMMENT = b"sipproxy manhole"


class KeyFileError(SipproxyError):
    """A file with keys that cannot be used; the text is one line for the operator."""


class AuthorizedKey(NamedTuple):
    """A key that may log in.

    @ivar name: what stands behind it in the file, else its fingerprint
    """

    key: Key
    name: str


def fingerprint(key: Key) -> str:
    """Give the fingerprint of a key as OpenSSH writes it."""
    text: str = key.fingerprint(FingerprintFormats.SHA256_BASE64)
    return f"SHA256:{text.rstrip('=')}"


def read_key(octets: bytes, form: str | None = None) -> Key:
    """Read a key.

    @param form: C{"blob"}, C{"public_openssh"}, or None for whatever it is
    @raise BadKeyError: it is none, or of a kind that is not known
    """
    try:
        key: Key = Key.fromString(octets, form)
    except Exception as error:  # noqa: BLE001 - Twisted's reader lets out what comes up in it, whatever that is
        raise BadKeyError(str(error)) from None
    return key


def read_authorized_keys(path: Path) -> list[AuthorizedKey]:
    """Give the keys that may log in.

    @raise KeyFileError: the file cannot be read, others may write to it, or there is something else in it
    """
    found = []
    for number, line in enumerate(_read(path, stat.S_IWGRP | stat.S_IWOTH, "may be written by others"), 1):
        line = line.strip()
        if not line or line.startswith(b"#"):
            continue
        if not line.startswith(_KINDS):
            raise KeyFileError(f"{path}:{number} does not begin with the type of a key; options are not known")
        try:
            key = read_key(line, "public_openssh")
        except BadKeyError:
            raise KeyFileError(f"{path}:{number} is no public key") from None
        comment = line.split(None, 2)[2:]
        found.append(AuthorizedKey(key, comment[0].decode("utf-8", "replace") if comment else fingerprint(key)))
    if not found:
        raise KeyFileError(f"{path} has no key")
    return found


def host_key(path: Path) -> Key:
    """Give the server's own key; where there is none yet it is made.

    @raise ListenError: it cannot be read or made, or others may read it
    """
    try:
        if not path.exists():
            _make(path)
        lines = _read(path, stat.S_IRWXG | stat.S_IRWXO, "may be read by others")
        key = read_key(b"\n".join(lines) + b"\n")
    except KeyFileError as error:
        raise ListenError(f"manhole: {error}") from None
    except BadKeyError:
        raise ListenError(f"manhole: {path} is no private key without a passphrase") from None
    except OSError as error:
        raise ListenError(f"manhole: {path} cannot be made: {error.strerror}") from None
    if key.isPublic():
        raise ListenError(f"manhole: {path} is a public key")
    return key


def _make(path: Path) -> None:
    """Make a key and its file; a file that another process has made meanwhile stays."""
    text = Key(Ed25519PrivateKey.generate()).toString("openssh", comment=_COMMENT)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    # It has its mode before there is anything in it, and its name when all of it is there.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(descriptor)
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()


def _read(path: Path, forbidden: int, why: str) -> list[bytes]:
    """Give the lines of a file.

    @param forbidden: bits that its mode must not have
    @param why: what is wrong where it has one
    @raise KeyFileError: it cannot be read, or has one
    """
    try:
        # Looked at first, as to open a pipe would wait for its other end.
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise KeyFileError(f"{path} is no file")
        if found.st_mode & forbidden:
            raise KeyFileError(f"{path} {why}")
        with open(path, "rb") as opened:
            content = opened.read(_LONGEST + 1)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > _LONGEST:
        raise KeyFileError(f"{path} has more than {_LONGEST} octets")
    return content.splitlines()
