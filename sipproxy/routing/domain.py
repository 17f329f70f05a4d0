"""The router for other hosts that the operator has named: static domain routes."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipproxy.message import Uri
from sipproxy.routing.chain import IRouter, NextHops
from sipproxy.routing.notes import Note, RoutesNote, add
from sipproxy.routing.static import MODULE, Alternates, Choice, NumberOf, StaticRoute, StaticRoutes, choice
from sipproxy.translation.chain import Subject


@implementer(IRouter)
class DomainRouter:
    """Next hops by the host part of a URI, or its maddr."""

    name = MODULE

    def __init__(self, routes: StaticRoutes, alternates: Alternates, number_of: NumberOf) -> None:
        """
        @param number_of: gives the number in the user part of a URI, None where it has none
        """
        self._routes = routes
        self._alternates = alternates
        self._number_of = number_of

    def route(self, uri: Uri, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give the next hops of the routes of the most specific pattern; none where no pattern matches.

        @raise RequestError: there are routes, but no next hop of theirs can be located: 404, or 503 where no name
            server answers (also in the Deferred); 503 where the routes have not been read yet
        """
        if uri.scheme != b"sip":
            return ()  # the last router says what there is to say
        host = ((uri.params.get(b"maddr") if uri.params else None) or uri.host).decode("ascii", "replace")
        routes = self._routes.domain(host)
        if not routes:
            return ()
        for pattern, found in self._routes.domain_matches(host):
            add(subject, self.name, RoutesNote("matches" if found == routes else "less specific", pattern, found))
        return self._alternates.hops(self._choices(routes, uri, subject), subject)

    def _choices(self, routes: Sequence[StaticRoute], uri: Uri, subject: Subject) -> list[Choice]:
        """Fill the rewrites; a user part that they do not fit, a name for one, stays as it is."""
        number = self._number_of(uri)
        choices = []
        for route in routes:
            try:
                choices.append(choice(route, number, uri.user or b"") if number else Choice(route, b""))
            except ValueError as error:
                choices.append(Choice(route, b""))
                add(subject, self.name, Note("not rewritten for {}: {}", route.next_hop, error))
        return choices
