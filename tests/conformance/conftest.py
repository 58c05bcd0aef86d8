"""The fixture `conform`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..differential import forget_endpoints
from ..parity.servers import LogTap
from . import asgi_client, sides, wire_client
from .areas import HERE, area_of
from .outcome import Outcome
from .plans import Paths
from .requests import Request, Socket, Step, Together

Make = Callable[[sides.Side], Any]
_PATHS = Paths()


def _titles(steps: tuple[Step, ...]) -> list[str]:
    titles = ["the start"]
    for step in steps:
        if isinstance(step, Together):
            titles += map(str, step.requests)
        else:
            titles.append(str(step) if isinstance(step, (Request, Socket)) else "a change")
    return [*titles, "the end"]


def compare(name: str, titles: list[str], expected: list[Outcome], ours: list[Outcome]) -> None:
    """Compare step by step.

    Raises:
        AssertionError: at the first difference, with both sides of it.
    """
    for title, should, does in zip(titles, expected, ours, strict=True):
        for aspect in ("wire", "escaped", "notes"):
            wanted, found = getattr(should, aspect), getattr(does, aspect)
            assert found == wanted, (
                f"{name} differs from FastAPI in {aspect}\n  at {title}\n"
                f"  FastAPI: {wanted!r}\n  {name}: {found!r}"
            )


class Conform:
    """Runs one application on all sides and compares what came of it.

    Args:
        area: the area of the test.
        compiled: every route of the test must be compiled where routes are compiled at all.
    """

    def __init__(self, area: str, *, compiled: bool) -> None:
        self._area = area
        self._compiled = compiled

    def __call__(
        self,
        make: Make,
        *steps: Step,
        lifespan: bool = True,
        root_path: str = "",
        on_wire: bool = True,
        compiled: bool | None = None,
    ) -> list[Outcome]:
        """Make the application for each side, take the steps, and compare.

        Args:
            make: makes the application out of a side; called once a side.
            steps: requests, and functions that change the application between them.
            lifespan: run the application's start-up and shutdown.
            root_path: the prefix that the server is told of.
            on_wire: also run on our server. Without, for what no server can put on the wire.
            compiled: the routes must be compiled (or need not be, against the test's marker).

        Returns:
            what plain FastAPI did at each step, for assertions of the test's own.
        """
        demanded = self._compiled if compiled is None else compiled
        settings: dict[str, Any] = {"lifespan": lifespan, "root_path": root_path}
        titles = _titles(steps)
        with LogTap("asyncio") as tap:
            forget_endpoints()
            oracle = sides.plain()
            expected = asgi_client.run(oracle, make(oracle), steps, **settings)
            complaints, tap.lines[:] = list(tap.lines), []
            for side, run in self._ours(on_wire):
                forget_endpoints()
                app = make(side)
                compare(side.name, titles, expected, run(side, app, steps, **settings))
                assert tap.lines == complaints, f"asyncio complains on {side.name}: {tap.lines}"
                tap.lines.clear()
                _PATHS.take(app, self._area, demanded=demanded, side=side.name)
        return expected[1:-1]

    @staticmethod
    def _ours(on_wire: bool) -> list[tuple[sides.Side, Callable[..., list[Outcome]]]]:
        in_process = [(sides.subclass(), asgi_client.run)]
        return [*in_process, (sides.served(), wire_client.run)] if on_wire else in_process


@pytest.fixture
def conform(request: pytest.FixtureRequest) -> Conform:
    """Run one application on FastAPI and on hyperfastapi; nothing that can be seen may differ."""
    node = request.node
    compiled = node.get_closest_marker("compiled") and not node.get_closest_marker("bridged")
    return Conform(area_of(request.path), compiled=bool(compiled))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing here waits for time to pass: a test that hangs is a failure, not a wait."""
    for item in (item for item in items if HERE in item.path.parents):
        item.add_marker(pytest.mark.timeout(120))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "compiled: every route of the test has to be compiled")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = _PATHS.report()
    if lines:
        terminalreporter.section("paths taken")
        for line in lines:
            terminalreporter.write_line(line)
