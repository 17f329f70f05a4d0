"""The directives of the server itself: where it lives, listens and how it ends."""

import ipaddress
import socket
from pathlib import Path

from sipproxy.config import (
    Computed,
    Directive,
    Listen,
    Module,
    address_port,
    host,
    hosts,
    joined,
    listen,
    networks,
    on_off,
    path,
    repeated,
    seconds,
    whole,
)
from sipproxy.config.kinds import one_word

_ADVERTISED = address_port(0)


def _parse_advertised(word: str) -> tuple[str, int]:
    """Read what others shall send to; that is never the address that stands for all.

    @raise ValueError: it is none
    """
    place = _ADVERTISED.parse((word,))
    if place[0] in ("0.0.0.0", "::"):
        raise ValueError("a host that others can send to")
    return place


SERVER_ROOT: Directive[Path] = Directive(
    "ServerRoot",
    path(),
    Path(),
    "The folder that relative paths start at; its own path starts at the folder of the configuration file.",
)
PID_FILE: Directive[Path] = Directive(
    "PidFile", path(), Path("logs/sipd.pid"), "Where the process number is written once the ports are open."
)
LOCK_FILE: Directive[Path] = Directive(
    "LockFile", path(), Path("logs/accept.lock"), "Locked while the server runs, so that a second one does not start."
)
LISTEN = Directive(
    "Listen", repeated(listen()), (Listen(None, 5060),), "A port to listen on, on one address or all of them."
)
ADVERTISED: Directive[tuple[str, int] | None] = Directive(
    "AdvertisedAddress",
    one_word(_parse_advertised, _ADVERTISED.expected, _ADVERTISED.syntax, show=_ADVERTISED.show),
    None,
    "What Via and Record-Route say, for a server behind NAT; without a port that of the Listen.",
)
RECEIVE_BUFFER = Directive(
    "ReceiveBufferSize",
    whole(minimum=4096, maximum=2**30),
    4_194_304,
    "Octets of receive buffer to ask for; what was given is in the error log.",
)
DSCP = Directive("DSCP", whole(maximum=63), 24, "Differentiated Services code point of what is sent (RFC 2474).")
ALLOW_FROM = Directive(
    "AllowFrom",
    joined(networks()),
    (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")),
    "Who may send requests at all.",
)
DENY_FROM = Directive("DenyFrom", joined(networks()), (), "Who may not, even where AllowFrom allows it.")
DENY_SILENTLY = Directive("DenySilently", on_off(), False, "Drop what is refused instead of answering 403.")
GRACEFUL_STOP = Directive(
    "GracefulStopInS", seconds(), 5.0, "How long requests that are being dealt with may take when the server stops."
)
EXPLAIN_HISTORY = Directive(
    "ExplainHistory", whole(maximum=1_000_000), 10_000, "Finished calls of which it is kept why they went where."
)
SERVER_NAME = Directive(
    "ServerName",
    host(),
    Computed(lambda _: socket.gethostname().lower(), "the machine's name"),
    "This server's own name.",
)
SERVER_ALIAS = Directive("ServerAlias", joined(hosts()), (), "Further names and addresses that are this server.")
MAX_TRANSACTIONS = Directive(
    "MaxTransactions", whole(minimum=1), 200_000, "Transactions at one time; more is answered 503 with Retry-After."
)

START_SERVERS = Directive(
    "StartServers",
    whole(minimum=1, maximum=64),
    1,
    "Processes that serve SIP; with more than one each has a port of its own above the Listen, which its Via names.",
)

MODULE = Module(
    "core",
    (
        SERVER_ROOT,
        PID_FILE,
        LOCK_FILE,
        LISTEN,
        ADVERTISED,
        RECEIVE_BUFFER,
        DSCP,
        ALLOW_FROM,
        DENY_FROM,
        DENY_SILENTLY,
        GRACEFUL_STOP,
        EXPLAIN_HISTORY,
        SERVER_NAME,
        SERVER_ALIAS,
        MAX_TRANSACTIONS,
        START_SERVERS,
    ),
)
