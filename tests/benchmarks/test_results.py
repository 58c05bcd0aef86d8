"""What a run's figures are made of: which rounds count, and what is compared with what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.catalogue import CONTENDERS, SCENARIOS
from benchmarks.chart import draw
from benchmarks.load_client import Measurement
from benchmarks.results import Cell, Run, Spread

from benchmarks import documentation, rounds, table

ONE = Measurement(
    requests=1000,
    seconds=1.0,
    requests_per_second=1000.0,
    p50_us=10.0,
    p99_us=20.0,
    p999_us=30.0,
    max_us=40.0,
    cpu_us=8.0,
    user_us=4.0,
    system_us=4.0,
    server_share=0.9,
    load_share=0.5,
    overdue=0,
    errors=0,
    error_text="",
    tally={},
)


def with_cpu(*values: float | None) -> list[Measurement | None]:
    """Return a measurement a round, with these CPU times; None for a round without one."""
    return [None if value is None else replace(ONE, cpu_us=value) for value in values]


@pytest.fixture
def run() -> Run:
    """A run of three rounds, the second of which failed for one contender."""
    return Run(
        {"processor": "one"},
        {"uvicorn": "1"},
        {"rounds": 3},
        [
            Cell("c64", "-", "floor", with_cpu(4, 5, 2)),
            Cell("c64", "bare", "hyperfastapi", with_cpu(8, None, 6), ["did not answer"]),
            Cell("c64", "bare", "uvicorn", with_cpu(16, 20, 8)),
            Cell("c64", "bare", "granian", [None] * 3, ["granian is not installed"]),
        ],
    )


def test_ratios_compare_the_same_round(run: Run) -> None:
    ours = run.cells[1]
    assert run.to_floor(ours) == Spread(2.5, 2.0, 3.0)
    assert run.to_baseline(ours) == Spread(0.625, 0.5, 0.75)


def test_a_round_without_its_reference_has_no_ratio(run: Run) -> None:
    run.cells[0].rounds[0] = None
    assert run.to_floor(run.cells[1]) == Spread(3.0, 3.0, 3.0)


def test_rounds_with_errors_do_not_count() -> None:
    cell = Cell("c64", "bare", "uvicorn", [ONE, replace(ONE, cpu_us=1.0, errors=1)])
    assert cell.of("cpu_us") == Spread(8.0, 8.0, 8.0)


def test_contender_that_was_not_measured_shows_why_and_no_figure(run: Run) -> None:
    heading, *rows = table.rows(run, "c64")
    row = dict(zip(heading, rows[3], strict=True))
    assert row["contender"] == "granian"
    assert row["requests/s"] == row["CPU us/request"] == row["CPU / uvicorn"] == "-"
    assert row["measured"] == "0 of 3 rounds: granian is not installed"


def test_partly_measured_contender_says_so(run: Run) -> None:
    heading, *rows = table.rows(run, "c64")
    assert dict(zip(heading, rows[1], strict=True))["measured"].startswith("2 of 3 rounds: did not")


@pytest.mark.parametrize(
    ("tally", "workers", "expected"),
    [
        ({"1": 250, "2": 250, "3": 250, "4": 250}, 4, 0.0),
        ({"1": 300, "2": 250, "3": 250, "4": 200}, 4, 0.2),
        ({"1": 500, "2": 500}, 4, 1.0),
        ({"1": 1000}, 4, 3.0),
    ],
)
def test_imbalance_is_that_of_the_worker_furthest_from_its_share(
    tally: dict[str, int], workers: int, expected: float
) -> None:
    found = Cell("w4", "bare-pid", "uvicorn", [replace(ONE, tally=tally)]).imbalance(workers)
    assert found is not None
    assert found.median == pytest.approx(expected)


def test_saved_runs_come_back_as_they_were(run: Run, tmp_path: Path) -> None:
    run.save(tmp_path / "deep" / "run.json")
    assert Run.load(tmp_path / "deep" / "run.json") == run


def test_chart_is_well_formed_and_names_every_contender(run: Run) -> None:
    texts = [element.text for element in ElementTree.fromstring(draw(run)).iter()]
    assert {"floor", "hyperfastapi", "uvicorn", "granian", "not measured"} <= set(texts)


def test_page_states_machine_versions_and_settings(run: Run, tmp_path: Path) -> None:
    written = documentation.write(run, tmp_path)
    page = written[0].read_text()
    assert "- processor: one" in page
    assert "- uvicorn 1" in page
    assert "- rounds: 3" in page
    assert written[1].read_text() == draw(run)


def test_selection_keeps_what_ratios_refer_to() -> None:
    scenario = next(entry for entry in SCENARIOS if entry.name == "c64")
    chosen = rounds.plans(scenario, ("c64/bare/granian",))
    assert [(plan.application.name, plan.contender.name) for plan in chosen] == [
        ("-", "floor"),
        ("bare", "uvicorn"),
        ("bare", "granian"),
    ]
    assert rounds.plans(scenario, ("w4/",)) == []


def test_every_contender_stands_in_every_scenario_of_one_worker() -> None:
    for scenario in SCENARIOS:
        names = {plan.contender.name for plan in rounds.plans(scenario, ())}
        expected = {
            entry.name
            for entry in CONTENDERS
            if entry.serves_applications or entry.name == "floor" or scenario.workers == 1
        }
        assert names == expected
