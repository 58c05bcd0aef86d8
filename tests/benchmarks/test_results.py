"""What a run's figures are made of: which rounds count, and what is compared with what."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import documentation, rounds, table
from benchmarks.alone import measure_alone
from benchmarks.catalogue import CONTENDERS, SCENARIOS, application
from benchmarks.chart import draw
from benchmarks.load_client import BesideMeasurement, Measurement
from benchmarks.results import Cell, Run, Spread
from benchmarks.server_process import ServerFailed

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
            Cell("c64", "bare", "floor", with_cpu(4, 5, 2)),
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


def test_websockets_have_a_page_and_a_chart_of_their_own(run: Run, tmp_path: Path) -> None:
    latest = replace(ONE, p50_us=15.0)
    run.cells += [
        Cell("ws1", "echo-64", "hyperfastapi", [ONE, latest, ONE]),
        Cell("ws1", "echo-64", "picows", with_cpu(4, 2, 8)),
    ]
    heading, ours, _ = table.rows(run, "ws1")
    shown = dict(zip(heading, ours, strict=True))
    assert shown["messages/s"] == "1,000" and shown["max us"] == "40.0"
    assert shown["CPU / picows"] == "2.00 (1.00 to 4.00)"
    assert shown["p50 / picows"] == "1.00 (1.00 to 1.50)"

    names = [path.name for path in documentation.write(run, tmp_path)]
    assert names == [
        *("benchmarks.md", "benchmarks.svg"),
        *("benchmarks-websockets.md", "benchmarks-websockets.svg"),
    ]
    pages = [(tmp_path / name).read_text() for name in names]
    assert ["picows" in page for page in pages] == [False, False, True, True]
    assert ["granian" in page for page in pages] == [True, True, False, False]


def test_a_run_leaves_pages_alone_that_it_has_no_figures_for(tmp_path: Path) -> None:
    messages = Run({}, {}, {}, [Cell("ws64", "echo-64", "picows", [ONE])])
    assert {path.stem for path in documentation.write(messages, tmp_path)} == {
        "benchmarks-websockets"
    }


def test_features_show_what_the_bytes_and_pydantic_take(tmp_path: Path) -> None:
    run = Run(
        {},
        {},
        {},
        [
            Cell("features", "form", "floor", with_cpu(4, 3)),
            Cell("features", "form", "hyperfastapi", with_cpu(8, 12)),
            Cell("features", "form", "uvicorn", with_cpu(80, 120)),
            Cell("features", "form", "pydantic", with_cpu(1, 3)),
        ],
    )
    heading, floor, ours, *_ = table.rows(run, "features")
    shown = dict(zip(heading, ours, strict=True))
    assert shown["times less"] == "10.0"
    assert shown["the bytes'"] == "38 % (25 to 50)"
    assert shown["pydantic's"] == "19 % (12 to 25)"
    assert dict(zip(heading, floor, strict=True))["times less"] == "-"
    assert {path.stem for path in documentation.write(run, tmp_path)} == {"benchmarks-features"}


def test_a_function_alone_is_measured_as_contenders_are() -> None:
    cpus = os.sched_getaffinity(0)
    found = measure_alone("benchmarks.applications.pydantic_part:form", cpus, 0.0, 0.05)
    assert found.requests > 0 and found.cpu_us > 0 and found.errors == 0
    with pytest.raises(ServerFailed, match="no_such_name"):
        measure_alone("benchmarks.applications.pydantic_part:no_such_name", cpus, 0.0, 0.05)


def cells(*only: str) -> list[str]:
    """Return the names of the cells that are selected."""
    return [
        f"{scenario.name}/{plan.application.name}/{plan.contender.name}"
        for scenario in SCENARIOS
        for plan in rounds.plans(scenario, only)
    ]


def test_selection_keeps_what_ratios_refer_to() -> None:
    assert cells("c64/bare/granian") == [
        "c64/bare/floor",
        "c64/bare/uvicorn",
        "c64/bare/granian",
    ]


def test_websockets_are_compared_with_a_bare_listener_as_well() -> None:
    assert cells("ws1/echo-64/hyperfastapi") == [
        f"ws1/echo-64/{name}" for name in ("floor", "hyperfastapi", "uvicorn", "picows")
    ]


def test_an_applications_name_alone_selects_it_in_its_first_scenario() -> None:
    assert cells("async") == cells("fastapi/async")
    assert {cell.split("/")[0] for cell in cells("async", "p16/async")} == {"fastapi", "p16"}


def test_a_name_selects_by_whole_words() -> None:
    assert not any("async-io" in cell for cell in cells("async"))
    references = {"floor", "uvicorn", "pydantic"}
    assert {cell.split("/")[2] for cell in cells("granian")} == {"granian", *references}


def test_every_contender_stands_beside_every_application_that_it_can_serve() -> None:
    for scenario in SCENARIOS:
        for name in scenario.applications:
            found = {
                plan.contender.name
                for plan in rounds.plans(scenario, ())
                if plan.application.name == name
            }
            assert found == {
                entry.name
                for entry in CONTENDERS
                if entry.stands_beside(application(name))
                and (scenario.workers == 1 or not entry.one_worker)
                and (scenario.beside is None or entry.serves_applications)
            }


def test_a_slow_application_beside_has_its_own_figures(tmp_path: Path) -> None:
    beside = BesideMeasurement(300.0, 100e3, 120e3, alone=310.0, fast_alone=4000.0)
    cell = Cell("beside-sleep", "plain", "uvicorn", [replace(ONE, beside=beside)])
    mixed = Run({}, {}, {}, [cell])
    heading, row = table.rows(mixed, "beside-sleep")
    shown = dict(zip(heading, row, strict=True))
    assert shown["of its rate alone"] == "25 % (25 to 25)"
    assert shown["slow requests/s"] == "300"
    assert shown["of 320/s"] == "94 % (94 to 94)"
    mixed.save(tmp_path / "run.json")
    assert Run.load(tmp_path / "run.json") == mixed


def test_runs_that_are_not_pinned_are_compared_with_the_pinned_median() -> None:
    pinned = Cell("fastapi", "async", "hyperfastapi", with_cpu(4, 5, 6))
    free = Cell("unpinned", "async", "hyperfastapi", with_cpu(5, 10))
    assert Run({}, {}, {}, [pinned, free]).to_pinned(free) == Spread(1.5, 1.0, 2.0)
