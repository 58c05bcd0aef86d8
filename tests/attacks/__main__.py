"""``python -m tests.attacks``: each HTTP/2 attack for a while, beside a well-behaved client.

The client asks a hundred times a second over one connection, sixteen others attack. It may see no
error, 99 of 100 of its answers have to come within 50 ms, and the server's memory may not grow by
64 MiB. `busy` is how much processor time the server spent within a request, which tells its own
part of a long wait from that of a machine with other things to do.
"""

from __future__ import annotations

import argparse
import sys

from .attack import ATTACKS
from .measure import GROWTH_MAX, Result, measure, quantile

P99_SECONDS = 0.050
STALLED = "h2_stalled_streams"


def problems(result: Result, counter: str) -> list[str]:
    """What a result has to be faulted for."""
    found = [f"{len(result.errors)} errors: {result.errors[0]}"] if result.errors else []
    if quantile(result.seconds, 0.99) >= P99_SECONDS:
        found.append(f"p99 of {quantile(result.seconds, 0.99) * 1000:.1f} ms")
    if result.growth >= GROWTH_MAX:
        found.append(f"memory grew by {result.growth / 1024 / 1024:.0f} MiB")
    if not result.counters.get(counter) and counter != STALLED:  # that one takes half a minute
        found.append(f"{counter} is 0: the attack was not seen")
    return found


def main() -> int:
    """Run the command; returns its exit status: 1 where an attack had an effect."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    names = [attack.name for attack in ATTACKS]
    parser.add_argument("--seconds", type=float, default=60.0, help="for each attack (default 60)")
    parser.add_argument("--only", action="append", choices=names, help="this attack alone")
    given = parser.parse_args()
    head = f"{'attack':18}{'conns':>8}{'asked':>8}{'errors':>8}{'p50 ms':>8}{'p99 ms':>8}"
    print(f"{head}{'max ms':>8}{'busy p99':>10}{'max':>7}{'MiB':>7}  counters", flush=True)
    failed = 0
    for attack in ATTACKS:
        if given.only and attack.name not in given.only:
            continue
        result = measure(attack, given.seconds)
        times = [quantile(result.seconds, share) * 1000 for share in (0.5, 0.99, 1)]
        busy = [quantile(result.busy, share) * 1000 for share in (0.99, 1)]
        counters = ", ".join(
            f"{name} {count}" for name, count in result.counters.items() if name != "h2_connections"
        )
        print(
            f"{attack.name:18}{result.connections:8}{len(result.seconds):8}{len(result.errors):8}"
            f"{times[0]:8.2f}{times[1]:8.2f}{times[2]:8.2f}{busy[0]:10.2f}{busy[1]:7.2f}"
            f"{result.growth / 1024 / 1024:7.1f}  {counters}",
            flush=True,
        )
        found = problems(result, attack.counter)
        failed += bool(found)
        for problem in found:
            print(f"  FAILED {problem}")
    print(f"===== {len(given.only or ATTACKS) - failed} passed, {failed} failed =====")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
