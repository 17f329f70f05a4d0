"""C{${NAME}} in words, replaced from the environment.

As in a shell, a value is text and never syntax: quotes and C{#} in it are
themselves. In a bare word a value with blanks gives several words, in a quoted
one it does not.
"""

import re
from collections.abc import Mapping

from sipproxy.config.lexer import Word
from sipproxy.config.names import Suggestions
from sipproxy.config.problems import Problem, Report, quotation

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


def expanded(
    words: tuple[Word, ...], environ: Mapping[str, str], suggestions: Suggestions, report: Report
) -> tuple[Word, ...] | None:
    """Replace the variables in words.

    @param environ: the environment, text by name
    @return: None where a variable cannot be used; that is reported
    """
    if not any("${" in word.text for word in words):
        return words
    result: list[Word] = []
    problems: list[Problem] = []
    for word in words:
        names = _VARIABLE.findall(word.text)
        problems += [problem for name in names for problem in _problems(name, word, environ, suggestions)]
        if not problems:
            result += _replaced(word, environ)
    for problem in problems:
        report(problem)
    return None if problems else tuple(result)


def _replaced(word: Word, environ: Mapping[str, str]) -> list[Word]:
    """Give the word, or words, that a word becomes."""
    text = _VARIABLE.sub(lambda variable: environ[variable[1]], word.text)
    if word.quoting == "quoted" or text == word.text:
        return [word._replace(text=text)]
    return [word._replace(text=piece) for piece in text.split()]


def _problems(name: str, word: Word, environ: Mapping[str, str], suggestions: Suggestions) -> list[Problem]:
    """Tell what forbids the use of a variable: it is not set, or its value is not text."""
    shown = quotation(f"${{{name}}}")
    if name not in environ:
        meant = suggestions.nearest(name, environ)
        return [Problem(word.position, "an environment variable that is set", shown, meant)]
    if not _is_text(environ[name]):
        return [Problem(word.position, f"UTF-8 text without NUL in {shown}", quotation(environ[name]))]
    return []


def _is_text(value: str) -> bool:
    """Tell whether a value is text; octets that are not UTF-8 come from the system as lone surrogates."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in value
