"""Shows a run as tables: plain text for the terminal, Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.catalogue import (
    BASELINE,
    FLOOR,
    LISTENER,
    OURS,
    PYDANTIC,
    SCENARIOS,
    Scenario,
)
from benchmarks.results import Cell, Run, Spread

NONE = "-"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    # A ratio of 0.02 to the baseline must not hide whether that is 40 or 65 times less.
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.4f}"


def _median(value: Spread | None) -> str:
    return NONE if value is None else _number(value.median)


def _range(value: Spread | None) -> str:
    if value is None:
        return NONE
    if value.least == value.most:
        return _number(value.median)
    return f"{_number(value.median)} ({_number(value.least)} to {_number(value.most)})"


def _state(cell: Cell, rounds: int) -> str:
    """Say how many rounds count, and why others don't."""
    good = len(cell.good())
    if good == rounds:
        return f"{good} rounds"
    reason = cell.problems[0].strip().splitlines()[-1][:80] if cell.problems else "no answers"
    return f"{good} of {rounds} rounds: {reason}"


def scenario(name: str) -> Scenario:
    """Return the scenario of that name; KeyError where there is none."""
    for entry in SCENARIOS:
        if entry.name == name:
            return entry
    raise KeyError(name)


def rows(run: Run, name: str) -> list[list[str]]:
    """Return the table of a scenario as text: a heading, then a row for each cell."""
    about = scenario(name)
    unit = "message" if about.is_websocket else "request"
    columns: list[tuple[str, Callable[[Cell], str]]] = [
        ("application", lambda cell: cell.application),
        ("contender", lambda cell: cell.contender),
        (f"{unit}s/s", lambda cell: _range(cell.of("requests_per_second"))),
        ("p50 us", lambda cell: _median(cell.of("p50_us"))),
        ("p99 us", lambda cell: _range(cell.of("p99_us"))),
    ]
    if about.is_websocket:
        columns.append(("max us", lambda cell: _range(cell.of("max_us"))))
        columns.append((f"p50 / {LISTENER}", lambda cell: _range(run.to_listener(cell, "p50_us"))))
    beside = about.beside
    if beside is not None:
        columns.append(("of its rate alone", lambda cell: _percent(cell.of("kept"))))
        columns.append(("slow requests/s", lambda cell: _range(cell.of("slow_rate"))))
        columns.append(("slow p99 us", lambda cell: _range(cell.of("slow_p99_us"))))
        columns.append(
            (
                f"of {beside.allowed:.0f}/s",
                lambda cell: _percent(cell.of("slow_rate"), beside.allowed),
            )
        )
    else:
        columns.append((f"CPU us/{unit}", lambda cell: _range(cell.of("cpu_us"))))
        columns.append((f"CPU / {FLOOR}", lambda cell: _range(run.to_floor(cell))))
        columns.append((f"CPU / {BASELINE}", lambda cell: _range(run.to_baseline(cell))))
    if about.is_websocket:
        columns.append((f"CPU / {LISTENER}", lambda cell: _range(run.to_listener(cell))))
    if about.shares:
        columns.append(("times less", lambda cell: _times_less(run, cell)))
        columns.append(("the bytes'", lambda cell: _share(run, cell, FLOOR)))
        columns.append(("pydantic's", lambda cell: _share(run, cell, PYDANTIC)))
    if not about.pinned:
        columns.append(("CPU / pinned", lambda cell: _range(run.to_pinned(cell))))
    if about.rate:
        columns.append(("overdue", lambda cell: _median(cell.of("overdue"))))
    if about.tally:
        columns.append(("furthest worker", lambda cell: _imbalance(cell, about.workers)))
        columns.append(("CPU / 1 worker", lambda cell: _range(_to_one_worker(run, cell))))
    columns.append(("measured", lambda cell: _state(cell, len(cell.rounds))))
    table = [[heading for heading, _ in columns]]
    table += [[text(cell) for _, text in columns] for cell in run.of_scenario(name)]
    return table


def _percent(value: Spread | None, whole: float = 1.0) -> str:
    if value is None:
        return NONE
    median, least, most = (part / whole * 100 for part in (value.median, value.least, value.most))
    return f"{median:.0f} % ({least:.0f} to {most:.0f})"


def _times_less(run: Run, cell: Cell) -> str:
    """Return how many times our CPU time the baseline's is."""
    baseline = run.cell(cell.scenario, cell.application, BASELINE)
    if cell.contender != OURS or baseline is None:
        return NONE
    return _range(run.ratio(baseline, cell))


def _share(run: Run, cell: Cell, part: str) -> str:
    """Return how much of our CPU time another contender takes for a part of the work."""
    other = run.cell(cell.scenario, cell.application, part)
    return _percent(run.ratio(other, cell)) if cell.contender == OURS and other else NONE


def _imbalance(cell: Cell, workers: int) -> str:
    return _percent(cell.imbalance(workers))


def _to_one_worker(run: Run, cell: Cell) -> Spread | None:
    """Return the ratio of CPU time to that of one worker.

    Each round's figure is divided by the one worker's median: different numbers of workers are
    different scenarios, so they have no rounds in common.
    """
    one = run.cell("w1", cell.application, cell.contender)
    return cell.relative(one.of("cpu_us") if one is not None else None)


def plain(table: Sequence[Sequence[str]]) -> str:
    """Lay a table out for a terminal."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [
            text.ljust(width) if column < 2 or column == len(row) - 1 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def markdown(table: Sequence[Sequence[str]]) -> str:
    """Write a table as Markdown."""
    heading, *body = table
    aligned = [
        "---" if column < 2 or column == len(heading) - 1 else "---:"
        for column in range(len(heading))
    ]
    lines = [heading, aligned, *body]
    return "\n".join(
        "| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in lines
    )


def report(run: Run) -> str:
    """Return the whole run as plain text."""
    parts = []
    for name in run.scenarios():
        parts += [f"{name}: {scenario(name).title}", plain(rows(run, name)), ""]
    parts += [f"{name}: {value}" for name, value in run.machine.items()]
    parts.append("versions: " + ", ".join(f"{k} {v}" for k, v in run.versions.items()))
    return "\n".join(parts) + "\n"
