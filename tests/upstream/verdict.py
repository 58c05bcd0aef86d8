"""Judging a run: its outcomes against the excused cases, its counters against the floors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .over_socket import usage
from .over_socket.outcomes import FAILED, PASSED
from .over_socket.paths import Share
from .over_socket.settings import Settings
from .suites import Suite

EXCUSED = Path(__file__).with_name("excused.txt")


def read_excused(conditions: set[str], path: Path = EXCUSED) -> dict[str, str]:
    """Map the test ids that are excused under any of the conditions to the reasons.

    Raises:
        ValueError: for a line that is not `condition<TAB>test id<TAB>reason`.
    """
    excused: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 3 or not all(fields):
            raise ValueError(f"{path.name}:{number}: expected condition, test id and reason")
        condition, test_id, reason = fields
        if condition in conditions:
            excused[test_id] = reason
    return excused


def conditions(suite: Suite, settings: Settings, *, is_root: bool) -> set[str]:
    """The keys of the excused list that apply to a run.

    `suite:root` where the file system refuses nothing, `suite:socket` over any server,
    `suite:<server>` over that one, `suite:bare` where the application is not wrapped,
    `suite:http2` or `suite:http1` by what is spoken.
    """
    names = {"root"} if is_root else set()
    if settings.over_socket:
        names |= {"socket", settings.server}
        if settings.bare:
            names.add("bare")
        names.add("http2" if settings.http2 else "http1")
    return {f"{suite.name}:{name}" for name in names}


@dataclass(slots=True)
class Verdict:
    """What a run showed; `problems` is empty if it is good."""

    outcomes: Counter[str]
    use: Counter[str]
    share: Share = field(default_factory=Share)
    failed_excused: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    now_pass: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report, line by line."""
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.items())
        lines = [f"{counts}; excused of the failed: {len(self.failed_excused)}"]
        lines.append(", ".join(f"{name}: {count}" for name, count in sorted(self.use.items())))
        lines += self.share.lines()
        lines += [f"failed and not excused: {test_id}" for test_id in self.failed]
        lines += [f"now passes, remove from excused.txt: {test_id}" for test_id in self.now_pass]
        lines += [f"error: {problem}" for problem in self.problems]
        return lines


def judge(
    suite: Suite,
    settings: Settings,
    outcomes: dict[str, str],
    use: Counter[str],
    share: Share,
    excused: dict[str, str],
    *,
    complete: bool,
) -> Verdict:
    """Compare a run with what is excused and with the suite's floors.

    Args:
        complete: the whole suite ran; of a selection only a use above zero is asked.
    """
    verdict = Verdict(outcomes=Counter(outcomes.values()), use=use, share=share)
    for test_id, outcome in sorted(outcomes.items()):
        if outcome == FAILED:
            known = test_id in excused
            (verdict.failed_excused if known else verdict.failed).append(test_id)
        elif outcome == PASSED and test_id in excused:
            verdict.now_pass.append(test_id)
    if verdict.failed:
        verdict.problems.append(f"{len(verdict.failed)} tests failed that are not excused")
    floors = [("tests", len(outcomes), suite.tests)]
    if settings.over_socket:
        http, websockets = use[usage.HTTP], use[usage.WEBSOCKET]
        if complete:
            floors.append(("HTTP responses over the socket", http, suite.http))
            floors.append(("WebSockets over the socket", websockets, suite.websockets))
        else:
            floors.append(("exchanges over the socket", http + websockets, 1))
        if use[usage.IN_PROCESS]:
            verdict.problems.append(f"{use[usage.IN_PROCESS]} requests did not cross the socket")
    if settings.install and suite.apps:
        floors.append(("hyperfastapi applications", use[usage.APP_INSTALLED], suite.apps))
    if settings.compiles and complete and share.percent < suite.compiled:
        verdict.problems.append(
            f"{share.percent:.1f} % of the requests compiled, at least {suite.compiled} % expected"
        )
    for name, count, floor in floors:
        needed = floor if complete else min(floor, 1)
        if count < needed:
            verdict.problems.append(f"{name}: {count}, at least {needed} expected")
    return verdict
