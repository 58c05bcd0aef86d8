"""``python -m fuzz.differential``: do we read requests as llhttp and h11 do?

Requests are made by a grammar, with a fault or two, and read by all three. Where one finds another
request than we do, or refuses what we accept, or the other way about, the list of intended
differences (differences.py) has to say why. Ends with 1 on the first that it does not explain.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

from fuzz.differences import ACCEPT, DIFFERENCES, OTHERWISE, REFUSE, Case, Difference, explain
from fuzz.grammar import Grammar
from fuzz.readings import (
    REFUSED,
    STOPPED,
    H11Reader,
    LlhttpReader,
    OurReader,
    Reading,
)


def find_case(data: bytes, ours: Reading, theirs: Reading) -> Case | None:
    """Return where two readings of ``data`` part, or None where they agree.

    Args:
        data: what was read.
        ours: our reading.
        theirs: another parser's.
    """
    starts = [0, *ours.ends]
    for index, (mine, other) in enumerate(zip(ours.requests, theirs.requests, strict=False)):
        if mine != other:
            return Case(OTHERWISE, data[starts[index] :], 0, mine, other)
    index = min(len(ours.requests), len(theirs.requests))
    rest = data[starts[index] :]
    if len(ours.requests) > index:
        if theirs.end == STOPPED:
            return None
        kind = ACCEPT if theirs.end == REFUSED else OTHERWISE
        return Case(kind, rest, 0, ours.requests[index], None)
    if len(theirs.requests) > index:
        kind = REFUSE if ours.end == REFUSED else OTHERWISE
        return Case(kind, rest, ours.status, None, theirs.requests[index])
    if theirs.end in (ours.end, STOPPED):
        return None
    if ours.end == REFUSED:
        return Case(REFUSE, rest, ours.status, None, None)
    # Some find a fault sooner than we do; what we say is seen when the rest has come.
    return None if theirs.end == REFUSED else Case(OTHERWISE, rest, 0, None, None)


class Comparison:
    """Reads inputs with all parsers, and counts what they agree on.

    Attributes:
        inputs: inputs so far.
        alike: readings of another parser that were as ours.
        explained: the others, by the difference that explains them.
        whole: whole requests that we have read.
    """

    def __init__(self) -> None:
        self._ours = OurReader()
        self._others = (LlhttpReader(), H11Reader())
        self.inputs = self.alike = self.whole = 0
        self.explained: Counter[Difference] = Counter()

    def close(self) -> None:
        """End the program that reads for us."""
        self._ours.close()

    def compare(self, data: bytes) -> str | None:
        """Read one input; return what is wrong, or None.

        Args:
            data: what a client sends.

        Raises:
            RuntimeError: our reader has crashed.
        """
        ours = self._ours.read(data)
        self.inputs += 1
        self.whole += len(ours.requests)
        for reader in self._others:
            theirs = reader.read(data)
            case = find_case(data, ours, theirs)
            if case is None:
                self.alike += 1
                continue
            difference = explain(reader.name, case)
            if difference is None:
                return _describe(data, reader.name, case, ours, theirs)
            self.explained[difference] += 1
        return None


def _describe(data: bytes, name: str, case: Case, ours: Reading, theirs: Reading) -> str:
    lines = [f"{case.kind}, and no intended difference explains it", f"input: {data!r}"]
    lines.append(f"from here on: {case.rest!r}")
    for who, reading in (("ours", ours), (name, theirs)):
        why = f" {reading.status} {reading.reason}".rstrip() if reading.end == REFUSED else ""
        lines.append(f"{who}: {len(reading.requests)} requests, then {reading.end}{why}")
        lines += [f"    {request}" for request in reading.requests]
    return "\n".join(lines)


def _report(comparison: Comparison, seed: str) -> None:
    for difference in DIFFERENCES:
        count = comparison.explained[difference]
        print(f"{count:>9,} {'/'.join(difference.readers)}: {difference.reason}")
    never = [entry for entry in DIFFERENCES if not comparison.explained[entry]]
    if never:
        print(f"{len(never)} of them were not met")
    print(
        f"{comparison.inputs:,} inputs, {comparison.whole:,} whole requests, "
        f"{comparison.alike:,} readings alike, "
        f"{sum(comparison.explained.values()):,} explained (seed {seed})"
    )


def main() -> int:
    """Run the command; returns its exit status: 1 for a difference that is not intended."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.differential", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--seed", default=None, help="the dice (default: a new one)")
    arguments = parser.parse_args()
    seed = arguments.seed or str(random.SystemRandom().randrange(10**9))
    grammar = Grammar(random.Random(seed))
    comparison = Comparison()
    until = time.monotonic() + arguments.seconds
    try:
        while time.monotonic() < until:
            data = grammar.input()
            try:
                wrong = comparison.compare(data)
            except RuntimeError as error:
                wrong = f"{error}\ninput: {data!r}"
            if wrong is not None:
                print(f"{wrong}\n(seed {seed})")
                return 1
    finally:
        comparison.close()
    _report(comparison, seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
