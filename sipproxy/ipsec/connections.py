"""What charon is told of a peer, and what it tells: VICI messages as values, without a connection.

Names that begin with L{PREFIX} are ours in charon; all others are left alone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sipproxy.ipsec.peers import Ike, Peer

#: What the names of our connections, and the identifiers of our secrets, begin with.
PREFIX = "sipproxy-"
#: The name of the one association that each connection has.
CHILD = "sip"
#: How long a peer may be silent until charon asks whether it lives (RFC 3706, RFC 7296 2.4).
_DPD_DELAY = "10s"
# States of a CHILD_SA in which it carries traffic.
_CARRIES = frozenset({"INSTALLED", "REKEYING", "UPDATING"})
# Words of the lines in charon's log that tell why something has failed, and of those that only sound so.
_TELLING = (
    "error",
    "fail",
    "mismatch",
    "giving up",
    "not found",
    "no matching",
    "no acceptable",
    "no shared",
    "unable",
)
_LOUD = ("NET", "ENC")
_NUMBER = re.compile(r"\[[0-9]+\]|\{[0-9]+\}")


def connection_name(peer: str) -> str:
    """Give the name of a peer's connection."""
    return PREFIX + peer


def peer_name(connection: str) -> str:
    """Give the name of the peer that a connection of ours is for, empty for another's."""
    return connection.removeprefix(PREFIX) if connection.startswith(PREFIX) else ""


def connection(peer: Peer, ports: Sequence[int]) -> dict[str, Any]:
    """Give the message of C{load-conn}.

    @param ports: that the server listens on
    """
    keying = peer.keying
    assert isinstance(keying, Ike)
    local: dict[str, Any] = {"auth": "psk" if keying.secret else "pubkey"}
    remote: dict[str, Any] = {**local, "id": keying.identity}
    if keying.own_identity:
        local["id"] = keying.own_identity
    if keying.certificate:
        local["certs"] = [keying.certificate]
        remote["cacerts"] = list(keying.authorities)
    told: dict[str, Any] = {
        "version": "2",
        "remote_addrs": [peer.address],
        "mobike": "no",
        "dpd_delay": _DPD_DELAY,
        "local": local,
        "remote": remote,
        "children": {CHILD: _child(peer, keying, ports)},
    }
    if peer.own_address:
        told["local_addrs"] = [peer.own_address]
    if keying.proposals:
        told["proposals"] = list(keying.proposals)
    return {connection_name(peer.name): told}


def _child(peer: Peer, keying: Ike, ports: Sequence[int]) -> dict[str, Any]:
    is_sip = peer.selectors == "SIP"
    child: dict[str, Any] = {
        "mode": peer.method.lower(),
        "local_ts": [f"dynamic[udp/{port}]" for port in ports] if is_sip else ["dynamic"],
        # Any port: a telephone sends from one that nobody knows. A peer that protects only one narrows it.
        "remote_ts": ["dynamic[udp]"] if is_sip else ["dynamic"],
        # The server itself tries again, as then it hears why it fails.
        "start_action": "none",
        "close_action": "none",
        "dpd_action": "clear",
    }
    if keying.proposals:
        child["esp_proposals"] = [esp_proposal(proposal) for proposal in keying.proposals]
    return child


def esp_proposal(proposal: str) -> str:
    """Give the proposal for ESP that goes with one for IKE: ESP has no pseudo-random function."""
    return "-".join(token for token in proposal.split("-") if not token.startswith("prf"))


def shared_secret(peer: Peer) -> dict[str, Any]:
    """Give the message of C{load-shared}."""
    keying = peer.keying
    assert isinstance(keying, Ike)
    owners = [keying.identity, *filter(None, [keying.own_identity])]
    return {"id": connection_name(peer.name), "type": "IKE", "data": keying.secret, "owners": owners}


def initiation(peer: str, seconds: float) -> dict[str, str]:
    """Give the message of C{initiate}.

    @param seconds: that it may take
    """
    return {"ike": connection_name(peer), "child": CHILD, "timeout": str(round(seconds * 1000)), "loglevel": "1"}


def termination(peer: str) -> dict[str, str]:
    """Give the message of C{terminate} that tells the peer, and does not wait for one that may be gone."""
    return {"ike": connection_name(peer), "force": "yes", "timeout": "-1"}


def ours(message: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the IKE_SAs of our connections in an event, each with the name of its peer."""
    for name, content in message.items():
        if isinstance(content, dict) and peer_name(name):
            yield peer_name(name), content


def children(ike: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give the CHILD_SAs of an IKE_SA."""
    sections = ike.get("child-sas", {})
    if isinstance(sections, dict):
        yield from (child for child in sections.values() if isinstance(child, dict))


def carries(child: Mapping[str, Any]) -> str:
    """Give the identifier of a CHILD_SA that carries traffic, empty for one that does not."""
    return str(child.get("uniqueid", "")) if child.get("state") in _CARRIES else ""


def described(child: Mapping[str, Any]) -> str:
    """Say in a line what a CHILD_SA is made of."""
    encryption = "-".join(filter(None, [child.get("encr-alg", "?"), child.get("encr-keysize", "")]))
    algorithms = "/".join(filter(None, [encryption, child.get("integ-alg", "")]))
    encapsulated = " in UDP" if child.get("encap") == "yes" else ""
    return f"{child.get('mode', '?').lower()}{encapsulated}, {child.get('protocol', 'ESP')} {algorithms}"


def why(error: str, lines: Sequence[Mapping[str, Any]]) -> str:
    """Say in a line why an initiation has failed.

    @param error: what charon says of it
    @param lines: what it has logged meanwhile
    """
    # Numbers of attempts are left out: the same reason is to be the same text.
    told = [_NUMBER.sub("", str(line.get("msg", ""))) for line in lines if line.get("group") not in _LOUD]
    telling = [text for text in told if any(word in text.lower() for word in _TELLING)]
    return "; ".join(dict.fromkeys([*telling[-2:], error]))
