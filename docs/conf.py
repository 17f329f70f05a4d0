"""Sphinx: C{python -m sphinx -W -b html docs build/docs} makes HTML of these pages."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pygments.lexers.configs import ApacheConfLexer

from sipproxy import __version__

project = "sipproxy"
release = __version__
extensions = ["myst_parser"]
html_theme = "alabaster"
# Links to files beside docs/ lead somewhere in the sources only; test/test_docs.py looks after them.
suppress_warnings = ["myst.xref_missing"]
myst_heading_anchors = 2


def setup(app: Any) -> None:
    """Let Sphinx colour sipd.conf, which is in Apache's format."""
    app.add_lexer("sipd", ApacheConfLexer)
