"""What a DNS reply says: names, the CNAME chain, how long to believe it.

Pure functions over the record types of C{twisted.names.dns}.  RFC 1034 3.6.2
(aliases), RFC 2181 5.2 and 8 (TTL), RFC 2308 (no such name, no such record).
"""

import re
from collections.abc import Sequence
from typing import Any

from twisted.names import dns

from sipproxy.errors import NameNotFoundError

# RFC 1034 sets no limit; a chain longer than this is a mistake or an attack.
MAX_ALIASES = 8

# RFC 8767 4 recommends a cap on the order of days to weeks.
MAX_TTL = 604_800

_MAX_NAME = 253
# RFC 1123 2.1, and the underscore of service names (RFC 2782).
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def canonical_name(name: str) -> str:
    """Give a name in the form in which it is asked and remembered: lower case, no trailing dot.

    @raise NameNotFoundError: no such name can exist: too long, or of octets that are in no host name
    """
    canonical = name.lower().removesuffix(".")
    if not name.isascii() or len(canonical) > _MAX_NAME or not all(map(_LABEL.fullmatch, canonical.split("."))):
        raise NameNotFoundError(f"{name[:_MAX_NAME]!r} is not a host name")
    return canonical


def follow(chain: list[str], record_type: int, answers: Sequence[dns.RRHeader]) -> "tuple[list[Any], int]":
    """Follow the aliases of an answer section.

    @param chain: names so far, the last one asked for; the aliases followed are appended
    @return: the records of the wanted type at the end of the chain as served, perhaps
        none, and the seconds that chain and records may be believed
    @raise NameNotFoundError: the chain is a loop or too long
    """
    ttl = MAX_TTL
    while True:
        owned = [answer for answer in answers if _name(answer.name) == chain[-1]]
        wanted = [answer for answer in owned if answer.type == record_type]
        ttl = min([ttl, *map(_ttl, wanted)])
        if wanted:
            return [answer.payload for answer in wanted], ttl
        aliases = [answer for answer in owned if answer.type == dns.CNAME]
        if not aliases:
            return [], ttl
        ttl = min(ttl, _ttl(aliases[0]))
        alias: Any = aliases[0].payload
        target = _name(alias.name)
        if target in chain or len(chain) > MAX_ALIASES:
            raise NameNotFoundError(f"{chain[0]}: the aliases have no end")
        chain.append(target)


def absence_ttl(authority: Sequence[dns.RRHeader]) -> "int | None":
    """Give the seconds that an absence may be believed (RFC 2308 5), None where no SOA record says it."""
    for record in authority:
        if isinstance(record.payload, dns.Record_SOA):
            return min(_ttl(record), int(record.payload.minimum))
    return None


def _name(name: dns.Name) -> str:
    return name.name.decode("latin-1").lower().removesuffix(".")


def _ttl(record: dns.RRHeader) -> int:
    # RFC 2181 8: "Implementations should treat TTL values received with the most significant bit set as if ... zero."
    ttl = int(record.ttl)
    return ttl if ttl < 2**31 else 0
