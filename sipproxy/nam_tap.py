"""C{twistd sipproxy-nam}: the options of the simulated NAM, and the service behind them."""

import os
import sys
from pathlib import Path

from twisted.application.service import IService
from twisted.python import usage

from sipproxy import __version__
from sipproxy.config import ConfigError, Settings, load
from sipproxy.errors import SipproxyError
from sipproxy.simulation.nam import NamService
from sipproxy.simulation.nam_settings import MODULE


class Options(usage.Options):
    """Options of C{twistd sipproxy-nam}."""

    synopsis = "--config FILE [--check]"
    longdesc = "A simulated NAM: answers GKTMP questions about telephone numbers from tables in its configuration."
    optParameters = [["config", "c", "nam.conf", "The configuration file."]]
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

    try:
        service = NamService(options["settings"], reactor)
        service.open()
    except SipproxyError as error:
        print(f"sipproxy-nam: {error}", file=sys.stderr)
        sys.exit(1)
    return service
