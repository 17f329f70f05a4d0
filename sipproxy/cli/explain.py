"""C{sipproxyctl explain}."""

from collections.abc import Mapping
from typing import Any

import click

from sipproxy.cli.failure import Failure
from sipproxy.cli.output import json_option, print_json, print_table, when
from sipproxy.cli.session import Session, ask, pass_session

_STAGES = ("STAGE", "MODULE", "RESULT")


@click.command()
@click.argument("method", required=False)
@click.argument("uri", required=False)
@click.option("--from", "sender", help="The URI of From, else somebody of the server's domain.")
@click.option("--source", help="Where it comes from: an address, or address:port; else 127.0.0.1.")
@click.option("--header", "headers", multiple=True, help="A further header line; may stand several times.")
@click.option("--call-id", help="Not a new request, but a call that is live or over.")
@json_option
@pass_session
def explain(
    session: Session,
    method: str | None,
    uri: str | None,
    sender: str | None,
    source: str | None,
    headers: tuple[str, ...],
    call_id: str | None,
    as_json: bool,
) -> None:
    """Tell why a request would go where it goes, or why a call has gone where it went.

    METHOD and URI are those of the request, as in: explain INVITE sip:18005551212@example.com. It goes through the
    running server, and is not sent.
    """
    if call_id is not None:
        if method is not None or sender is not None or source is not None or headers:
            raise click.UsageError("--call-id stands alone")
        _past(session, call_id, as_json)
        return
    if method is None or uri is None:
        raise click.UsageError("METHOD and URI are needed, or --call-id")
    given = {"from": sender, "source": source, "headers": "\n".join(headers) or None}
    body = {"method": method, "uri": uri, **{name: value for name, value in given.items() if value is not None}}
    found = ask(session.server, "POST", "/explain", body=body)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _past(session: Session, call_id: str, as_json: bool) -> None:
    found = ask(session.server, "GET", "/explain", {"call_id": call_id})
    if not found["calls"]:
        raise Failure(f"no call of {call_id} is remembered (ExplainHistory)")
    if as_json:
        print_json(found)
        return
    for call in found["calls"]:
        outcome = (
            "live" if call["duration"] is None else f"{call['status'] or 'forwarded'} after {call['duration']:.3f} s"
        )
        click.echo(f"{when(call['started'], '-')}  {call['uri']}  from {call['source']}  {outcome}")
        _print_stages(call)
        click.echo()


def _print(found: Mapping[str, Any]) -> None:
    _print_stages(found)
    for contact in found["contacts"]:
        click.echo(f"\nContact: {contact}")
    for way in found["targets"]:
        click.echo(f"\n{way['uri']}  q={way['q']:g}  by {way['origin'] or '-'}")
        if way["status"] is not None:
            click.echo(f"  fails: {way['status']} {way['reason']}".rstrip())
        for hop in way["next_hops"]:
            name = f"  {hop['name']}" if hop["name"] != hop["address"] else ""
            click.echo(f"  next hop {hop['address']} port {hop['port']}/{hop['transport']}{name}")
        if way["message"]:
            click.echo("\n" + "\n".join(f"    {line}".rstrip() for line in way["message"].splitlines()))
    if found["status"] is not None:
        click.echo(f"\nanswered {found['status']} {found['reason']}".rstrip())


def _print_stages(found: Mapping[str, Any]) -> None:
    print_table(_STAGES, ([stage["stage"], stage["module"], stage["text"]] for stage in found["stages"]))
