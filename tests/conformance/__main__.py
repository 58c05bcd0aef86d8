"""Writes the counts of the suite into README.md: python -m tests.conformance [--check].

With --check nothing is written, and the exit status is 1 when the README's counts are stale.
"""

from __future__ import annotations

import contextlib
import io
import sys

from .areas import README, counted, replaced, table


def main(arguments: list[str]) -> int:
    """Count, and write or compare."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    with contextlib.redirect_stdout(io.StringIO()):
        lines = table(counted())
    is_text = README.read_text(encoding="utf-8")
    should_be = replaced(is_text, lines)
    print(lines, end="")
    if not arguments:
        README.write_text(should_be, encoding="utf-8")
    elif is_text != should_be:
        print("README.md counts otherwise: python -m tests.conformance", file=sys.stderr)
        return 1
    return 0


sys.exit(main(sys.argv[1:]))
