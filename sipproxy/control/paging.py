"""Pages of the records of a table, and whether each is one of those asked for."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from sipproxy.control.declarations import Arguments, ControlError, Field, Json
from sipproxy.databases.configured import Configured

#: Records that are looked at for one page; whatever does not match is left out of it.
PAGE = 1000

_ORIGINS = ["configuration", "database"]
ORIGIN = {"type": "string", "enum": _ORIGINS}
PAGING = (
    Field("origin", ORIGIN, "Only those of the configuration, or of the database."),
    Field("after", {"type": "string", "maxLength": 2000}, "Go on behind this place: next of a page."),
    Field("limit", {"type": "integer", "minimum": 1, "maximum": PAGE}, "How many to look at."),
)


def page_of(
    table: Configured[Any, Any],
    name: str,
    item: Callable[[Any], Json],
    matches: Callable[[Json], bool],
    arguments: Arguments,
) -> Deferred[Json]:
    """Give a page of a table.

    @param name: what it calls its elements
    @param item: gives the element of a record
    @param matches: tells whether an element is one of those asked for
    @raise ControlError: the place to go on from is none
    """
    origin = arguments.get("origin")

    def page(found: tuple[list[Any], str | None]) -> Json:
        records, after = found
        items = [item(record) for record in records if origin is None or record.origin == origin]
        return {name: [element for element in items if matches(element)], "next": after}

    try:
        return table.page(arguments.get("after", ""), arguments.get("limit", PAGE)).addCallback(page)
    except ValueError:
        raise ControlError(422, "after: expected next of a page") from None
