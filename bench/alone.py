"""Measurements in processes of their own."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from twisted.logger import globalLogBeginner

from bench.processes import processors


def alone(measure: Callable[..., Any], *arguments: object) -> Any:
    """Call a function in a fresh process, whose memory is its own."""
    return _call(_hush, measure, *arguments)


def beside(measure: Callable[..., Any], *arguments: object) -> Any:
    """Call a function in a fresh process on the processor of the load, beside a server."""
    return _call(_pin, measure, *arguments)


def _call(begin: Callable[[], None], measure: Callable[..., Any], *arguments: object) -> Any:
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"), initializer=begin) as pool:
        return pool.submit(measure, *arguments).result()


def _hush() -> None:
    """Let twisted.logger print nothing: what it is told is looked at where it matters."""
    globalLogBeginner.beginLoggingTo((), redirectStandardIO=False)


def _pin() -> None:
    os.sched_setaffinity(0, {processors()[1]})
