"""Records as octets: what is sent of them to RADIUS servers (RFC 2866 4.1). *Pure*.

What all records of a call say is written once, and kept with the call.
"""

from collections.abc import Sequence

from sipproxy.accounting.call import Call
from sipproxy.accounting.records import common_attributes, own_attributes
from sipproxy.wire.radius import Attribute, Packer


class RecordPacker:
    """Writes records."""

    def __init__(self, packer: Packer, nas: Sequence[Attribute]) -> None:
        """
        @param nas: who sends them, see L{sipproxy.wire.radius.nas_attributes}
        """
        self._packer = packer
        self._nas = tuple(nas)

    def pack(self, call: Call, kind: int, delay: int) -> bytes:
        """Write a record.

        @param kind: C{START}, C{INTERIM} or C{STOP}
        @param delay: seconds since what it tells of; it changes with every sending (RFC 2866 5.2)
        """
        if not call.packed:
            call.packed = self._packer.pack(common_attributes(call, self._nas))
        told = own_attributes(call, kind)
        told.append(("Acct-Delay-Time", delay))
        return self._packer.pack(told) + call.packed
