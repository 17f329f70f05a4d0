"""C{/v1/subscribers}: who there is and what they wish, page by page; added, changed, deleted, exported and imported.

A password comes in clear text and is kept as SubscriberPasswords says. It never
goes out, but with C{/v1/subscribers/export} where that is asked for.
What is wanted of a value is told in L{sipproxy.control.subscribers_items}.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.imports import Imports
from sipproxy.control.paging import PAGE
from sipproxy.control.patterns import Pattern
from sipproxy.control.schema import COUNT, MAYBE_TIME, TEXT, TRUTH, an_array, an_object
from sipproxy.control.subscribers_items import (
    KEPT,
    MOST_MILLISECONDS,
    SECRETS,
    TARGETS,
    before,
    fields_of,
    filter_of,
    item_of,
    see_targets,
    values_of,
)
from sipproxy.databases.passwords import HASHED, password_fields, user_part
from sipproxy.databases.records import Change, Mode
from sipproxy.databases.subscribers import ExistsError, MissingError, RefusedError, Subscriber, Subscribers
from sipproxy.databases.subscribers_csv import CsvProblem, parse_csv
from sipproxy.databases.subscribers_fields import FIELDS, LONGEST, check, check_changes, is_key

_URI = {"type": "string", "maxLength": LONGEST["busy"]}
_NAME = {"type": "string", "maxLength": LONGEST["display_name"]}
_PATTERN = {"type": "string", "maxLength": 300}
_KEY = Field("key", {"type": "string", "minLength": 1, "maxLength": LONGEST["key"]}, "user, or user@domain.", True)
_FIELDS = (
    Field("password", {"type": "string", "maxLength": LONGEST["password"]}, "In clear text; empty for none."),
    Field("display_name", _NAME, "The name that people know."),
    Field("unconditional", _URI, "URI that all calls are forwarded to; empty for none, as the others."),
    Field("busy", _URI, "URI for calls that find them busy."),
    Field("no_answer", _URI, "URI for calls that nobody answers."),
    Field("unavailable", _URI, "URI for calls while no telephone of theirs can be reached."),
    Field(
        "ring_time",
        {"type": "integer", "minimum": 0, "maximum": MOST_MILLISECONDS},
        "Milliseconds until nobody has answered; 0: as CallForwardNoAnswerTimer says.",
    ),
    Field("enabled", TRUTH, "Whether they may authenticate, and their wishes count."),
)
_PAGING = (
    Field("after", {"type": "string", "maxLength": LONGEST["key"]}, "Go on behind this key: next of a page."),
    Field("limit", {"type": "integer", "minimum": 1, "maximum": PAGE}, "How many to look at."),
)
_LIST = (
    Field("key", _PATTERN, "Only those whose key reads like this; * stands for any text."),
    Field("display_name", _PATTERN, "Only those whose name reads like this; * stands for any text."),
    Field("target", _PATTERN, "Only those with a forwarding target that reads like this; * stands for any text."),
    Field("password", {"type": "string", "enum": list(KEPT)}, "Only those whose password is kept so."),
    Field("enabled", TRUTH, "Only those who are enabled, or who are not."),
    *_PAGING,
)
_EXPORT = (Field("secrets", TRUTH, "Whether passwords and hashes are among it; without it they are not."), *_PAGING)
_OVERWRITE = Field(
    "overwrite",
    TRUTH,
    "Whether subscribers who are there are written over, wholly; else there may be none of them.",
)

_RING_TIME = {"type": ["integer", "null"]}
_WISHES = dict.fromkeys(TARGETS, TEXT)
_ITEM = an_object(
    key=TEXT,
    domain=TEXT,
    display_name=TEXT,
    password={"type": "string", "enum": list(KEPT)},
    realm=TEXT,
    **_WISHES,
    ring_time=_RING_TIME,
    enabled=TRUTH,
    created=MAYBE_TIME,
    updated=MAYBE_TIME,
)
_NEXT = {"type": ["string", "null"]}
_PAGE = an_object(subscribers=an_array(_ITEM), next=_NEXT)
_ROW = an_object(
    key=TEXT,
    domain=TEXT,
    display_name=TEXT,
    **_WISHES,
    ring_time=_RING_TIME,
    enabled=TRUTH,
    created=MAYBE_TIME,
    updated=MAYBE_TIME,
)
_SECRET_ROW = {
    **_ROW,
    "properties": {**_ROW["properties"], "password": {"type": ["string", "null"]}, **dict.fromkeys(SECRETS[1:], TEXT)},
}
_EXPORTED = an_object(subscribers=an_array(_SECRET_ROW), next=_NEXT)
_REFUSALS = {
    404: "There is no such subscriber.",
    409: "There is such a subscriber already.",
    422: "A value is none of a subscriber, or the database is changed by tools of its own.",
}


class SubscriberControl:
    """The subscribers of one server.

    @param realm: gives the realm of challenges that is in force
    @param kept: C{Clear} or C{HA1}, as SubscriberPasswords says
    @param clock: ends imports that nobody goes on with, and gives the time in seconds since 1970
    """

    def __init__(self, subscribers: Subscribers, realm: Callable[[], str], kept: str, clock: IReactorTime) -> None:
        self._subscribers = subscribers
        self._realm = realm
        self._kept = kept
        self._clock = clock
        self._imports: Imports[Any] = Imports("/subscribers", FIELDS, self._read_row, self._store, clock)

    def resources(self) -> tuple[Resource, ...]:
        """Give the resources."""
        operations = (
            Operation("GET", "List subscribers, a page at a time.", self.show, _PAGE, query=_LIST),
            Operation(
                "POST",
                "Add a subscriber.",
                self.add,
                _ITEM,
                body=(_KEY, *_FIELDS),
                status=201,
                refusals={409: _REFUSALS[409], 422: _REFUSALS[422]},
            ),
            Operation(
                "PUT",
                "Change what is given of a subscriber.",
                self.change,
                _ITEM,
                body=(_KEY, *_FIELDS),
                refusals={404: _REFUSALS[404], 422: _REFUSALS[422]},
            ),
            Operation(
                "DELETE",
                "Delete a subscriber.",
                self.delete,
                an_object(key=TEXT),
                query=(_KEY,),
                refusals={404: _REFUSALS[404], 422: _REFUSALS[422]},
            ),
        )
        one = Operation(
            "GET", "Show one subscriber.", self.show_one, _ITEM, query=(_KEY,), refusals={404: _REFUSALS[404]}
        )
        export = Operation(
            "GET", "Give all subscribers as an import takes them, a page at a time.", self.export, _EXPORTED, _EXPORT
        )
        return (
            Resource("/subscribers", operations),
            Resource("/subscribers/one", (one,)),
            Resource("/subscribers/export", (export,)),
            self._importing(),
        )

    # Looking

    def show(self, arguments: Arguments) -> Deferred[Json]:
        """Give a page of those who match."""
        matches = filter_of(arguments)
        prefix = Pattern(arguments.get("key", "*")).prefix
        after = max(arguments.get("after", ""), before(prefix))
        limit = arguments.get("limit", PAGE)

        def page(found: list[Subscriber]) -> Json:
            items = [item_of(subscriber) for subscriber in found]
            goes_on = len(found) == limit and (found[-1].key < prefix or found[-1].key.startswith(prefix))
            return {
                "subscribers": [item for item in items if matches(item)],
                "next": found[-1].key if goes_on else None,
            }

        return self._subscribers.page(after, limit).addCallback(page)

    def show_one(self, arguments: Arguments) -> Deferred[Json]:
        """Give one.

        @raise ControlError: in the Deferred: there is none
        """
        key = arguments["key"]

        def shown(found: Subscriber | None) -> Json:
            if found is None:
                raise ControlError(404, f"no subscriber {key}")
            return item_of(found)

        return self._subscribers.get(key).addCallback(shown)

    def export(self, arguments: Arguments) -> Deferred[Json]:
        """Give a page of all, in full."""
        names = [name for name in FIELDS if arguments.get("secrets") or name not in SECRETS]
        limit = arguments.get("limit", PAGE)

        def page(found: list[Subscriber]) -> Json:
            rows = [values_of(subscriber, names) for subscriber in found]
            return {"subscribers": rows, "next": found[-1].key if len(found) == limit else None}

        return self._subscribers.page(arguments.get("after", ""), limit).addCallback(page)

    # Changing

    def add(self, arguments: Arguments) -> Deferred[Json]:
        """Add a subscriber.

        @raise ControlError: a value is wrong; in the Deferred: there is one with this key
        """
        key, now = arguments["key"], self._clock.seconds()
        domain = "" if user_part(key) is None else key.rpartition("@")[2]
        try:
            given = fields_of(arguments)
            subscriber = Subscriber(**{"domain": domain, "created": now, "updated": now, **given})
            check(subscriber)
            subscriber = self._with_kept_password(subscriber)
        except RefusedError as error:
            raise _refusal(error) from None
        return self._subscribers.add(subscriber).addCallbacks(lambda _: item_of(subscriber), _refuse)

    def change(self, arguments: Arguments) -> Deferred[Json]:
        """Change some fields.

        @raise ControlError: a value is wrong, or none is given; in the Deferred: there is no such subscriber
        """
        key = arguments["key"]
        changes = {name: value for name, value in arguments.items() if name != "key"}
        if not changes:
            raise ControlError(422, "nothing that is to be changed")
        if not is_key(key):
            raise ControlError(404, f"no subscriber {key}")
        try:
            changes = fields_of(changes)
            check_changes(changes)
        except RefusedError as error:
            raise _refusal(error) from None
        if "password" in changes:
            changes |= password_fields(key, changes["password"], self._realm(), self._kept)
        return self._subscribers.change(key, changes).addCallbacks(item_of, _refuse)

    def delete(self, arguments: Arguments) -> Deferred[Json]:
        """Delete a subscriber.

        @raise ControlError: in the Deferred: there is none
        """
        key = arguments["key"]
        return self._subscribers.delete(key).addCallbacks(lambda _: {"key": key}, _refuse)

    def _with_kept_password(self, subscriber: Subscriber) -> Subscriber:
        """Hash a clear password where hashes are kept; hashes that come from elsewhere stay as they are."""
        if subscriber.password is None or self._kept != HASHED:
            return subscriber
        fields: dict[str, Any] = password_fields(subscriber.key, subscriber.password, self._realm(), HASHED)
        return replace(subscriber, **fields)

    # Importing

    def _importing(self) -> Resource:
        """Give the resource of imports, with the choice that there is here."""
        resource = self._imports.resource()
        number = Field("import", COUNT, "The number of the import.", True)
        commit = Operation(
            "PUT",
            "Take all that an import has brought, or nothing.",
            self._commit,
            an_object(stored=COUNT),
            body=(number, _OVERWRITE),
            refusals={404: "There is no such import.", 409: _REFUSALS[409], 422: _REFUSALS[422]},
        )
        others = [operation for operation in resource.operations if operation.method != "PUT"]
        return Resource(resource.path, (*others, commit))

    def _commit(self, arguments: Arguments) -> Deferred[Json]:
        mode = "replace" if arguments.get("overwrite") else "add"
        done = self._imports.commit({"import": arguments["import"], "mode": mode})
        return done.addCallback(lambda counts: {"stored": counts["stored"]})

    def _read_row(self, cells: Mapping[str, str]) -> Subscriber:
        """Read a row of an import.

        @raise ControlError: it is none of a subscriber
        """
        text = StringIO(newline="")
        csv.writer(text).writerows((cells.keys(), cells.values()))
        text.seek(0)
        (found,) = parse_csv(text)
        try:
            if isinstance(found, CsvProblem):
                raise RefusedError(found.text)
            see_targets(found)
        except RefusedError as error:
            raise ControlError(422, f"subscriber {cells['key']}: {error}") from None
        return self._with_kept_password(found)

    def _store(self, subscribers: Sequence[Subscriber], mode: Mode) -> Deferred[Change[Any]]:
        stored: tuple[Any, ...] = tuple(subscribers)
        done = self._subscribers.add_all(subscribers, replace=mode == "replace")
        return done.addCallbacks(lambda _: Change((), stored), _refuse)


def _refusal(error: RefusedError) -> ControlError:
    if isinstance(error, MissingError):
        return ControlError(404, str(error))
    return ControlError(409 if isinstance(error, ExistsError) else 422, str(error))


def _refuse(failure: Failure) -> NoReturn:
    """Say what is refused as the control socket does; a database that is away is another thing."""
    failure.trap(RefusedError)  # type: ignore[no-untyped-call]
    raise _refusal(failure.value)  # type: ignore[arg-type]
