"""``python -m tests.random_apps --apps 2000 --requests 20``: look for a difference to FastAPI."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from .campaign import campaign
from .cases import make_case
from .compare import compare
from .report import explain
from .source import write
from .spec import Case, from_data

SEEDS_APART = 1_000_000


def _replay(file: Path) -> int:
    """Run a case again that was printed or kept as JSON."""
    text = file.read_text(encoding="utf-8")
    _, found, after = text.partition("# the case: ")
    case = from_data(Case, json.loads(after if found else text))
    difference = compare(case).difference
    print("no difference" if difference is None else explain(case, difference))
    return 0 if difference is None else 1


def main() -> int:
    """Run the command; returns its exit status: 1 where a difference was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.random_apps", description=__doc__)
    add = parser.add_argument
    add("--apps", type=int, default=2000, metavar="N", help="applications (default 2000)")
    add("--requests", type=int, default=20, metavar="N", help="requests to each (default 20)")
    add("--seed", type=int, default=1, metavar="S", help="which of all applications (default 1)")
    add("--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="default: all CPUs")
    add("--only", type=int, metavar="SEED", help="run one case alone, by the seed in its report")
    add("--show", type=int, metavar="SEED", help="print the application of a case and run nothing")
    add("--replay", type=Path, metavar="FILE", help="run a printed case again")
    arguments = parser.parse_args()
    if arguments.show is not None:
        print(write(make_case(arguments.show, 0).application))
        return 0
    if arguments.replay is not None:
        return _replay(arguments.replay)
    first = arguments.seed * SEEDS_APART
    seeds = range(first, first + arguments.apps)
    if arguments.only is not None:
        seeds = range(arguments.only, arguments.only + 1)
    processes = min(arguments.processes, len(seeds))
    good = campaign(seeds, arguments.requests, processes, lambda text: print(text, flush=True))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
