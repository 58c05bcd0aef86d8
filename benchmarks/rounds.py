"""Runs the contenders against each other: round after round, all of them in each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.catalogue import (
    BASELINE,
    CONTENDERS,
    FLOOR,
    SCENARIOS,
    Application,
    Contender,
    Scenario,
    application,
    built_in,
)
from benchmarks.load_client import Measurement, measure
from benchmarks.results import Cell
from benchmarks.server_process import NotInstalled, ServerFailed, ServerProcess


@dataclass(frozen=True)
class Settings:
    """How to run.

    Attributes:
        build: directory of the C programs.
        rounds: how often each cell is measured.
        warmup: seconds of load before each measurement.
        duration: seconds of each measurement.
        server_cpus: processors for the servers.
        load_cpus: processors for the load generator.
        spin: let the load generator poll without sleeping.
        quick: take only the scenarios marked as quick.
        only: take only cells with one of these texts in ``scenario/application/contender``, and
            what their ratios refer to; all where empty.
    """

    build: Path
    rounds: int
    warmup: float
    duration: float
    server_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
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
    programs = [entry for entry in CONTENDERS if not entry.serves_applications]
    servers = [entry for entry in CONTENDERS if entry.serves_applications]
    found = [
        Plan(scenario, built_in(contender), contender)
        for contender in programs
        if scenario.workers == 1 or contender.name == FLOOR
    ]
    for name in scenario.applications:
        found += [Plan(scenario, application(name), contender) for contender in servers]
    return found


def plans(scenario: Scenario, only: tuple[str, ...]) -> list[Plan]:
    """Return the cells of a scenario that are wanted, references for their ratios included."""
    every = _all_of(scenario)
    wanted = [
        plan
        for plan in every
        if not only
        or any(
            text in f"{scenario.name}/{plan.application.name}/{plan.contender.name}"
            for text in only
        )
    ]
    applications = {plan.application.name for plan in wanted}
    return [
        plan
        for plan in every
        if plan in wanted
        or (wanted and plan.contender.name == FLOOR)
        or (plan.contender.name == BASELINE and plan.application.name in applications)
    ]


def _measure_once(plan: Plan, settings: Settings) -> Measurement:
    workers = plan.scenario.workers if plan.contender.serves_applications else 1
    with ServerProcess(
        plan.contender, plan.application, workers, settings.server_cpus, settings.build
    ) as server:
        return measure(
            server,
            plan.scenario,
            settings.build,
            settings.load_cpus,
            settings.warmup,
            settings.duration,
            settings.spin,
        )


def _line(measurement: Measurement) -> str:
    if measurement.errors:
        return f"{measurement.errors} errors: {measurement.error_text.splitlines()[0]}"
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
        found = {
            plan: Cell(scenario.name, plan.application.name, plan.contender.name) for plan in wanted
        }
        for number in range(settings.rounds):
            if wanted:
                progress(f"{scenario.title}: round {number + 1} of {settings.rounds}")
            start = number % max(len(wanted), 1)
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
                progress(f"  {plan.contender.name:16} {plan.application.name:14} {line}")
        cells += found.values()
    return cells
