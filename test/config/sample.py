"""Declarations that the tests of the configuration share, and a base class that reads files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import (
    Block,
    Computed,
    ConfigError,
    Directive,
    Listen,
    Module,
    Problem,
    Settings,
    address_port,
    each,
    host,
    hosts,
    joined,
    listen,
    load,
    milliseconds,
    networks,
    on_off,
    one_of,
    path,
    repeated,
    seconds,
    text,
    whole,
    words,
)


def two_words(given: Sequence[str]) -> tuple[str, str]:
    """Read two words."""
    if len(given) != 2:
        raise ValueError("exactly two words")
    return given[0], given[1]


SERVER_ROOT = Directive("ServerRoot", path(), Path(), "Base of relative paths.")
SERVER_NAME = Directive("ServerName", host(), "proxy.example", "This server's own name.")
SERVER_ALIAS = Directive("ServerAlias", joined(hosts()), (), "Further names.")
LISTEN = Directive("Listen", repeated(listen()), (Listen(None, 5060),), "Where requests come in.")
ERROR_LOG = Directive("ErrorLog", path(keywords=("syslog", "stderr")), Path("logs/error_log"), "Where errors go.")
LOG_FORMAT = Directive("LogFormat", repeated(each(text())), (), "A format.")
ALLOW_FROM = Directive("AllowFrom", joined(networks()), networks().parse(["all"]), "Who may send requests.")

SIP_T1 = Directive("SIPT1InMs", milliseconds(minimum=1), 0.5, "Estimate of the round-trip time (RFC 3261 17.1.1.1).")
SIP_T2 = Directive("SIPT2InMs", milliseconds(minimum=1), 4.0, "The longest interval of retransmission.")
MODE = Directive("SIPServerMode", one_of("Proxy", "Redirect"), "Proxy", "What becomes of requests.")
STATEFUL = Directive("StatefulServer", on_off(), True, "Whether transactions are kept.")
PROXY_DOMAIN = Directive(
    "ProxyDomain", joined(hosts()), Computed(lambda settings: (settings[SERVER_NAME],), "ServerName"), "Our domains."
)
NUM_EXPAND = Directive("NumExpand", repeated(words(two_words, "a pattern and its expansion")), (), "Completes numbers.")
SPOOL = Directive("AccountingFile", path(), None, "Records as JSON lines.")
DNS_SERVERS = Directive("DNSServers", each(address_port(53)), None, "Who is asked.")
HOLD_DOWN = Directive("NextHopHoldDownInS", seconds(), 30.0, "How long a failed next hop is passed over.")

NEXT_HOP = Directive("Static_Route_NextHop", host(), None, "Where calls go.")
NEXT_HOP_PORT = Directive("Static_Route_NextHopPort", whole(0, 65535), 0, "Its port.")
REWRITE_FILE = Directive("Static_Route_File", path(), Path("data/rewrite"), "A file.")
ROUTE = Block(
    "StaticRoute",
    words(two_words, "E164 or Domain, and a pattern"),
    (NEXT_HOP, NEXT_HOP_PORT, REWRITE_FILE),
    "A route.",
)
GATEKEEPER = Directive("RASGatekeeper", repeated(words(two_words, "HOST PORT")), (), "A gatekeeper.")
CLUSTER = Block("RASGateKeeperCluster", whole(1), (GATEKEEPER,), "Gatekeepers of one priority.")


def check_timers(settings: Settings) -> Iterator[Problem]:
    """Find the problems between timers."""
    if settings[SIP_T2] < settings[SIP_T1]:
        yield settings.error(SIP_T2, "no less than SIPT1InMs")
    if settings[SIP_T1] < 0.1:
        yield settings.warning(SIP_T1, "100 or more")


def check_routes(settings: Settings) -> Iterator[Problem]:
    """Find routes to nowhere."""
    for section in settings.blocks(ROUTE):
        if not section.settings.is_set(NEXT_HOP):
            yield section.settings.error(NEXT_HOP, "Static_Route_NextHop")


SERVER = Module("Server", (SERVER_ROOT, SERVER_NAME, SERVER_ALIAS, LISTEN, ERROR_LOG, LOG_FORMAT, ALLOW_FROM))
SIP = Module(
    "mod_sip.c",
    (SIP_T1, SIP_T2, MODE, STATEFUL, PROXY_DOMAIN, NUM_EXPAND, SPOOL, DNS_SERVERS, HOLD_DOWN),
    check=check_timers,
)
ROUTING = Module("mod_sip_routing.c", blocks=(ROUTE, CLUSTER), check=check_routes)
MODULES = (SERVER, SIP, ROUTING)


class ConfigTestCase(SynchronousTestCase):
    """Reads files that are written into a directory of the test."""

    def setUp(self) -> None:
        """Make the directory."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()

    def write(self, content: str | bytes, name: str = "sipd.conf") -> Path:
        """Write a file, C{sipd.conf} by default, and give its path."""
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def read(self, content: str | bytes, environ: Mapping[str, str] | None = None) -> Settings:
        """Give the settings of a file's content."""
        return load(self.write(content), MODULES, environ or {}, SERVER_ROOT)

    def problems(self, content: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
        """Give the problems of a file's content as lines, without the directory's name."""
        error = self.assertRaises(ConfigError, self.read, content, environ)
        return str(error).replace(f"{self.directory}/", "").splitlines()
