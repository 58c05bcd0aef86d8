"""``python -m tests.autobahn [CASE...]``: the Autobahn test suite, judged.

Every case has to be OK, but for the few that only inform of what a server does.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hyperfastapi.testing import ThreadServer
from tests.autobahn import suite
from tests.autobahn.app import app

# What is sent after a close, and two close codes that nobody has defined.
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}
DIRECTORY = Path(__file__).resolve().parents[2] / ".cache" / "autobahn"


def _number(case: str) -> list[int]:
    return [int(part) for part in case.split(".")]


def main() -> int:
    """Run the suite; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.autobahn", description=__doc__)
    parser.add_argument("cases", nargs="*", default=["*"], help='such as "12.*"; all without any')
    cases: list[str] = parser.parse_args().cases
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    try:
        command = suite.set_up(DIRECTORY)
    except suite.Unavailable as reason:
        print(reason, file=sys.stderr)
        return 2
    with ThreadServer(app, lifespan=False) as server:
        said = suite.run(command, server.port, cases, DIRECTORY)
    failed = 0
    for case in sorted(said, key=_number):
        expected = "INFORMATIONAL" if case in INFORMATIONAL else "OK"
        if said[case] != (expected, expected):
            failed += 1
            print(f"{case}: {said[case][0]}, closed: {said[case][1]}")
    informational = sum(case in INFORMATIONAL for case in said)
    fine = len(said) - failed - informational
    print(
        f"{len(said)} cases: {fine} OK, {informational} informational, {failed} otherwise; see"
        f" {DIRECTORY}/reports/index.html"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
