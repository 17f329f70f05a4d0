"""A program in the place of C{ip}: takes commands from its standard input as C{ip -batch -} does, and keeps tables.

They are JSON in the file that its own path ends with C{.tables} for; every command is noted there as well.
"""

import json
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

_SCRIPT = """#!{python} -I
import json, sys
path = __file__ + ".tables"
kept = json.load(open(path))
assert sys.argv[1:] == ["-batch", "-"], sys.argv
for line in sys.stdin:
    xfrm, table, verb, *words = line.split()
    stop = {{"state": 8, "policy": words.index("dir") + 2 if "dir" in words else 0}}[table]
    key = table + " " + " ".join(words[:stop])
    kept["commands"].append(line.strip())
    error = None
    if kept["refuse"] and verb == "add" and table in kept["refuse"]:
        error = kept["refuse"][table]
    elif verb == "add" and key in kept["entries"]:
        error = "RTNETLINK answers: File exists"
    elif verb == "add":
        kept["entries"][key] = " ".join(words[stop:])
    elif key not in kept["entries"]:
        error = "RTNETLINK answers: No such process"
    elif verb == "get":
        print(key, kept["entries"][key])
    else:
        del kept["entries"][key]
    json.dump(kept, open(path, "w"))
    if error:
        sys.stderr.write(error + chr(10) + "Command failed -:1" + chr(10))
        sys.exit(2)
"""


class FakeIp:
    """The program, in a folder of its own.

    @ivar path: where it is
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        self.path = Path(test.mktemp()).resolve()
        self.path.write_text(_SCRIPT.format(python=sys.executable))
        self.path.chmod(0o755)
        self._tables = Path(f"{self.path}.tables")
        self._write({"entries": {}, "commands": [], "refuse": {}})

    def _write(self, kept: object) -> None:
        self._tables.write_text(json.dumps(kept))

    def _read(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads(self._tables.read_text())
        return found

    @property
    def entries(self) -> dict[str, str]:
        """What the tables hold: by what it is found by, what it is."""
        return self._read()["entries"]

    @property
    def commands(self) -> list[str]:
        """All commands that it was given."""
        return list(self._read()["commands"])

    def put(self, key: str, content: str) -> None:
        """Let the tables hold something that others have put there."""
        kept = self._read()
        kept["entries"][key] = content
        self._write(kept)

    def refuse(self, table: str, reason: str) -> None:
        """Take nothing more into a table."""
        kept = self._read()
        kept["refuse"][table] = reason
        self._write(kept)
