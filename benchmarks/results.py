"""The outcome of a run: cells with a measurement a round, their medians, spreads and ratios."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.catalogue import BASELINE, CONTENDERS, FLOOR, LISTENER, PINNED, SCENARIOS
from benchmarks.load_client import BesideMeasurement, Measurement


@dataclass(frozen=True)
class Spread:
    """A median, and the range that it lies in."""

    median: float
    least: float
    most: float


def spread(values: Iterable[float]) -> Spread | None:
    """Return median and range of the values, or None where there are none."""
    known = list(values)
    if not known:
        return None
    return Spread(statistics.median(known), min(known), max(known))


@dataclass
class Cell:
    """One contender serving one application under one scenario.

    Attributes:
        scenario, application, contender: names from the catalogue.
        rounds: a measurement for each round, None where there was none.
        problems: what went wrong, a text for each round in which something did.
    """

    scenario: str
    application: str
    contender: str
    rounds: list[Measurement | None] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def good(self) -> dict[int, Measurement]:
        """Return the measurements without an error, by the number of their round."""
        return {
            number: entry
            for number, entry in enumerate(self.rounds)
            if entry is not None and entry.errors == 0 and entry.requests > 0
        }

    def of(self, quantity: str) -> Spread | None:
        """Return median and range of an attribute of the good measurements."""
        values = [getattr(entry, quantity) for entry in self.good().values()]
        return spread(value for value in values if value is not None)

    def relative(self, reference: Spread | None) -> Spread | None:
        """Return the CPU time a request as a ratio to a median."""
        own = self.of("cpu_us")
        if reference is None or own is None or reference.median <= 0:
            return None
        return Spread(*(value / reference.median for value in (own.median, own.least, own.most)))

    def imbalance(self, workers: int) -> Spread | None:
        """Return how far the worker furthest from an equal share of the connections is from it.

        0.2 means that a worker has 20 % more or fewer connections than the equal share.
        """
        found = []
        for entry in self.good().values():
            if entry.tally:
                share = sum(entry.tally.values()) / workers
                missing = [0] * (workers - len(entry.tally))
                counts = [*entry.tally.values(), *missing]
                found.append(max(abs(count - share) for count in counts) / share)
        return spread(found)


def _measurement(saved: dict[str, Any]) -> Measurement:
    beside = saved.pop("beside", None)
    return Measurement(**saved, beside=BesideMeasurement(**beside) if beside else None)


@dataclass
class Run:
    """All cells of a run, and what they were measured on."""

    machine: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, Any]
    cells: list[Cell]

    def cell(self, scenario: str, application: str, contender: str) -> Cell | None:
        """Return a cell by its names, or None."""
        for cell in self.cells:
            if (cell.scenario, cell.application, cell.contender) == (
                scenario,
                application,
                contender,
            ):
                return cell
        return None

    def scenarios(self) -> list[str]:
        """Return the names of the scenarios that were run, in the catalogue's order."""
        present = {cell.scenario for cell in self.cells}
        return [entry.name for entry in SCENARIOS if entry.name in present]

    def of_scenario(self, scenario: str) -> list[Cell]:
        """Return the cells of a scenario: applications together, contenders in order."""
        order = [entry.name for entry in CONTENDERS]
        applications: list[str] = []
        for cell in self.cells:
            if cell.scenario == scenario and cell.application not in applications:
                applications.append(cell.application)
        return sorted(
            (cell for cell in self.cells if cell.scenario == scenario),
            key=lambda cell: (
                applications.index(cell.application),
                order.index(cell.contender) if cell.contender in order else len(order),
            ),
        )

    def ratio(self, cell: Cell, reference: Cell | None, quantity: str = "cpu_us") -> Spread | None:
        """Return CPU time a request, or another figure, as a ratio to another cell's, by rounds."""
        if reference is None:
            return None
        theirs = reference.good()
        return spread(
            getattr(entry, quantity) / getattr(theirs[number], quantity)
            for number, entry in cell.good().items()
            if number in theirs and getattr(theirs[number], quantity) > 0
        )

    def to_floor(self, cell: Cell) -> Spread | None:
        """Return the ratio of CPU time a request to the floor's."""
        return self.ratio(cell, self.cell(cell.scenario, cell.application, FLOOR))

    def to_baseline(self, cell: Cell) -> Spread | None:
        """Return the ratio of CPU time a request to uvicorn's with the same application."""
        return self.ratio(cell, self.cell(cell.scenario, cell.application, BASELINE))

    def to_listener(self, cell: Cell, quantity: str = "cpu_us") -> Spread | None:
        """Return the ratio of a figure to that of a bare listener of the same WebSockets."""
        listener = self.cell(cell.scenario, cell.application, LISTENER)
        return self.ratio(cell, listener, quantity)

    def to_pinned(self, cell: Cell) -> Spread | None:
        """Return the ratio of CPU time a request to the median where all is pinned.

        The median is of another scenario's rounds: the two have none in common.
        """
        pinned = self.cell(PINNED, cell.application, cell.contender)
        return cell.relative(pinned.of("cpu_us") if pinned is not None else None)

    def save(self, path: Path) -> None:
        """Write the run as JSON, with the medians beside the measurements."""
        cells = []
        for cell in self.cells:
            summary = {
                name: value and asdict(value)
                for name, value in {
                    "requests_per_second": cell.of("requests_per_second"),
                    "p50_us": cell.of("p50_us"),
                    "p99_us": cell.of("p99_us"),
                    "max_us": cell.of("max_us"),
                    "cpu_us": cell.of("cpu_us"),
                    "cpu_to_floor": self.to_floor(cell),
                    "cpu_to_uvicorn": self.to_baseline(cell),
                    "kept": cell.of("kept"),
                    "slow_rate": cell.of("slow_rate"),
                }.items()
            }
            cells.append({**asdict(cell), "summary": summary})
        document = {
            "machine": self.machine,
            "versions": self.versions,
            "settings": self.settings,
            "cells": cells,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Run:
        """Read a run that was saved before."""
        document = json.loads(path.read_text(encoding="utf-8"))
        cells = [
            Cell(
                entry["scenario"],
                entry["application"],
                entry["contender"],
                [None if one is None else _measurement(one) for one in entry["rounds"]],
                list(entry["problems"]),
            )
            for entry in document["cells"]
        ]
        return cls(document["machine"], document["versions"], document["settings"], cells)
