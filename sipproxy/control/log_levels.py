"""C{/v1/log-levels}: the levels of the error log, shown and changed while the server runs.

A change lasts until the server ends; what is to last longer stands in C{LogLevel}.
"""

from collections.abc import Iterable

from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.schema import an_object
from sipproxy.logs.levels import LEVEL_NAMES, Levels, module_name, parse_level

#: Takes a module's own level away.
DEFAULT = "default"

_LEVEL = {"type": "string", "enum": list(LEVEL_NAMES)}
_ANSWER = an_object(default=_LEVEL, modules={"type": "object", "additionalProperties": _LEVEL})
_FIELDS = (
    Field("level", {"type": "string", "enum": [*LEVEL_NAMES, DEFAULT]}, "The level; default: that of all.", True),
    Field(
        "module", {"type": "string", "maxLength": 100}, "The module; without one, all that have no level of their own."
    ),
)


def log_levels_resource(levels: Levels, modules: Iterable[str]) -> Resource:
    """Give the resource of some levels.

    @param modules: the names of the modules that there are
    """
    known = sorted(set(map(module_name, modules)))

    def show(_: Arguments) -> Json:
        own = levels.by_name()
        return {"default": own.pop(""), "modules": own}

    def change(arguments: Arguments) -> Json:
        level, module = arguments["level"], arguments.get("module")
        if module is not None and module_name(module) not in known:
            raise ControlError(404, f"there is no module {module!a}; there are {', '.join(known)}")
        if module is None:
            if level == DEFAULT:
                raise ControlError(422, "default is for a module")
            levels.set_default(parse_level(level))
        elif level == DEFAULT:
            levels.unset(module)
        else:
            levels.set(module, parse_level(level))
        return show({})

    return Resource(
        "/log-levels",
        (
            Operation("GET", "Give the levels in force.", show, _ANSWER),
            Operation(
                "PUT",
                "Change a level.",
                change,
                _ANSWER,
                body=_FIELDS,
                refusals={404: "There is no such module.", 422: "The level is none for all modules."},
            ),
        ),
    )
