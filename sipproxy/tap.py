"""C{twistd sipproxy}: its options, and the service behind them."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from twisted.application.service import IService
from twisted.internet import reactor
from twisted.python import usage

from sipproxy import __version__, privileges
from sipproxy.app import Server, load_settings, make_service, paths_of
from sipproxy.config import ConfigError, Settings
from sipproxy.control import Resource
from sipproxy.control.dbus_events import BusEvents
from sipproxy.control.dbus_settings import DBUS
from sipproxy.control.metrics_http import Gather
from sipproxy.control.streams import StreamService
from sipproxy.control.watch_settings import METRICS_LISTEN
from sipproxy.directives import START_SERVERS
from sipproxy.draining import DrainedService
from sipproxy.errors import ListenError, SipproxyError
from sipproxy.notify import notifying_service
from sipproxy.oversight import make_bus, make_resources, make_watchers, metrics_of, serve_control
from sipproxy.process import ProcessService
from sipproxy.server import make_folders
from sipproxy.workers.control import spread
from sipproxy.workers.metrics import gather_all
from sipproxy.workers.owner import Owner, make_owner


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
        # Absolute, as twistd changes its folder when it goes to the background.
        self["config"] = Path(self["config"]).absolute()
        self["settings"] = _load(self["config"])
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


def _open(server: Server, others: Sequence[StreamService]) -> None:
    """Open all ports, or none.

    @raise sipproxy.errors.ListenError: one cannot be opened
    """
    server.open()
    try:
        for other in others:
            other.open()
    except ListenError:
        for other in others:
            other.stopService()
        server.sip.stopService()
        raise


def _line(server: Server) -> str:
    """Tell what a server does, for C{systemctl status}."""
    state = "taking no new calls" if server.sip.core.draining else "serving"
    if isinstance(server, Owner):
        busy = f"{sum(worker.serves for worker in server.workers.all)} workers"
    else:
        busy = f"{server.sip.core.pending} requests pending"
    return f"{state}, {len(server.registry)} addresses of record registered, {busy}"


def _resources(server: Server, settings: Settings, read: Callable[[], Settings]) -> Sequence[Resource]:
    """Give all that the control socket tells and does."""
    resources = make_resources(server, settings, reactor, read)
    return [spread(each, server.workers) for each in resources] if isinstance(server, Owner) else resources


def _gather(server: Server, settings: Settings) -> Gather | None:
    """Give what gathers the metrics of several processes, None where one tells its own."""
    if settings[METRICS_LISTEN] is None or not isinstance(server, Owner):
        return None
    return gather_all(metrics_of(server), server.workers)


def makeService(options: Options) -> IService:
    """Make the service; a port that cannot be opened is told in one line, before the process goes to the background."""

    def read() -> Settings:
        return load_settings(options["config"])

    settings = options["settings"]
    try:
        changes = privileges.is_change(settings)
        paths = paths_of(settings)
        folders = make_folders(settings, paths)
        events = None if settings[DBUS] is None else BusEvents()
        observers = () if events is None else (events,)
        server = (make_service if settings[START_SERVERS] == 1 else make_owner)(settings, call_observers=observers)
        process = notifying_service(reactor, partial(_line, server))
        server.setServiceParent(process)
        server.when_serving.addCallback(process.is_ready)
        control = serve_control(server, settings, _resources(server, settings, read), reactor)
        if events is not None:
            make_bus(server, settings, control.api, events)
        gather = _gather(server, settings)
        _open(server, [control, *make_watchers(server, settings, control.api, gather=gather)])
        if changes:
            files = [path for path in paths if isinstance(path, Path)]
            privileges.hand_over(settings, [*folders, *files])
    except SipproxyError as error:
        print(f"sipproxy: {error}", file=sys.stderr)
        sys.exit(1)
    become = partial(privileges.drop, settings) if changes else None
    ProcessService(server, reactor, read, become, process).setServiceParent(process)
    DrainedService(server, reactor, reactor.stop).setServiceParent(process)
    return process
