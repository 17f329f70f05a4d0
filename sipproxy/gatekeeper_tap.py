"""C{twistd sipproxy-gatekeeper}: the options of the simulated gatekeeper, and the service behind them."""

import os
import sys
from pathlib import Path
from random import SystemRandom
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from sipproxy import __version__
from sipproxy.config import ConfigError, Settings, load
from sipproxy.errors import SipproxyError
from sipproxy.net.udp import UdpNetwork
from sipproxy.simulation.gatekeeper import GatekeeperService
from sipproxy.simulation.gatekeeper_settings import MODULE

#: Octets of receive buffer that are asked for, and the code point of what is sent: none.
_RECEIVE_BUFFER, _DSCP = 1_048_576, 0


class Options(usage.Options):
    """Options of C{twistd sipproxy-gatekeeper}."""

    synopsis = "--config FILE [--check]"
    longdesc = "A simulated H.323 gatekeeper: answers location requests (RAS) from a table in its configuration."
    optParameters = [["config", "c", "gatekeeper.conf", "The configuration file."]]
    optFlags = [["check", None, "Check the configuration, say what is wrong with it, and exit."]]

    def opt_version(self) -> None:
        """Print the version of sipproxy and exit."""
        print(f"sipproxy {__version__}")
        sys.exit(0)

    def postOptions(self) -> None:
        """Read the configuration, whose errors are told before anything is started."""
        self["settings"] = _load(Path(self["config"]))
        if self["check"]:
            print(f"{self['config']}: configuration is right", file=sys.stderr)
            sys.exit(0)


def _load(path: Path) -> Settings:
    try:
        return load(path, (MODULE,), os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def makeService(options: Options) -> IService:
    """Make the service; a port that cannot be opened is told in one line, before the process goes to the background."""
    # twistd has installed its reactor by now.
    from twisted.internet import reactor

    clock: Any = reactor
    try:
        network = UdpNetwork(clock, _RECEIVE_BUFFER, _DSCP)
        service = GatekeeperService(options["settings"], clock, network, SystemRandom())
        service.open()
    except SipproxyError as error:
        print(f"sipproxy-gatekeeper: {error}", file=sys.stderr)
        sys.exit(1)
    return service
