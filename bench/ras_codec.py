"""CPU time of RAS messages, and of damaged ones: is one slow, does one raise what it should not?

    python -m bench.ras_codec [--datagrams 100000] [--seed 225] [--limit-ms 5]

Messages of every kind, large ones among them, are decoded and encoded; then
datagrams are made from them by damage, with a seed, and decoded. Each must give
a message or a DecodeError, within the limit. What is slow is timed again, as
the first figure may be an interrupt's. Ends with status 1 if one is not so.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random
from typing import NamedTuple

from sipproxy.wire import per
from sipproxy.wire.h225.addresses import PartyNumber
from sipproxy.wire.h225.messages import (
    DIALLED_DIGITS,
    EMAIL_ID,
    H323_ID,
    REASONS,
    URL_ID,
    Alias,
    Alternate,
    DecodeError,
    LocationConfirm,
    LocationReject,
    LocationRequest,
    Message,
    NonStandard,
    RequestInProgress,
    decode,
    encode,
)

_GATEWAY = ("192.0.2.1", 1720)
_SIXTH = ("2001:db8::1", 1720)
_GUID = bytes(range(16))
_LONGEST = 65_000
_AGAIN = 5
_ROUNDS = 200


class Outcome(NamedTuple):
    """What came of damaged datagrams.

    @ivar datagrams: how many there were
    @ivar messages: how many were messages after all
    @ivar mean: microseconds for one
    @ivar slowest: microseconds of the slowest one, the least of some trials
    @ivar slowest_datagram: that one
    @ivar faults: for each type of exception that is no DecodeError a datagram that raised it
    """

    datagrams: int
    messages: int
    mean: float
    slowest: float
    slowest_datagram: bytes
    faults: dict[str, bytes]


def messages() -> dict[str, Message]:
    """Give messages of every kind, by name. The last ones are as costly as they may be."""
    source = (Alias(DIALLED_DIGITS, "4085559999"), Alias(H323_ID, "sps1"), Alias(URL_ID, "sip:a@example.com"))
    party = per.Codec(PartyNumber())
    number = {"publicTypeOfNumber": ("internationalNumber", None), "publicNumberDigits": "14085551234"}
    parties = (Alias("partyNumber", "", party.encode(("e164Number", number))),)
    alternate = Alternate(1, (_GATEWAY, _SIXTH), (Alias(EMAIL_ID, "gw@example.com"),), (_GATEWAY,), ("1#", "2#"))
    rejects = {f"LRJ {reason}": LocationReject(2046, reason) for reason in REASONS}
    maker = NonStandard((181, 0, 18), bytes(40))
    return {
        "LRQ": LocationRequest(1, "14085551234", _GATEWAY, hop_count=6, ttl=6),
        "LRQ, Cisco's data": LocationRequest(
            2046,
            "1#14085551234",
            _SIXTH,
            True,
            6,
            6,
            "gk1",
            source,
            _GUID,
            _GUID,
            b"\x74\x0d\x01\x00\x8f4085290000",
            0x81,
            source,
            "Alice",
            kept=(("genericData", b"\1\0\0\1"),),
        ),
        "LCF": LocationConfirm(1, _GATEWAY, _GATEWAY, source[:1]),
        "LCF, 3 alternates": LocationConfirm(2046, _GATEWAY, _SIXTH, source, (alternate,) * 3, ("1#",), maker),
        "RIP": RequestInProgress(2046, 6000, maker),
        **rejects,
        "LCF, 12 alternates": LocationConfirm(7, _GATEWAY, _GATEWAY, source, (alternate,) * 12),
        "LRQ, 290 aliases": LocationRequest(7, "1", _GATEWAY, source=parties * 290),
        "LCF, 60 alternates": LocationConfirm(7, _SIXTH, _SIXTH, (), (Alternate(1, (_SIXTH,)),) * 60),
        "LCF, 290 empty alternates": LocationConfirm(7, _SIXTH, _SIXTH, (), (Alternate(None, ()),) * 290),
        "LCF, 140 prefixes": LocationConfirm(7, _SIXTH, _SIXTH, prefixes=tuple(f"{n}#" for n in range(140))),
    }


def damaged(valid: Sequence[bytes], random: Random) -> bytes:
    """Give one of some datagrams, damaged in some places."""
    data = bytearray(random.choice(valid))
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        random.choice(_WAYS)(data, valid, random)
    return bytes(data[:_LONGEST])


def _change(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    if data:
        data[random.randrange(len(data))] = random.randrange(256)


def _flip(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _delete(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    at = random.randrange(len(data) + 1)
    del data[at : at + random.choice((1, 1, 5, 50))]


def _insert(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.choice((b"\0", b"\xff", b"\x80", b"\xbf\xff", b"\xc4", b"\x7f")) * random.choice((1, 2, 9000))


def _repeat(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = data[at : at + random.choice((4, 10, 100))] * random.choice((1, 10, 500))


def _splice(data: bytearray, valid: Sequence[bytes], random: Random) -> None:
    other = random.choice(valid)
    data[random.randrange(len(data) + 1) :] = other[random.randrange(len(other)) :]


def _truncate(data: bytearray, _: Sequence[bytes], random: Random) -> None:
    del data[random.randrange(len(data) + 1) :]


_WAYS: tuple[Callable[[bytearray, Sequence[bytes], Random], None], ...] = (
    _change, _change, _flip, _flip, _delete, _insert, _repeat, _splice, _truncate,
)  # fmt: skip


def fuzz(count: int, seed: int) -> Outcome:
    """Decode damaged datagrams."""
    random = Random(seed)
    valid = [encode(message) for message in messages().values()]
    faults: dict[str, bytes] = {}
    spent = readable = slowest = 0
    worst = b""
    for _ in range(count):
        datagram = damaged(valid, random)
        took, result = _time(datagram)
        spent += took
        readable += result == "message"
        if result not in ("message", "DecodeError"):
            faults.setdefault(result, datagram)
        if took > slowest:
            again = min(_time(datagram)[0] for _ in range(_AGAIN))
            if again > slowest:
                slowest, worst = again, datagram
    return Outcome(count, readable, spent / count / 1000, slowest / 1000, worst, faults)


def _time(datagram: bytes) -> tuple[int, str]:
    """Give the nanoseconds that decoding takes, and what came of it."""
    result = "message"
    begun = time.thread_time_ns()
    try:
        decode(datagram)
    except DecodeError:
        result = "DecodeError"
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        result = type(error).__name__
    return time.thread_time_ns() - begun, result


def costs() -> Iterator[tuple[str, int, float, float]]:
    """Give for each message its name, its octets, and microseconds to decode and to encode it."""
    for name, message in messages().items():
        datagram = encode(message)
        yield name, len(datagram), _mean(partial(decode, datagram)), _mean(partial(encode, message))


def _mean(work: Callable[[], object]) -> float:
    begun = time.thread_time_ns()
    for _ in range(_ROUNDS):
        work()
    return (time.thread_time_ns() - begun) / _ROUNDS / 1000


def main(arguments: Sequence[str]) -> int:
    """Print figures.

    @return: the exit status
    """
    parser = argparse.ArgumentParser(prog="python -m bench.ras_codec", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--datagrams", type=int, default=100_000, help="damaged datagrams")
    parser.add_argument("--seed", type=int, default=225, help="seed of their damage")
    parser.add_argument("--limit-ms", type=float, default=5, help="the most that one may take, in ms of CPU time")
    options = parser.parse_args(arguments)
    print(f"{'message':45} octets  decode  encode (us)")
    for name, octets, decoding, encoding in costs():
        print(f"{name:45} {octets:6} {decoding:7.0f} {encoding:7.0f}")
    outcome = fuzz(options.datagrams, options.seed)
    print(f"damaged: {outcome.datagrams}, of which messages: {outcome.messages}; mean {outcome.mean:.0f} us")
    print(f"slowest: {outcome.slowest:.0f} us, {len(outcome.slowest_datagram)} octets")
    if outcome.slowest > 1000 * options.limit_ms:
        print(f"  above {options.limit_ms:g} ms: {outcome.slowest_datagram.hex():.2000}")
    for name, datagram in outcome.faults.items():
        print(f"{name}: {datagram.hex():.2000}")
    return 1 if outcome.faults or outcome.slowest > 1000 * options.limit_ms else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
