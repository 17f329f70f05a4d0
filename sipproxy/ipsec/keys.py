"""Files with keys: whose they are to read, and what stands in them.

The keys of a manual association stand in hexadecimal, with C{0x} before it or without, on one line or on two; what
follows a C{#} does not count::

    # encryption                       authentication
    0123456789abcdef0123456789abcdef   0123...ef         for what comes in, and where it is the only line for both
    fedcba9876543210fedcba9876543210   fedc...10         for what goes out
"""

import re
import stat
from pathlib import Path
from typing import NamedTuple

from sipproxy.errors import SipproxyError

#: Octets of a file, at most: a wrong path may lead to anything.
LONGEST = 65_536
#: Octets of a preshared key, at most.
LONGEST_SECRET = 1024

_HEXADECIMAL = re.compile(rb"(?:0[xX])?((?:[0-9A-Fa-f]{2})+)")


class KeyFileError(SipproxyError):
    """A file with a key or a certificate that cannot be used; the text is what is expected instead."""


class Algorithm(NamedTuple):
    """What a manual association may be keyed for.

    @ivar lengths: octets that its key may have
    """

    name: str
    lengths: tuple[int, ...]


#: RFC 8221 section 5, without those that must not be used with manual keys, as their counters would repeat.
ENCRYPTIONS = {"aes-cbc": Algorithm("aes-cbc", (16, 24, 32))}
#: RFC 4868 2.1.1: the key is as long as the hash.
AUTHENTICATIONS = {
    "hmac-sha256": Algorithm("hmac-sha256", (32,)),
    "hmac-sha384": Algorithm("hmac-sha384", (48,)),
    "hmac-sha512": Algorithm("hmac-sha512", (64,)),
}


class Keys(NamedTuple):
    """The keys of one direction, in hexadecimal."""

    encryption: str
    authentication: str

    def __repr__(self) -> str:
        return "<Keys>"


def read_file(file: Path) -> bytes:
    """Give the content of a file that everybody may read.

    @raise KeyFileError: it cannot be read, is empty or too long
    """
    try:
        # Looked at first, as to open a pipe would wait for its other end.
        if not stat.S_ISREG(file.stat().st_mode):
            raise KeyFileError(f"{file} to be a file")
        with open(file, "rb") as opened:
            content = opened.read(LONGEST + 1)
    except OSError as error:
        raise KeyFileError(f"a file that can be read ({file}: {error.strerror})") from error
    if not content.strip() or len(content) > LONGEST:
        raise KeyFileError(f"1 to {LONGEST} octets in {file}")
    return content


def read_private(file: Path) -> bytes:
    """Give the content of a file that is nobody else's business.

    @raise KeyFileError: it cannot be read, or others could read or write it
    """
    content = read_file(file)
    if file.stat().st_mode & stat.S_IRWXO:
        raise KeyFileError(f"a file that others cannot read (chmod o-rwx {file})")
    return content


def read_secret(file: Path) -> bytes:
    """Give a preshared key; one final line end is not part of it.

    @raise KeyFileError: there is none, or others could read it
    """
    content = read_private(file)
    secret = content[:-2] if content.endswith(b"\r\n") else content.removesuffix(b"\n")
    if not 0 < len(secret) <= LONGEST_SECRET:
        raise KeyFileError(f"a key of 1 to {LONGEST_SECRET} octets in {file}")
    return secret


def read_private_key(file: Path) -> bytes:
    """Give the private key of a certificate, PEM or DER.

    @raise KeyFileError: there is none, others could read it, or it wants a passphrase
    """
    content = read_private(file)
    if b"ENCRYPTED" in content:
        raise KeyFileError(f"a private key without a passphrase in {file}")
    return content


def read_keys(file: Path, encryption: str, authentication: str) -> tuple[Keys, Keys]:
    """Give the keys of a manual association: for what comes in, and for what goes out.

    @param encryption: one of L{ENCRYPTIONS}
    @param authentication: one of L{AUTHENTICATIONS}
    @raise KeyFileError: there are none for these algorithms, or others could read them
    """
    lines = [line.partition(b"#")[0].split() for line in read_private(file).splitlines()]
    algorithms = ENCRYPTIONS[encryption], AUTHENTICATIONS[authentication]
    found = [_read_line(line, algorithms, file) for line in lines if line]
    if not 1 <= len(found) <= 2:
        raise KeyFileError(f"one line of keys in {file}, or two")
    return found[0], found[-1]


def _read_line(line: list[bytes], algorithms: tuple[Algorithm, Algorithm], file: Path) -> Keys:
    if len(line) != len(algorithms):
        raise KeyFileError(f"two keys in a line of {file}")
    return Keys(*(_read_key(word, algorithm, file) for word, algorithm in zip(line, algorithms, strict=True)))


def _read_key(word: bytes, algorithm: Algorithm, file: Path) -> str:
    found = _HEXADECIMAL.fullmatch(word)
    if found is None or len(found[1]) // 2 not in algorithm.lengths:
        lengths = " or ".join(map(str, algorithm.lengths))
        raise KeyFileError(f"a key of {lengths} octets in hexadecimal for {algorithm.name} in {file}")
    return found[1].decode("ascii").lower()
