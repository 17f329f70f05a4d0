"""The measurements of README.md.

python bench/run.py bench|large|farm|soak [--help]
"""

import argparse
import json
import signal
import site
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# What is installed, and perhaps compiled, is measured, not the sources beside this folder. The folders bench and test
# are not installed: they come second, and before Python's own package `test`.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, site.getsitepackages()[0])

from bench.compare import compare
from bench.farm import farm
from bench.large import PARTS, Chosen, large
from bench.soak import soak
from bench.works import WORKS

RESULTS = Path(__file__).resolve().parent / "results.json"


def _names(known: Sequence[str]) -> Any:
    """Make a reader of names with commas."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
        return names

    return read


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/run.py", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, sentence: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=sentence, description=sentence, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        added.add_argument("--rate", type=int, default=800, help="calls per second")
        added.add_argument("--json", type=Path, default=RESULTS, help="where figures are written")
        return added

    bench = command("bench", "The cost of each work beside Kamailio.")
    bench.add_argument("--work", type=_names(WORKS), default=list(WORKS), help="works, with commas")
    many = command("large", "Many registrations, transactions, calls and damaged datagrams.")
    many.add_argument("--part", type=_names(PARTS), default=list(PARTS), help="parts, with commas")
    for name, sentence in (
        ("registrations", "registrations in the database"),
        ("calls", "calls after which memory must not have grown"),
        ("datagrams", "damaged datagrams"),
        ("subscribers", "subscribers in MariaDB"),
        ("waiting", "registrations that wait for a slow RADIUS server"),
        ("invites", "INVITEs sent at once"),
        ("seed", "seed of their damage"),
    ):
        many.add_argument(f"--{name}", type=int, default=Chosen._field_defaults[name], help=sentence)
    shared = command("farm", "Registrations at three members over three servers of etcd.")
    shared.set_defaults(rate=500)
    for each in (bench, many, shared):
        each.add_argument("--seconds", type=int, default=8, help="length of a run")
        each.add_argument("--rounds", type=int, default=3, help="runs of each server")
    long = command("soak", "Calls without end, and memory.")
    long.add_argument("--calls", type=int, default=2_000_000, help="calls in all")
    long.add_argument("--portion", type=int, default=20_000, help="calls between two samples")
    return parser


def main(arguments: Sequence[str]) -> None:
    """Measure what the arguments say, print it and write it down."""
    # So that what was started is ended too, whoever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended early"))
    given = _parser().parse_args(arguments)
    if given.command == "bench":
        found = compare(given.work, given.rate, given.seconds, given.rounds)
    elif given.command == "large":
        chosen = Chosen(**{name: getattr(given, name) for name in Chosen._fields})
        found = large(given.part, chosen)
    elif given.command == "farm":
        found = farm(given.rate, given.seconds, given.rounds)
    else:
        found = soak(given.calls, given.rate, given.portion)
    _keep(given.json, given.command, found)


def _keep(path: Path, command: str, found: dict[str, Any]) -> None:
    """Write figures beside those of other commands and parts."""
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept[command] = found if command in ("farm", "soak") else {**kept.get(command, {}), **found}
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
