"""C{/v1/numbers}: number services, page by page; those of the database added, deleted and imported.

C{/v1/numbers/test} tells which services a number asks, and which patterns lose:
the search is the one that calls use.
"""

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.imports import Imports
from sipproxy.control.paging import ORIGIN, PAGING, page_of
from sipproxy.control.patterns import Pattern
from sipproxy.control.schema import TEXT, TRUTH, an_array, an_object
from sipproxy.databases.fields import WrongFieldError, read_field
from sipproxy.databases.numbers import FIELDS, SERVICES, Numbers, NumberService, read_number
from sipproxy.databases.records import Change, Mode
from sipproxy.databases.routes import NUMBER_PATTERN

_SHORT = {"type": "string", "maxLength": 300}
_PATTERN = Field("pattern", _SHORT, "The pattern of numbers.", True)
_SERVICE = Field("service", {"type": "string", "enum": list(SERVICES)}, "What a NAM is asked for.", True)
_LIST = (
    Field("pattern", _SHORT, "Only those whose pattern reads like this; * stands for any text."),
    Field("service", _SERVICE.schema, "Only those that ask this."),
    *PAGING,
)
_NUMBER = Field("number", {"type": "string", "minLength": 1, "maxLength": 300}, "A number, expanded.", True)

_ITEM = an_object(pattern=TEXT, service=_SERVICE.schema, origin=ORIGIN)
_ITEMS = an_array(_ITEM)
_PAGE = an_object(numbers=_ITEMS, next={"type": ["string", "null"]})
_TEST = an_object(number=TEXT, matches=an_array(an_object(pattern=TEXT, wins=TRUTH, numbers=_ITEMS)))
_REFUSALS = {
    404: "There is no such number service.",
    409: "It stands in the configuration.",
    422: "A value is none of a number service.",
}


class NumberControl:
    """The number services of one server.

    @param current: gives the number services of the configuration that is in force
    @param clock: ends imports that nobody goes on with
    """

    def __init__(self, current: Callable[[], Numbers], clock: IReactorTime) -> None:
        self._current = current
        self._imports: Imports[NumberService] = Imports("/numbers", FIELDS, read_number, self._take, clock)

    def _take(self, records: Sequence[NumberService], mode: Mode) -> Deferred[Change[NumberService]]:
        return self._current().import_(records, mode)

    def resources(self) -> tuple[Resource, ...]:
        """Give the resources."""
        operations = (
            Operation(
                "GET",
                "List number services, a page at a time.",
                self.show,
                _PAGE,
                query=_LIST,
                refusals={422: _REFUSALS[422]},
            ),
            Operation(
                "POST",
                "Let a pattern of numbers ask a service.",
                self.add,
                _ITEM,
                body=(_PATTERN, _SERVICE),
                status=201,
                refusals={409: _REFUSALS[409], 422: _REFUSALS[422]},
            ),
            Operation(
                "DELETE",
                "Delete the services of a pattern.",
                self.delete,
                an_object(numbers=_ITEMS),
                query=(_PATTERN,),
                refusals=_REFUSALS,
            ),
        )
        test = Operation("GET", "Tell which services a number asks.", self.test, _TEST, query=(_NUMBER,))
        return Resource("/numbers", operations), Resource("/numbers/test", (test,)), self._imports.resource()

    def show(self, arguments: Arguments) -> Deferred[Json]:
        """Give a page.

        @raise ControlError: the place to go on from is none
        """
        patterns = Pattern(arguments.get("pattern", "*"))
        service = arguments.get("service")

        def matches(item: Json) -> bool:
            return service in (None, item["service"]) and patterns.matches(item["pattern"])

        return page_of(self._current(), "numbers", _item, matches, arguments)

    def add(self, arguments: Arguments) -> Deferred[Json]:
        """Let a pattern ask a service.

        @raise ControlError: it is none, or it stands in the configuration
        """
        try:
            number = read_number(arguments)
        except WrongFieldError as wrong:
            raise ControlError(422, str(wrong)) from None
        if self._current().configured.get(number) is not None:
            raise ControlError(409, f"{number.service} for {number.pattern} stands in the configuration")
        return self._current().add(number).addCallback(lambda _: _item(number))

    def delete(self, arguments: Arguments) -> Deferred[Json]:
        """Delete the services of a pattern.

        @raise ControlError: they cannot be
        """
        try:
            pattern = read_field("pattern", NUMBER_PATTERN, arguments["pattern"])
        except WrongFieldError as wrong:
            raise ControlError(422, str(wrong)) from None

        def deleted(change: Change[NumberService]) -> Json:
            if not change.deleted:
                if self._current().is_configured(pattern):
                    raise ControlError(409, f"{pattern} stands in the configuration and cannot be deleted here")
                raise ControlError(404, f"{pattern} has no service")
            return {"numbers": [_item(number) for number in change.deleted]}

        return self._current().delete(pattern).addCallback(deleted)

    def test(self, arguments: Arguments) -> Json:
        """Tell which services a number asks, and which patterns lose."""
        number = arguments["number"]
        return {
            "number": number,
            "matches": [
                {"pattern": pattern, "wins": at == 0, "numbers": [_item(found) for found in numbers]}
                for at, (pattern, numbers) in enumerate(self._current().matches(number))
            ],
        }


def _item(number: NumberService) -> Json:
    return {"pattern": number.pattern, "service": number.service, "origin": number.origin}
