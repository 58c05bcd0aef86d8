"""The pytest plugin: applies `HYPERFASTAPI_AS_FASTAPI=1` before any conftest.py is loaded.

pytest loads the plugins of installed packages first. Importing this module imports hyperfastapi,
which reads the variable; where it is not set, that is all that happens.
"""

from __future__ import annotations

import sys


def pytest_report_header() -> str | None:
    """Say in pytest's header that fastapi.FastAPI is hyperfastapi's class, where it is."""
    fastapi = sys.modules.get("fastapi")
    applications = sys.modules.get("hyperfastapi.applications")
    if fastapi is None or applications is None or fastapi.FastAPI is not applications.FastAPI:
        return None
    return "hyperfastapi: fastapi.FastAPI is hyperfastapi.applications.FastAPI"
