"""The outcome of every test of a run, one line each, for the runner to judge."""

from __future__ import annotations

from pathlib import Path

import pytest

PASSED, XFAILED, SKIPPED, FAILED = "passed", "xfailed", "skipped", "failed"
_RANK = {PASSED: 0, XFAILED: 1, SKIPPED: 1, FAILED: 2}


class OutcomeWriter:
    """A pytest plugin for the controlling process: writes `outcome<TAB>test id` lines."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._outcomes: dict[str, str] = {}

    def _record(self, test_id: str, outcome: str) -> None:
        """Keep the worst outcome of set-up, call and tear-down."""
        known = self._outcomes.get(test_id)
        if known is None or _RANK[outcome] > _RANK[known]:
            self._outcomes[test_id] = outcome

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._record(report.nodeid, FAILED)
        elif report.skipped:
            self._record(report.nodeid, XFAILED if hasattr(report, "wasxfail") else SKIPPED)
        elif report.when == "call":
            self._record(report.nodeid, PASSED)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._record(f"{report.nodeid}::(collection)", FAILED)
        elif report.skipped and report.nodeid:
            self._record(f"{report.nodeid}::(module)", SKIPPED)

    def pytest_sessionfinish(self) -> None:
        lines = (f"{outcome}\t{test_id}\n" for test_id, outcome in self._outcomes.items())
        self._path.write_text("".join(lines))


def read(path: str) -> dict[str, str]:
    """Map each test id of a finished run to its outcome; empty if the run did not finish."""
    outcomes: dict[str, str] = {}
    if Path(path).exists():
        for line in Path(path).read_text().splitlines():
            outcome, _, test_id = line.partition("\t")
            outcomes[test_id] = outcome
    return outcomes
