"""A few dozen random applications; the generator, and that a difference would be found."""

from __future__ import annotations

import os
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.differential import Observation, Request

from . import sides, source
from .campaign import run_case
from .cases import make_case
from .compare import compare
from .report import explain
from .shrink import shrink
from .sides import Runner
from .spec import (
    Application,
    Case,
    Function,
    Middleware,
    Parameter,
    Route,
    Router,
    Step,
    Type,
    from_data,
    to_data,
)

#: Ten cases a test; python -m tests.random_apps runs as many as one likes.
GROUPS = int(os.environ.get("HYPERFASTAPI_RANDOM_APPS", "40")) // 10


@pytest.mark.parametrize("group", range(GROUPS))
def test_random_applications_behave_as_on_fastapi(group: int) -> None:
    for seed in range(group * 10, group * 10 + 10):
        failure = run_case(seed, requests=12).failure
        assert failure is None, failure


def test_a_seed_makes_the_same_case_each_time() -> None:
    assert make_case(3, 5) == make_case(3, 5)
    assert make_case(3, 5) != make_case(4, 5)


def test_a_case_survives_being_kept_as_json() -> None:
    for seed in range(20):
        case = make_case(seed, 5)
        assert from_data(Case, to_data(case)) == case


def test_most_random_applications_are_taken_and_most_requests_answered() -> None:
    taken = 0
    statuses: list[int | None] = []
    for seed in range(20):
        verdict = compare(make_case(seed, 12), ways={})
        taken += verdict.built
        statuses += [one.status for one in verdict.observations]
    assert taken >= 16
    answered = [status for status in statuses if status is not None and status < 400]
    assert len(answered) > len(statuses) / 4
    assert {200, 404, 405, 422} <= set(statuses)


def test_plans_answer_a_third_of_the_requests_and_more() -> None:
    outcomes = [run_case(seed, 12) for seed in range(100, 115)]
    compiled = sum(outcome.compiled for outcome in outcomes)
    assert compiled > sum(sum(outcome.bridged.values()) for outcome in outcomes) / 2


def small() -> Case:
    """An application of two routes and a middleware, with three requests."""
    limit = Parameter("limit", "Query", Type("int"), default="3")
    routes = [
        Route("/first", ["GET"], Function("first", "def", [limit], result='{"limit": limit}')),
        Route("/second", ["GET"], Function("second", "async def", result="[1.5, None]")),
    ]
    application = Application(
        middleware=[Middleware("asgi", "outer")], router=Router("app", routes=routes)
    )
    host = [["host", "example.org"]]
    requests = [Request("GET", path, host) for path in ("/second", "/first?limit=7", "/none")]
    return Case(0, application, [Step(request) for request in requests])


def altered(change: Callable[[Observation], Observation]) -> Runner:
    """A way that is FastAPI's but for what `change` does to each observation."""
    return lambda case: sides.Run([change(one) for one in sides.oracle(case).observations])


def later_log(seen: Observation) -> Observation:
    return replace(seen, log=seen.log[1:] + seen.log[:1])


def other_thread(seen: Observation) -> Observation:
    return replace(seen, log=[(*entry[:2], "worker", entry[3]) for entry in seen.log])


def lost_context(seen: Observation) -> Observation:
    return replace(seen, log=[(*entry[:3], [None] * 3) for entry in seen.log])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda seen: replace(seen, status=201), "status"),
        (lambda seen: replace(seen, headers=seen.headers[::-1]), "headers"),
        (lambda seen: replace(seen, body=seen.body + b" "), "body"),
        (lambda seen: replace(seen, errors=["ValueError: "]), "errors"),
        (later_log, "log"),
        (other_thread, "log"),
        (lost_context, "log"),
    ],
)
def test_each_kind_of_difference_is_found(
    change: Callable[[Observation], Observation], what: str
) -> None:
    found = compare(small(), {"altered": altered(change)}).difference
    assert found is not None
    assert found.what == (what,)


def test_what_is_the_same_is_no_difference() -> None:
    assert compare(small(), {"altered": altered(lambda seen: seen)}).difference is None


def test_a_failing_case_shrinks_to_what_fails() -> None:
    def wrong(seen: Observation) -> Observation:
        return replace(seen, body=seen.body.replace(b'"limit":7', b'"limit":8'))

    ways = {"altered": altered(wrong)}
    shrunk = shrink(small(), lambda case: compare(case, ways).difference is not None)
    assert [route.path for route in shrunk.application.router.routes] == ["/first"]
    assert not shrunk.application.middleware
    assert [step.request.target for step in shrunk.steps] == ["/first?limit=7"]


def test_a_report_can_be_executed_and_tells_the_request(tmp_path: Path) -> None:
    ways = {"altered": altered(lambda seen: replace(seen, status=201))}
    found = compare(small(), ways).difference
    assert found is not None
    text = explain(small(), found)
    (tmp_path / "reported.py").write_text(text, encoding="utf-8")
    assert "app" in runpy.run_path(str(tmp_path / "reported.py"), run_name="reported")
    assert "b'GET /second HTTP/1.1\\r\\nhost: example.org\\r\\n\\r\\n'" in text


def test_sources_of_the_two_sides_differ_in_one_word() -> None:
    one, other = (source.write(small().application, name) for name in ("fastapi", "hyperfastapi"))
    assert one.replace("from fastapi import FastAPI", "from hyperfastapi import FastAPI") == other
