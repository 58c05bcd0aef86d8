"""Runs the contenders against each other: round after round, all of them in each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.alone import measure_alone
from benchmarks.catalogue import (
    BASELINE,
    CONTENDERS,
    FLOOR,
    LISTENER,
    PYDANTIC,
    SCENARIOS,
    Application,
    Contender,
    Scenario,
    application,
    built_in,
)
from benchmarks.load_client import Load, Measurement, measure, measure_beside
from benchmarks.results import Cell
from benchmarks.server_process import NotInstalled, ServerFailed, ServerProcess

USUAL_ROUNDS = 3


@dataclass(frozen=True)
class Settings:
    """How to run.

    Attributes:
        build: directory of the C programs.
        rounds: how often each cell is measured; None for what its scenario says, or 3.
        warmup: seconds of load before each measurement.
        duration: seconds of each measurement.
        server_cpus: processors for the servers.
        load_cpus: processors for the load generator.
        all_cpus: processors for both, where a scenario is not pinned.
        spin: let the load generator poll without sleeping.
        quick: take only the scenarios marked as quick.
        only: take only the cells that one of these texts selects (see `selects`), and what their
            ratios refer to; all where empty.
    """

    build: Path
    rounds: int | None
    warmup: float
    duration: float
    server_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
    all_cpus: tuple[int, ...]
    spin: bool
    quick: bool
    only: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A cell to measure."""

    scenario: Scenario
    application: Application
    contender: Contender


def _all_of(scenario: Scenario) -> list[Plan]:
    found = []
    for served in map(application, scenario.applications):
        for contender in CONTENDERS:
            if not contender.stands_beside(served):
                continue
            if contender.one_worker and scenario.workers > 1:
                continue
            if scenario.beside is not None and not contender.serves_applications:
                continue
            shown = served if contender.serves_applications else built_in(contender, served)
            found.append(Plan(scenario, shown, contender))
    return found


def selects(text: str, plan: Plan) -> bool:
    """Return whether a text of ``--only`` selects a cell.

    It names a scenario, an application or a contender, or neighbours of these three with slashes
    between them. An application's name alone means its first scenario.
    """
    names = (plan.scenario.name, plan.application.name, plan.contender.name)
    wanted = tuple(text.strip("/").split("/"))
    if not any(names[start : start + len(wanted)] == wanted for start in range(len(names))):
        return False
    if wanted != (plan.application.name,):
        return True
    home = next(entry for entry in SCENARIOS if plan.application.name in entry.applications)
    return plan.scenario.name in (home.name, *wanted)


def plans(scenario: Scenario, only: tuple[str, ...]) -> list[Plan]:
    """Return the cells of a scenario that are wanted, references for their ratios included."""
    every = _all_of(scenario)
    wanted = [plan for plan in every if not only or any(selects(text, plan) for text in only)]
    applications = {plan.application.name for plan in wanted}
    references = (FLOOR, BASELINE, LISTENER, PYDANTIC)
    return [
        plan
        for plan in every
        if plan in wanted
        or (plan.contender.name in references and plan.application.name in applications)
    ]


def _measure_once(plan: Plan, settings: Settings) -> Measurement:
    scenario = plan.scenario
    workers = scenario.workers if plan.contender.serves_applications else 1
    server_cpus = settings.server_cpus if scenario.pinned else settings.all_cpus
    if plan.contender.is_alone:
        return measure_alone(
            plan.application.pydantic, server_cpus, settings.warmup, settings.duration
        )
    load = Load(
        settings.build,
        settings.load_cpus if scenario.pinned else settings.all_cpus,
        settings.warmup,
        settings.duration,
        settings.spin,
    )
    with ServerProcess(
        plan.contender, plan.application, workers, server_cpus, settings.build
    ) as server:
        if scenario.beside is not None:
            return measure_beside(server, scenario, scenario.beside, load)
        return measure(server, scenario, load)


def _line(measurement: Measurement) -> str:
    if measurement.errors:
        return f"{measurement.errors} errors: {measurement.error_text.splitlines()[0]}"
    beside = measurement.beside
    if beside is not None:
        return (
            f"{measurement.requests_per_second:10,.0f}/s of {beside.fast_alone:,.0f}/s alone, "
            f"beside {beside.requests_per_second:,.1f}/s of {beside.alone:,.1f}/s alone"
        )
    return (
        f"{measurement.requests_per_second:10,.0f}/s  {measurement.cpu_us:8.2f} us CPU  "
        f"p50 {measurement.p50_us:9.1f} us  p99 {measurement.p99_us:9.1f} us"
    )


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run(settings: Settings, progress: Callable[[str], None] = _to_stderr) -> list[Cell]:
    """Measure everything, and return the cells.

    Args:
        settings: what, how often and for how long.
        progress: is given a line of text for each measurement.
    """
    cells: list[Cell] = []
    for scenario in SCENARIOS:
        if settings.quick and not scenario.quick:
            continue
        wanted = plans(scenario, settings.only)
        for name in dict.fromkeys(plan.application.name for plan in wanted):
            beside_each_other = [plan for plan in wanted if plan.application.name == name]
            cells += _run_application(beside_each_other, settings, progress)
    return cells


def _run_application(
    wanted: list[Plan], settings: Settings, progress: Callable[[str], None]
) -> list[Cell]:
    """Measure the contenders that serve one application, in turns, and return their cells."""
    scenario, name = wanted[0].scenario, wanted[0].application.name
    rounds = settings.rounds or scenario.rounds or USUAL_ROUNDS
    found = {plan: Cell(scenario.name, name, plan.contender.name) for plan in wanted}
    for number in range(rounds):
        progress(f"{name}: {scenario.title}: round {number + 1} of {rounds}")
        start = number % len(wanted)
        for plan in wanted[start:] + wanted[:start]:
            cell = found[plan]
            measurement = None
            try:
                measurement = _measure_once(plan, settings)
                line = _line(measurement)
                if measurement.errors:
                    cell.problems.append(line)
            except NotInstalled as error:
                line = str(error)
                cell.problems = [line]
            except ServerFailed as error:
                line = str(error)
                cell.problems.append(line)
            cell.rounds.append(measurement)
            progress(f"  {plan.contender.name:16} {line}")
    return list(found.values())
