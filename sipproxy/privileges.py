"""User and Group: what the process becomes once its ports are open (setuid(2), initgroups(3)).

What it writes later, and folders that it made before, belong to that user. The
business of a process of its own; who embeds the server is who they are.
"""

import grp
import os
import pwd
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sipproxy.config import Directive, Settings
from sipproxy.config.kinds import one_word
from sipproxy.errors import ListenError


class User(NamedTuple):
    """A user of this system."""

    name: str
    number: int
    group: int


def parse_user(word: str) -> User:
    """Find a user by name, or by C{#number}.

    @raise ValueError: there is none
    """
    try:
        found = pwd.getpwuid(int(word[1:])) if word.startswith("#") else pwd.getpwnam(word)
    except (KeyError, OverflowError):
        raise ValueError from None
    return User(found.pw_name, found.pw_uid, found.pw_gid)


def parse_group(word: str) -> int:
    """Find a group by name, or by C{#number}; give its number.

    @raise ValueError: there is none
    """
    try:
        return grp.getgrgid(int(word[1:])).gr_gid if word.startswith("#") else grp.getgrnam(word).gr_gid
    except (KeyError, OverflowError):
        raise ValueError from None


USER: Directive[User | None] = Directive(
    "User",
    one_word(parse_user, "a user of this system", "name", show=lambda user: user.name if user else "none"),
    None,
    "Who the process becomes once its ports are open; none: who starts it.",
)
GROUP: Directive[int | None] = Directive(
    "Group",
    one_word(parse_group, "a group of this system", "name"),
    None,
    "Its group; none: the one of User.",
)


def is_change(settings: Settings) -> bool:
    """Tell whether the process is to become somebody else.

    @raise ListenError: it is, and may not
    """
    user, group = settings[USER], settings[GROUP]
    is_other = (user is not None and user.number != os.geteuid()) or (group is not None and group != os.getegid())
    if is_other and os.geteuid() != 0:
        raise ListenError("User and Group: only root can become somebody else")
    return is_other


def hand_over(settings: Settings, paths: Iterable[Path]) -> None:
    """Let files and folders belong to the user that the process becomes; what is not there is left out.

    @raise ListenError: that is not possible
    """
    user, group = _numbers(settings)
    for path in paths:
        try:
            os.chown(path, user, group)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ListenError(f"{path} cannot be given to the User: {error.strerror}") from None


def drop(settings: Settings) -> None:
    """Become the user and group of the configuration, for good."""
    user = settings[USER]
    number, group = _numbers(settings)
    if user is not None:
        os.initgroups(user.name, group)
    else:
        os.setgroups([group])
    os.setgid(group)
    os.setuid(number)


def _numbers(settings: Settings) -> tuple[int, int]:
    user, group = settings[USER], settings[GROUP]
    number = os.geteuid() if user is None else user.number
    if group is not None:
        return number, group
    return number, os.getegid() if user is None else user.group
