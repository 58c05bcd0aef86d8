"""A pytest plugin that runs FastAPI's and Starlette's own tests over a real socket.

Loaded with `-p over_socket`: the swaps happen at import, since pytest loads the first conftest.py
files before any hook of a plugin runs, and what those import would be the original. Processes that
tests start get more time (`patience`); the other parts are chosen by `settings.Settings`:

- `class_mode`: `fastapi.FastAPI` is hyperfastapi's class;
- `client`: TestClient's HTTP and WebSocket traffic crosses a TCP socket to a server in a thread;
- `outcomes`, `usage` and `paths`: what happened, written for the runner.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import paths, patience, usage
from .outcomes import OutcomeWriter
from .settings import VARIABLE, Settings

if TYPE_CHECKING:
    import pytest

    from .transport import ServerPool

_settings = Settings()
_pool: ServerPool | None = None


def _install() -> None:
    global _settings, _pool
    _settings = Settings.from_environment()
    patience.install()
    if _settings.install:
        from . import class_mode

        class_mode.install()
    if _settings.compiles:
        paths.record()
    if _settings.over_socket:
        from . import client

        _pool = client.install(_settings)


if VARIABLE in os.environ:
    _install()


def pytest_configure(config: pytest.Config) -> None:
    if _settings.report and not hasattr(config, "workerinput"):
        config.pluginmanager.register(OutcomeWriter(_settings.report), "upstream-outcomes")


def pytest_sessionfinish() -> None:
    """Write what happened while pytest-xdist still waits for this process: later it may kill it."""
    if _settings.report:
        usage.write(_settings.report)
        if _settings.compiles:
            paths.write(_settings.report)


def pytest_unconfigure() -> None:
    if _pool is not None:
        _pool.stop_all()


def pytest_report_header() -> str:
    return f"upstream: {_settings}"
