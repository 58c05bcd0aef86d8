"""Runs many cases, in several processes, and makes those that fail smaller."""

from __future__ import annotations

import collections
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .cases import make_case
from .compare import Verdict, compare
from .report import explain
from .shrink import shrink
from .spec import Case


@dataclass
class Outcome:
    """What a case came to.

    Attributes:
        seed: of the case.
        built: whether FastAPI takes the application.
        statuses: how many responses had each status.
        compiled: how many requests plans have answered, both ways through hyperfastapi together.
        bridged: how many were left to FastAPI's own code, by reason.
        failure: a report, where there was a difference.
    """

    seed: int
    built: bool
    statuses: dict[int | None, int] = field(default_factory=dict)
    compiled: int = 0
    bridged: dict[str, int] = field(default_factory=dict)
    failure: str | None = None


def _shrunk(case: Case, verdict: Verdict, seconds: float) -> str:
    assert verdict.difference is not None
    way, what = verdict.difference.way, verdict.difference.what

    def fails(candidate: Case) -> bool:
        try:
            found = compare(candidate).difference
        except Exception:
            return False  # what was left out is missed, by FastAPI as well
        # The same kind of difference: another one is another case.
        return found is not None and found.way == way and set(found.what) <= set(what)

    smaller = shrink(case, fails, seconds)
    difference = compare(smaller).difference or verdict.difference
    return explain(smaller, difference)


def run_case(seed: int, requests: int, shrink_seconds: float = 60.0) -> Outcome:
    """Run one case, and make it smaller if it fails.

    Args:
        seed: of the case.
        requests: how many requests.
        shrink_seconds: the longest time to spend on making it smaller.
    """
    case = make_case(seed, requests)
    try:
        verdict = compare(case)
    except Exception as error:
        return Outcome(seed, True, failure=f"seed {seed}: FastAPI itself: {error!r}")
    statuses = collections.Counter(one.status for one in verdict.observations)
    outcome = Outcome(seed, verdict.built, dict(statuses))
    bridged: collections.Counter[str] = collections.Counter()
    for counters in verdict.counters.values():
        outcome.compiled += counters.compiled
        bridged.update(counters.bridged)
    outcome.bridged = dict(bridged)
    if verdict.difference is not None:
        outcome.failure = _shrunk(case, verdict, shrink_seconds)
    return outcome


def _run_one(arguments: tuple[int, int, float]) -> Outcome:
    return run_case(*arguments)


def run(
    seeds: range, requests: int, processes: int, shrink_seconds: float = 60.0
) -> Iterator[Outcome]:
    """Run cases and return their outcomes in the order of their seeds.

    Args:
        seeds: of the cases.
        requests: how many requests to each application.
        processes: how many processes share them.
        shrink_seconds: the longest time to spend on making one smaller.
    """
    jobs = [(seed, requests, shrink_seconds) for seed in seeds]
    if processes == 1:
        yield from map(_run_one, jobs)
        return
    # A process lives for a hundred cases: what pydantic keeps of each class adds up.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, maxtasksperchild=100) as pool:
        yield from pool.imap(_run_one, jobs)


def summary(outcomes: list[Outcome], seconds: float) -> str:
    """Return a few lines on what was run."""
    statuses: collections.Counter[int | None] = collections.Counter()
    for outcome in outcomes:
        statuses.update(outcome.statuses)
    built = sum(outcome.built for outcome in outcomes)
    failed = sum(outcome.failure is not None for outcome in outcomes)
    compiled = sum(outcome.compiled for outcome in outcomes)
    bridged: collections.Counter[str] = collections.Counter()
    for outcome in outcomes:
        bridged.update(outcome.bridged)
    share = 100 * compiled / max(compiled + sum(bridged.values()), 1)
    reasons = ", ".join(f"{reason}: {count}" for reason, count in bridged.most_common(12))
    counts = ", ".join(f"{status}: {count}" for status, count in statuses.most_common(12))
    return (
        f"{len(outcomes)} applications ({len(outcomes) - built} refused, alike on both sides), "
        f"{sum(statuses.values())} requests, {failed} differ, {seconds:.0f} s\n"
        f"responses by status: {counts}\n"
        f"answered by plans: {share:.0f} %; others: {reasons}"
    )


def campaign(
    seeds: range,
    requests: int,
    processes: int,
    say: Callable[[str], None],
    most_failures: int = 3,
) -> bool:
    """Run cases until all have run or too many have failed; say what was found.

    Args:
        seeds: of the cases.
        requests: how many requests to each application.
        processes: how many processes share them.
        say: is given text to show.
        most_failures: how many failures are enough.

    Returns:
        Whether there was no difference.
    """
    began = time.monotonic()
    outcomes: list[Outcome] = []
    failures = 0
    for outcome in run(seeds, requests, processes):
        outcomes.append(outcome)
        if outcome.failure is not None:
            failures += 1
            say(outcome.failure)
            if failures == most_failures:
                break
        if len(outcomes) % 100 == 0:
            say(f"{len(outcomes)} of {len(seeds)} applications")
    say(summary(outcomes, time.monotonic() - began))
    return failures == 0
