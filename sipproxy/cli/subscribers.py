"""C{sipproxyctl subscribers}: list, show, add, change, delete, import, export."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from sipproxy.cli.failure import Failure, note
from sipproxy.cli.files import form_of
from sipproxy.cli.output import json_option, pages, print_json, print_json_list, print_long_table, print_pairs, when
from sipproxy.cli.session import Session, ask, pass_session
from sipproxy.cli.tables import format_option

_PATH = "/subscribers"
_COLUMNS = ("KEY", "NAME", "PASSWORD", "ENABLED", "UNCONDITIONAL", "BUSY", "NO ANSWER", "UNAVAILABLE", "RING TIME")
#: Octets of a file with a password, at most: a wrong path may lead to anything.
_LONGEST_SECRET = 4096

F = TypeVar("F", bound=Callable[..., Any])

_FIELD_OPTIONS = (
    click.option("--password", help="A password; others see it in the list of processes, see --password-file."),
    click.option(
        "--password-file",
        type=click.Path(allow_dash=True),
        help="The file that the password stands in; - is the standard input. A final line end is no part of it.",
    ),
    click.option("--unconditional", metavar="URI", help="Where all calls are forwarded to."),
    click.option("--busy", metavar="URI", help="Where calls go that find them busy."),
    click.option("--no-answer", metavar="URI", help="Where calls go that nobody answers."),
    click.option("--unavailable", metavar="URI", help="Where calls go while no telephone of theirs can be reached."),
    click.option(
        "--ring-time",
        type=click.IntRange(0, 2**32 - 1),
        metavar="MS",
        help="Milliseconds until nobody has answered; 0: as CallForwardNoAnswerTimer says.",
    ),
    click.option("--display-name", metavar="NAME", help="The name that people know."),
    click.option("--enabled/--disabled", default=None, help="Whether they may authenticate, and their wishes count."),
)


def _field_options(command: F) -> F:
    """Give a command the options of a subscriber's fields."""
    for option in reversed(_FIELD_OPTIONS):
        command = option(command)
    return command


@click.group()
def subscribers() -> None:
    """List, show, add, change, delete, import and export subscribers.

    KEY is USER, or USER@DOMAIN. Where the server is down and SubscriberDatabase is a file or MySQL, that is read and
    changed.
    """


@subscribers.command("list")
@click.option("--key", help="Only those whose key reads like this; * stands for any text.")
@click.option("--display-name", help="Only those whose name reads like this; * stands for any text.")
@click.option("--target", help="Only those with a forwarding target that reads like this; * stands for any text.")
@click.option(
    "--passwords", "password", type=click.Choice(["clear", "hashed", "none"]), help="Only those whose are kept so."
)
@click.option("--enabled/--disabled", default=None, help="Only those who are enabled, or who are not.")
@json_option
@pass_session
def list_(session: Session, /, as_json: bool, enabled: bool | None, **given: str | None) -> None:
    """List subscribers; of passwords only how they are kept."""
    query = {**given, "enabled": None if enabled is None else str(enabled).lower()}

    def fetch(after: str | None) -> Mapping[str, Any]:
        return ask(session.subscribers, "GET", _PATH, {**query, "after": after})

    found = pages(fetch, "subscribers")
    if as_json:
        print_json_list(found)
    else:
        print_long_table(_COLUMNS, map(_row, found))


def _row(item: Mapping[str, Any]) -> Sequence[object]:
    return (
        item["key"],
        item["display_name"] or "-",
        item["password"],
        "yes" if item["enabled"] else "no",
        item["unconditional"] or "-",
        item["busy"] or "-",
        item["no_answer"] or "-",
        item["unavailable"] or "-",
        item["ring_time"] or "-",
    )


@subscribers.command()
@click.argument("key")
@json_option
@pass_session
def show(session: Session, key: str, as_json: bool) -> None:
    """Show one subscriber; of the password only how it is kept."""
    item = ask(session.subscribers, "GET", f"{_PATH}/one", {"key": key})
    if as_json:
        print_json(item)
        return
    hashed = f"hashed for {item['realm']}" if item["password"] == "hashed" else item["password"]
    ring_time = item["ring_time"]
    print_pairs(
        {
            "key": item["key"],
            "domain": item["domain"] or "-",
            "name": item["display_name"] or "-",
            "password": hashed,
            "enabled": "yes" if item["enabled"] else "no",
            "unconditional": item["unconditional"] or "-",
            "busy": item["busy"] or "-",
            "no answer": item["no_answer"] or "-",
            "unavailable": item["unavailable"] or "-",
            "ring time": "-" if ring_time is None else f"{ring_time} ms",
            "created": when(item["created"], "-"),
            "updated": when(item["updated"], "-"),
        }
    )


@subscribers.command()
@click.argument("key")
@_field_options
@json_option
@pass_session
def add(session: Session, /, key: str, as_json: bool, **given: Any) -> None:
    """Add a subscriber.

    A URI is sip: or tel:; another one is refused. The password is kept as SubscriberPasswords says, and never shown.
    """
    added = ask(session.subscribers, "POST", _PATH, body={"key": key, **_given_fields(given)})
    if as_json:
        print_json(added)
    else:
        note(f"added {added['key']}")


@subscribers.command()
@click.argument("key")
@_field_options
@json_option
@pass_session
def change(session: Session, /, key: str, as_json: bool, **given: Any) -> None:
    """Change what is given of a subscriber; an empty text, as in --busy "", takes away what was there."""
    fields = _given_fields(given)
    if not fields:
        raise click.UsageError("nothing is to be changed: an option has to say what")
    changed = ask(session.subscribers, "PUT", _PATH, body={"key": key, **fields})
    if as_json:
        print_json(changed)
    else:
        note(f"changed {changed['key']}")


def _given_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields that options say.

    @raise click.UsageError: there are two passwords
    @raise Failure: the one of a file cannot be read
    """
    fields = {name: value for name, value in given.items() if value is not None}
    file = fields.pop("password_file", None)
    if file is not None:
        if "password" in fields:
            raise click.UsageError("--password and --password-file are one too many")
        fields["password"] = _password_in(file)
    return fields


def _password_in(file: str) -> str:
    """Read a password, without one final line end.

    @raise Failure: it cannot be read, or is none
    """
    try:
        with click.open_file(file, "rb") as opened:
            octets: bytes = opened.read(_LONGEST_SECRET + 1)
        text = octets.decode("utf-8")
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Failure(f"{file}: not UTF-8") from None
    password = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    if not password:
        raise Failure(f"{file}: there is no password in it")
    return password


@subscribers.command()
@click.argument("key")
@json_option
@pass_session
def delete(session: Session, key: str, as_json: bool) -> None:
    """Delete a subscriber."""
    deleted = ask(session.subscribers, "DELETE", _PATH, {"key": key})
    if as_json:
        print_json(deleted)
    else:
        note(f"deleted {deleted['key']}")


@subscribers.command("import")
@click.argument("file", type=click.Path(allow_dash=True))
@format_option
@click.option("--overwrite", is_flag=True, help="Write over subscribers who are there, wholly, instead of failing.")
@json_option
@pass_session
def import_(session: Session, file: str, form: str | None, overwrite: bool, as_json: bool) -> None:
    """Import subscribers from FILE, all of them or none; - is the standard input.

    CSV has a header with names of columns in any order: key, which must be there, domain, display_name, password,
    realm, ha1_md5, ha1_sha256, ha1b_md5, ha1b_sha256, unconditional, busy, no_answer, unavailable, ring_time, enabled,
    created and updated. JSON is an array of objects with the same names. A password is kept as SubscriberPasswords
    says; hashes are kept as they are.
    """
    from sipproxy.cli.subscribers_files import read_subscribers, send_subscribers

    found = read_subscribers(file, form_of(file, form))
    if overwrite and found.subscribers and not found.has_passwords:
        raise Failure(f"{file} has no passwords, so those of subscribers who are there would be lost by --overwrite; "
                      "export --with-passwords writes them")  # fmt: skip
    done = send_subscribers(session.subscribers, found.subscribers, overwrite)
    if as_json:
        print_json(done)
    else:
        note(f"{done['stored']} subscribers imported")


@subscribers.command()
@click.argument("file", type=click.Path(allow_dash=True), default="-")
@format_option
@click.option(
    "--with-passwords", is_flag=True, help="Passwords and hashes too, as a backup needs them; the file is private then."
)
@pass_session
def export(session: Session, file: str, form: str | None, with_passwords: bool) -> None:
    """Export the subscribers to FILE, as import reads them; without FILE to the standard output."""
    from sipproxy.cli.subscribers_files import export_subscribers

    count = export_subscribers(session.subscribers, file, form_of(file, form), with_passwords)
    note(f"{count} subscribers exported")
