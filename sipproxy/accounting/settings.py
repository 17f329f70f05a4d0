"""mod_sip_radius.c: the directives of accounting; those of the RADIUS client are declared beside its code."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from sipproxy.config import Computed, Directive, Problem, Settings, on_off, path, seconds, whole

ACCOUNTING = Directive("Accounting", on_off(), False, "Keep records of calls for a biller.")
SPOOL = Directive(
    "AccountingSpool",
    path(),
    Path("data/accounting.db"),
    "The file in which records wait until they are delivered, and open calls are remembered.",
)
SPOOL_MAX = Directive(
    "AccountingSpoolMax",
    whole(minimum=1),
    1_000_000,
    "How many records may wait; further ones go to the error log. As many calls may be open.",
)
ACCOUNTING_FILE: Directive[Path | None] = Directive(
    "AccountingFile",
    path(),
    Computed(lambda settings: None, "none"),
    "A file to which records are appended, a JSON object a line.",
)
MAX_CALL_AGE = Directive(
    "AccountingMaxCallAgeInS",
    seconds(minimum=1),
    86_400.0,
    "After how long a call whose BYE never came counts as ended.",
)

DIRECTIVES: tuple[Directive[object], ...] = (ACCOUNTING, SPOOL, SPOOL_MAX, ACCOUNTING_FILE, MAX_CALL_AGE)


class Line(Protocol):
    """What is needed of a RadiusServer as it is written."""

    @property
    def kind(self) -> str:
        """C{auth} or C{acct}."""


L = TypeVar("L", bound=Line)


def check_accounting(
    servers: "Directive[tuple[L, ...]]", record_route: Directive[bool], stateful: Directive[bool]
) -> Callable[[Settings], Iterable[Problem]]:
    """Make the check of the settings that accounting depends on.

    @param servers: RadiusServer
    @param record_route: AddRecordRoute
    @param stateful: StatefulServer
    """

    def check(settings: Settings) -> Iterable[Problem]:
        if not settings[ACCOUNTING]:
            return
        if not _told(settings[servers]) and settings[ACCOUNTING_FILE] is None:
            yield settings.error(ACCOUNTING, "a RadiusServer acct or an AccountingFile, for records to go to")
        if not settings[stateful]:
            # Without transactions nobody sees what became of an INVITE: there would be no record at all.
            yield settings.error(stateful, "On where Accounting is On")
        if not settings[record_route]:
            yield settings.warning(
                record_route, "On where Accounting is On: else no BYE passes here, and calls end by their age"
            )

    return check


def _told(lines: Sequence[Line]) -> bool:
    """Tell whether a server is told of calls."""
    return any(line.kind == "acct" for line in lines)
