"""C{/v1/reload}: another configuration for a running server, or what would change with it."""

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from sipproxy.config import ConfigError, Settings
from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.schema import COUNT, TEXT, TRUTH, an_array, an_object
from sipproxy.errors import SipproxyError

_FIELDS = (Field("dry_run", TRUTH, "Only tell what would change."),)
_CALLS = an_object(
    looked_at=COUNT, different=COUNT, examples=an_array(an_object(uri=TEXT, source=TEXT, current=TEXT, other=TEXT))
)
_ANSWER = an_object(
    generation=COUNT, changed=an_array(TEXT), at_next_start=an_array(TEXT), warnings=an_array(TEXT), calls=_CALLS
)


class Reloadable(Protocol):
    """What can be given another configuration (L{sipproxy.app.Server})."""

    generation: int

    def changes(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Give the names of directives that differ: those that take effect at once, and those at the next start."""

    async def preview(self, settings: Settings) -> Any:
        """Tell which of the last calls would go elsewhere (L{sipproxy.preview.Preview})."""

    def reload(self, settings: Settings) -> None:
        """Serve by another configuration."""


def reload_resource(server: Reloadable, read: Callable[[], Settings]) -> Resource:
    """Give the resource.

    @param read: reads the configuration file anew
    """

    async def act(arguments: Arguments) -> Json:
        try:
            settings = read()
            changed, at_next_start = server.changes(settings)
            seen = await server.preview(settings)
            if not arguments.get("dry_run", False):
                server.reload(settings)
        except ConfigError as error:
            raise ControlError(422, str(error)) from None
        except SipproxyError as error:
            raise ControlError(422, f"nothing was changed: {error}") from None
        return {
            "generation": server.generation,
            "changed": changed,
            "at_next_start": at_next_start,
            "warnings": [str(problem) for problem in settings.warnings],
            "calls": {
                "looked_at": seen.calls,
                "different": seen.differences,
                "examples": [difference._asdict() for difference in seen.told],
            },
        }

    def reload(arguments: Arguments) -> Deferred[Json]:
        return Deferred.fromCoroutine(act(arguments))

    return Resource(
        "/reload",
        (
            Operation(
                "POST",
                "Read the configuration file again and serve by it.",
                reload,
                _ANSWER,
                body=_FIELDS,
                refusals={422: "The configuration is wrong; the server goes on as before."},
            ),
        ),
    )
