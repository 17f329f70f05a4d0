"""A translation module of one's own: at night, calls to some users go to the night desk.

Its directives, its class and what makes the one of the other stand in one file, as those of sipproxy's own modules
do. See docs/translation-module.md.
"""

import re
import time
from collections.abc import Callable

from zope.interface import implementer

from sipproxy.config import Directive, Module, Settings, repeated, text
from sipproxy.config.kinds import one_word
from sipproxy.errors import SipParseError
from sipproxy.message import Uri, parse_uri
from sipproxy.translation import ITranslator, Subject, Target, Targets

_HOURS = re.compile(r"([01][0-9]|2[0-3])-([01][0-9]|2[0-3])")


def _read_hours(word: str) -> tuple[int, int]:
    found = _HOURS.fullmatch(word)
    if found is None:
        raise ValueError
    return int(found[1]), int(found[2])


def _read_uri(word: str) -> Uri:
    try:
        return parse_uri(word.encode("utf-8"))
    except SipParseError:
        raise ValueError from None


NIGHT_HOURS: Directive[tuple[int, int]] = Directive(
    "NightHours",
    one_word(_read_hours, "hours such as 18-08", "hours", show="{0[0]:02}-{0[1]:02}".format),
    (18, 8),
    "From which hour to which it is night, in local time.",
)
NIGHT_DESK: Directive[Uri | None] = Directive(
    "NightDesk", one_word(_read_uri, "a SIP URI", "uri"), None, "Where calls go at night; none: the module is off."
)
NIGHT_USER: Directive[tuple[str, ...]] = Directive("NightUser", repeated(text()), (), "A user whose calls go there.")

MODULE = Module("mod_night_desk.c", (NIGHT_HOURS, NIGHT_DESK, NIGHT_USER))


@implementer(ITranslator)
class NightDesk:
    """Gives the night desk as the contact of some users, at night."""

    name = "mod_night_desk"

    def __init__(
        self,
        desk: Uri,
        users: tuple[str, ...],
        hours: tuple[int, int],
        local_time: Callable[[float], time.struct_time],
    ) -> None:
        """
        @param local_time: tells what a wall-clock time is here
        """
        self._desk = desk
        self._users = frozenset(user.encode("utf-8") for user in users)
        self._begin, self._end = hours
        self._local_time = local_time

    def translate(self, subject: Subject) -> Targets:
        """Give the desk, or nothing, so that the next module is asked."""
        if subject.uri.user not in self._users:
            return ()
        hour = self._local_time(subject.now).tm_hour
        is_night = self._begin <= hour < self._end if self._begin < self._end else not self._end <= hour < self._begin
        if not is_night:
            subject.trace.append(("translation", self.name, f"{hour} o'clock is no night"))
            return ()
        return (Target(self._desk, origin=self.name),)


def configured(
    settings: Settings, local_time: Callable[[float], time.struct_time] = time.localtime
) -> list[ITranslator]:
    """Give the translator that a configuration describes, as a list: it is empty where the module is off."""
    desk = settings[NIGHT_DESK]
    return [] if desk is None else [NightDesk(desk, settings[NIGHT_USER], settings[NIGHT_HOURS], local_time)]
