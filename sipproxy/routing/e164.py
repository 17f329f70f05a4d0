"""The router for numbers at our own host: static E.164 routes, the most specific pattern first."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipproxy.message import Uri
from sipproxy.routing.chain import IRouter, NextHops
from sipproxy.routing.notes import Note, RoutesNote, add
from sipproxy.routing.static import MODULE, Alternates, Choice, NumberOf, StaticRoute, StaticRoutes, choice
from sipproxy.translation.chain import Subject


@implementer(IRouter)
class E164Router:
    """Next hops by the number in the user part of a URI."""

    name = MODULE

    def __init__(self, routes: StaticRoutes, alternates: Alternates, number_of: NumberOf) -> None:
        """
        @param number_of: gives the number in the user part of a URI, already expanded; None where it has none
        """
        self._routes = routes
        self._alternates = alternates
        self._number_of = number_of

    def route(self, uri: Uri, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give the next hops of the routes of the most specific pattern; none where no pattern matches.

        A pattern whose rewrites all need more digits than the number has gives way to the following one.

        @raise RequestError: there are routes, but no next hop of theirs can be located: 404, or 503 where no name
            server answers (also in the Deferred); 503 where the routes have not been read yet
        """
        number = self._number_of(uri)
        if number is None:
            add(subject, self.name, "E.164 routes not asked: the user part is no number")
            return ()
        matches = list(self._routes.e164_matches(number)) or self._none(number)
        won: list[Choice] = []
        for pattern, routes in matches:
            add(subject, self.name, RoutesNote("less specific" if won else "matches", pattern, routes))
            if not won:
                won = self._choices(routes, number, uri.user or b"", subject)
        return self._alternates.hops(won, subject) if won else ()

    def _none(self, number: str) -> Sequence[tuple[object, Sequence[StaticRoute]]]:
        """Give no matches, if none there are: only this question tells that from routes that are not yet read."""
        self._routes.e164(number)
        return ()

    def _choices(self, routes: Sequence[StaticRoute], number: str, user: bytes, subject: Subject) -> list[Choice]:
        choices = []
        for route in routes:
            try:
                choices.append(choice(route, number, user))
            except ValueError as error:
                add(subject, self.name, Note("next hop {} is left out: {}", route.next_hop, error))
        return choices
