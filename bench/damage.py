"""Damage to messages: some octets changed by chance, with a liking for what means something in SIP."""

from collections.abc import Callable, Sequence
from random import Random

_LONGEST = 65_000
_PIECES = (
    b"\r\n", b"\r\n\r\n", b"\r\n ", b" ", b",", b";", b'"', b"\\", b"<", b">", b"(", b"[", b"@", b"%", b"%00", b"\0",
    b"\xff", b"*", b"-1", b"4294967296", b"sip:", b"sips:", b"tel:+1", b";lr", b";tag=", b";branch=z9hG4bK", b"Via: ",
    b";maddr=", b";received=", b"Contact: *\r\n", b"Route: <sip:bench.test;lr>\r\n", b"Content-Length: 99999999999\r\n",
)  # fmt: skip


def damaged(valid: Sequence[bytes], random: Random) -> bytes:
    """Give one of some messages, damaged in some places."""
    data = bytearray(random.choice(valid))
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        random.choice(_WAYS)(data, valid, random)
    return bytes(data[:_LONGEST])


def _change(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    if data:
        data[random.randrange(len(data))] = random.randrange(256)


def _delete(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    at = random.randrange(len(data) + 1)
    del data[at : at + random.choice((1, 1, 5, 50))]


def _insert(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.choice(_PIECES) * random.choice((1, 1, 1, 2, 30, 3000))


def _repeat(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = data[at : at + random.choice((10, 100))] * random.choice((1, 10, 200))


def _repeat_line(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    lines = bytes(data).split(b"\r\n")
    at = random.randrange(len(lines))
    lines[at:at] = [lines[at]] * random.choice((1, 3, 300))
    data[:] = b"\r\n".join(lines)


def _swap_lines(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    lines = bytes(data).split(b"\r\n")
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    data[:] = b"\r\n".join(lines)


def _splice(data: bytearray, valid: Sequence[bytes], random: Random) -> None:
    other = random.choice(valid)
    data[random.randrange(len(data) + 1) :] = other[random.randrange(len(other)) :]


def _truncate(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    del data[random.randrange(len(data) + 1) :]


_WAYS: tuple[Callable[[bytearray, Sequence[bytes], Random], None], ...] = (
    _change, _change, _delete, _insert, _insert, _repeat, _repeat_line, _swap_lines, _splice, _truncate,
)  # fmt: skip
