"""Where a LocationConfirm says that a call may go."""

from ipaddress import ip_address

from sipproxy.wire.h225.aliases import Address
from sipproxy.wire.h225.locations import Alternate, LocationConfirm

#: Behind the highest priority that an alternate can have.
_NO_PRIORITY = 128


def call_addresses(confirm: LocationConfirm) -> list[Address]:
    """Give the addresses for calls: its own, then those of its alternates, the lowest priority first.

    An alternate that says no priority comes behind those that do. Addresses that
    no call can be sent to (unspecified, multicast, broadcast) are left out, and
    so are repetitions.
    """
    alternates = sorted(confirm.alternates, key=_priority)
    own = () if confirm.signal_address is None else (confirm.signal_address,)
    named = [*own, *(address for alternate in alternates for address in alternate.signal_addresses)]
    return [address for address in dict.fromkeys(named) if _can_be_called(address[0])]


def _priority(alternate: Alternate) -> int:
    return _NO_PRIORITY if alternate.priority is None else alternate.priority


def _can_be_called(host: str) -> bool:
    address = ip_address(host)
    return not (address.is_unspecified or address.is_multicast or host == "255.255.255.255")
