"""Configuration: declarations, the reader of C{sipd.conf}, checks, and the manual page.

Knows no directive itself: each module of the server declares its own (see
L{sipproxy.config.directives}), and L{load} is given the modules.
"""

from sipproxy.config.addresses import Listen, address_port, host, hosts, listen, networks
from sipproxy.config.directives import Block, Computed, Directive, Module
from sipproxy.config.kinds import (
    Kind,
    WrongValueError,
    each,
    joined,
    milliseconds,
    on_off,
    one_of,
    path,
    repeated,
    seconds,
    text,
    whole,
    words,
)
from sipproxy.config.lexer import Line
from sipproxy.config.manpage import manual
from sipproxy.config.problems import ConfigError, Position, Problem
from sipproxy.config.settings import Section, Settings, changed, load, load_lines, load_value

__all__ = [
    "Block",
    "Computed",
    "ConfigError",
    "Directive",
    "Kind",
    "Line",
    "Listen",
    "Module",
    "Position",
    "Problem",
    "Section",
    "Settings",
    "WrongValueError",
    "address_port",
    "changed",
    "each",
    "host",
    "hosts",
    "joined",
    "listen",
    "load",
    "load_lines",
    "load_value",
    "manual",
    "milliseconds",
    "networks",
    "on_off",
    "one_of",
    "path",
    "repeated",
    "seconds",
    "text",
    "whole",
    "words",
]
