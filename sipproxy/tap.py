"""C{twistd sipproxy}: its options, and the service behind them."""

import sys
from pathlib import Path

from twisted.application.service import IService, MultiService
from twisted.internet import reactor
from twisted.python import usage

from sipproxy import __version__
from sipproxy.app import Server, load_settings, make_control, make_service
from sipproxy.config import ConfigError, Settings
from sipproxy.control import ControlService
from sipproxy.errors import ListenError, SipproxyError
from sipproxy.process import ProcessService


class Options(usage.Options):
    """Options of C{twistd sipproxy}."""

    synopsis = "[--config FILE] [--check]"
    longdesc = "SIP proxy, redirect and registrar server; see sipd.conf(5) for its configuration."
    optParameters = [["config", "c", "sipd.conf", "The configuration file."]]
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
        settings = load_settings(path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    for warning in settings.warnings:
        print(warning, file=sys.stderr)
    return settings


def _open(server: Server, control: ControlService) -> None:
    """Open all ports, or none.

    @raise sipproxy.errors.ListenError: one cannot be opened
    """
    server.open()
    try:
        control.open()
    except ListenError:
        server.sip.stopService()
        raise


def makeService(options: Options) -> IService:
    """Make the service; a port that cannot be opened is told in one line, before the process goes to the background."""
    process = MultiService()
    try:
        server = make_service(options["settings"])
        server.setServiceParent(process)
        _open(server, make_control(server, options["settings"]))
    except SipproxyError as error:
        print(f"sipproxy: {error}", file=sys.stderr)
        sys.exit(1)
    ProcessService(server, reactor).setServiceParent(process)
    return process
