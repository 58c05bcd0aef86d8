"""Compares what two sides showed for a case, and finds the first difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hyperfastapi.plans import Counters
from tests.differential import Observation, differing

from .sides import WAYS, NotBuilt, Runner, oracle
from .spec import Case


@dataclass(frozen=True)
class Difference:
    """The first difference of a case.

    Attributes:
        way: the way through hyperfastapi that differs.
        step: the number of the request, or None where the application itself differs.
        what: the attributes of the observation that differ.
        expected, actual: what was seen, None where nothing was.
        text: what else there is to say.
    """

    way: str
    step: int | None
    what: tuple[str, ...]
    expected: Observation | None = None
    actual: Observation | None = None
    text: str = ""


@dataclass(frozen=True)
class Verdict:
    """What comparing a case came to.

    Attributes:
        built: whether FastAPI takes the application.
        difference: the first difference, if any.
        observations: what FastAPI showed.
        counters: what hyperfastapi counted, by way.
    """

    built: bool
    difference: Difference | None = None
    observations: tuple[Observation, ...] = ()
    counters: Mapping[str, Counters] = field(default_factory=dict)


def compare(case: Case, ways: Mapping[str, Runner] = WAYS, known: Runner = oracle) -> Verdict:
    """Run a case on FastAPI and on each way through hyperfastapi.

    Args:
        case: what to run.
        ways: the ways, by name.
        known: what they are compared with.
    """
    refused = None
    hangs = False
    expected: list[Observation] = []
    counters: dict[str, Counters] = {}
    try:
        expected = known(case).observations
    except NotBuilt as error:
        refused = str(error)
    except TimeoutError:
        hangs = True  # as a dependency that waits for itself to give up its max_concurrency
    for way, run in ways.items():
        try:
            ran = run(case)
        except NotBuilt as error:
            if str(error) != refused:
                text = f"building: expected {refused or 'an application'}, got {error}"
                return Verdict(refused is None, Difference(way, None, (), text=text))
            continue
        except Exception as error:
            if hangs and isinstance(error, TimeoutError):
                continue
            text = f"running: {type(error).__name__}: {error}"
            return Verdict(True, Difference(way, None, (), text=text), tuple(expected))
        if refused is not None:
            text = f"building: expected {refused}, got an application"
            return Verdict(False, Difference(way, None, (), text=text))
        if hangs:
            text = "running: expected an application that does not return"
            return Verdict(True, Difference(way, None, (), text=text))
        counters[way] = ran.counters
        pairs = zip(expected, ran.observations, strict=True)
        for number, (one, other) in enumerate(pairs):
            if what := differing(one, other):
                return Verdict(True, Difference(way, number, what, one, other), tuple(expected))
    return Verdict(refused is None, None, tuple(expected), counters)
