"""C{sipproxyctl replay}."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.console import Console
from rich.progress import Progress

from sipproxy.cli.failure import Failure, note
from sipproxy.cli.output import json_option, print_json_list, print_table
from sipproxy.cli.session import Session, pass_session

if TYPE_CHECKING:
    from sipproxy.replay import Replay

#: Lines that are worked on between two waits.
_AT_ONCE = 200


class _Difference(NamedTuple):
    line: int
    time: str
    uri: str
    source: str
    current: str
    other: str


@click.command()
@click.option("--config", "other", required=True, type=click.Path(), help="The configuration to compare with.")
@click.argument("access_log", type=click.File("rb"))
@json_option
@pass_session
def replay(session: Session, other: str, access_log: Any, as_json: bool) -> None:
    """Tell which logged calls would go elsewhere with another configuration.

    ACCESS_LOG is one in the format combined-sip. No server is needed; what is registered and what the databases hold
    is read from their files. The exit status is 1 where any call differs.
    """
    from sipproxy.app import load_settings
    from sipproxy.config import ConfigError

    try:
        settings = load_settings(other)
    except ConfigError as error:
        click.echo(str(error), err=True)
        raise click.exceptions.Exit(1) from None
    counts: Counter[tuple[str, str]] = Counter()
    lines = [0, 0]
    differences = _differences(session, settings, access_log, lines)
    if as_json:
        found = _counted(differences, counts)
        print_json_list(difference._asdict() for difference in found)
    else:
        for each in _counted(differences, counts):
            click.echo(f"line {each.line} {each.time} {each.uri} from {each.source}")
            click.echo(f"  now:  {each.current}\n  then: {each.other}")
        if counts:
            click.echo()
            print_table(("CALLS", "NOW", "THEN"), ([number, *pair] for pair, number in counts.most_common()))
    note(f"{sum(counts.values())} of {lines[1]} calls differ; {lines[0]} lines read")
    if counts:
        raise click.exceptions.Exit(1)


def _counted(differences: Iterator[_Difference], counts: "Counter[tuple[str, str]]") -> Iterator[_Difference]:
    for difference in differences:
        counts[difference.current, difference.other] += 1
        yield difference


def _differences(session: Session, other: Any, access_log: Any, lines: list[int]) -> Iterator[_Difference]:
    """Give the differences in the order of the log.

    @param lines: lines read, and calls among them; counted up
    """
    from twisted.internet.defer import Deferred
    from twisted.internet.threads import blockingCallFromThread

    from sipproxy import directives
    from sipproxy.cli.direct import running_reactor
    from sipproxy.errors import SipproxyError
    from sipproxy.net.udp import UdpNetwork
    from sipproxy.replay import Replay

    current = session.settings
    reactor, end = running_reactor()

    def wait(make: Any, *arguments: Any) -> Any:
        return blockingCallFromThread(reactor, lambda: Deferred.fromCoroutine(make(*arguments)))

    try:
        network = UdpNetwork(reactor, current[directives.RECEIVE_BUFFER], current[directives.DSCP])
        both = Replay(current, other, reactor, network)
        wait(both.start)
        with Progress(transient=True, console=Console(stderr=True)) as progress:
            task = progress.add_task("calls", total=None)
            while batch := access_log.readlines(_AT_ONCE * 300):
                yield from wait(_compare, both, batch, lines)
                progress.update(task, advance=len(batch))
        wait(both.stop)
    except SipproxyError as error:
        raise Failure(str(error)) from None
    finally:
        end()


async def _compare(both: "Replay", batch: list[bytes], lines: list[int]) -> list[_Difference]:
    from sipproxy.replay import read_line

    found = []
    for line in batch:
        lines[0] += 1
        logged = read_line(line)
        if logged is None:
            continue
        lines[1] += 1
        now, then = await both.compare(logged)
        if now != then:
            uri = logged.request.uri.decode("utf-8", "backslashreplace")
            found.append(_Difference(lines[0], logged.when, uri, logged.source[0], now, then))
    return found
