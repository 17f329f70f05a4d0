"""C{/v1/version}: which release answers."""

from sipproxy import __version__
from sipproxy.control.declarations import Arguments, Json, Operation, Resource
from sipproxy.control.schema import TEXT, an_object


def version_resource() -> Resource:
    """Give the resource."""

    def show(_: Arguments) -> Json:
        return {"version": __version__}

    return Resource("/version", (Operation("GET", "Give the release of the server.", show, an_object(version=TEXT)),))
