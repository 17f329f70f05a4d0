"""Records as octets: what is sent of them to RADIUS servers (RFC 2866 4.1). *Pure*.

What all records of a call say is written once, and kept with the call; what all
records say, or all of one kind, is written once for all.
"""

from collections.abc import Iterable, Sequence

from sipproxy.accounting.call import KINDS, Call
from sipproxy.accounting.records import (
    ATTEMPT,
    NAMES,
    attempt_of,
    cisco_texts,
    octets,
    own_cisco_texts,
    own_standard_values,
    shortened,
    standard_texts,
)
from sipproxy.wire.radius import Attribute, Packer


class RecordPacker:
    """Writes records."""

    def __init__(self, packer: Packer, nas: Sequence[Attribute]) -> None:
        """
        @param nas: who sends them, see L{sipproxy.wire.radius.nas_attributes}
        """
        self._packer = packer
        self._nas = packer.pack(nas)
        self._kinds = {kind: packer.pack([("Acct-Status-Type", NAMES[kind])]) for kind in KINDS}
        self._heads: dict[str, tuple[bytes, ...]] = {}

    def pack(self, call: Call, kind: int, delay: int) -> bytes:
        """Write a record.

        @param kind: C{START}, C{INTERIM} or C{STOP}
        @param delay: seconds since what it tells of; it changes with every sending (RFC 2866 5.2)
        """
        if not call.packed:
            call.packed = self._common(call)
        numbers: list[Attribute] = [*own_standard_values(call, kind), ("Acct-Delay-Time", delay)]
        texts = self._labelled(own_cisco_texts(call, kind))
        return b"".join((self._kinds[kind], self._packer.pack(numbers), texts, call.packed))

    def _common(self, call: Call) -> bytes:
        """Write what all records of a call say."""
        texts: list[Attribute] = [(name, octets(text)) for name, text in standard_texts(call)]
        cisco = [*cisco_texts(call), (ATTEMPT, attempt_of(call))]
        return b"".join((self._packer.pack(texts), self._nas, self._labelled(cisco)))

    def _labelled(self, texts: Iterable[tuple[str, str]]) -> bytes:
        """Write attributes of Cisco's, whose values begin with a name."""
        parts: list[bytes] = []
        for name, text in texts:
            heads = self._heads.get(name) or self._learn(name)
            value = octets(text)
            if len(value) >= len(heads):
                value = shortened(name, value, len(heads) - 1)
            parts.append(heads[len(value)])
            parts.append(value)
        return b"".join(parts)

    def _learn(self, name: str) -> tuple[bytes, ...]:
        attribute = "Cisco-AVPair" if name == ATTEMPT else name
        heads = self._heads[name] = self._packer.heads(attribute, f"{name}=".encode("ascii"))
        return heads
