"""A run is judged good only if its failures are excused and its requests crossed the socket."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from .over_socket.paths import Share
from .over_socket.settings import Settings
from .suites import SUITES, Suite
from .verdict import Verdict, conditions, judge, read_excused

SUITE = Suite("demo", "1.0", "", (), tests=2, http=2, websockets=1, apps=1, compiled=60)
OVER_UVICORN = Settings(server="uvicorn")
GOOD_USE = Counter(http=2, websocket=1)
GOOD_SHARE = Share(compiled=2)
PASSED = {"a": "passed", "b": "passed"}


def judged(
    outcomes: dict[str, str],
    use: Counter[str] = GOOD_USE,
    excused: dict[str, str] | None = None,
    settings: Settings = OVER_UVICORN,
    complete: bool = True,
    share: Share = GOOD_SHARE,
) -> Verdict:
    return judge(SUITE, settings, outcomes, use, share, excused or {}, complete=complete)


def test_run_that_passes_and_crossed_the_socket_is_good() -> None:
    assert judged(PASSED).problems == []


def test_failure_that_is_not_excused_is_a_problem() -> None:
    verdict = judged({"a": "passed", "b": "failed"})
    assert verdict.failed == ["b"]
    assert verdict.problems == ["1 tests failed that are not excused"]


def test_excused_failure_is_no_problem() -> None:
    verdict = judged({"a": "passed", "b": "failed"}, excused={"b": "a reason"})
    assert (verdict.failed_excused, verdict.problems) == (["b"], [])


def test_excused_case_that_passes_is_reported_for_removal() -> None:
    verdict = judged(PASSED, excused={"b": "a reason"})
    assert "now passes, remove from excused.txt: b" in "\n".join(verdict.lines())


@pytest.mark.parametrize("use", [Counter(), Counter(http=1, websocket=1), Counter(http=2)])
def test_complete_run_below_a_floor_is_a_problem(use: Counter[str]) -> None:
    assert judged(PASSED, use).problems


def test_selection_needs_only_one_exchange_over_the_socket() -> None:
    assert judged({"a": "passed"}, Counter(websocket=1), complete=False).problems == []
    assert judged({"a": "passed"}, Counter(), complete=False).problems


def test_request_that_stayed_in_the_process_is_a_problem() -> None:
    assert judged(PASSED, GOOD_USE + Counter(in_process=1)).problems


def test_run_that_lost_tests_is_a_problem() -> None:
    assert judged({"a": "passed"}).problems


def test_class_mode_without_our_applications_is_a_problem() -> None:
    settings = Settings(server="none", install=True)
    assert judged(PASSED, Counter(), settings=settings).problems
    assert judged(PASSED, Counter(app_installed=1), settings=settings).problems == []


def test_complete_run_with_too_few_compiled_requests_is_a_problem() -> None:
    settings = Settings(server="hyper")
    share = Share(compiled=59, left=Counter({"a reason": 30, "another": 11}))
    verdict = judged(PASSED, settings=settings, share=share)
    assert verdict.problems == ["59.0 % of the requests compiled, at least 60 % expected"]
    assert judged(PASSED, settings=settings, share=share, complete=False).problems == []
    assert judged(PASSED, settings=OVER_UVICORN, share=Share()).problems == []


def test_report_tells_the_share_of_compiled_requests_and_why_the_rest_is_not() -> None:
    share = Share(compiled=3, left=Counter({"rare": 1, "frequent": 4}))
    assert share.lines() == [
        "3 of 8 requests compiled (37.5 %)",
        "  4 not: frequent",
        "  1 not: rare",
    ]


def test_conditions_name_the_server_and_how_it_is_used() -> None:
    bare = Settings(server="hyper", bare=True)
    names = {"demo:socket", "demo:hyper", "demo:bare", "demo:http1"}
    assert conditions(SUITE, bare, is_root=False) == names
    assert conditions(SUITE, Settings(), is_root=True) == {"demo:root"}


def test_excused_line_without_a_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "excused.txt"
    file.write_text("demo:socket\ttests/test_a.py::test_b\n")
    with pytest.raises(ValueError, match=r"excused\.txt:1"):
        read_excused({"demo:socket"}, file)


def test_every_excused_line_is_of_a_known_suite_and_given_once() -> None:
    ways = ("http1", "http2", "uvicorn", "uvicorn-h11", "hyper")
    count = 0
    for name in SUITES:
        given = {
            where: set(read_excused({f"{name}:{where}"}))
            for where in ("root", "socket", "bare", *ways)
        }
        count += sum(map(len, given.values()))
        general = given["root"] | given["socket"] | given["bare"]
        assert not any(given[way] & general for way in ways)
    lines = (Path(__file__).parent / "excused.txt").read_text().splitlines()
    assert count == len([line for line in lines if line and not line.startswith("#")])
