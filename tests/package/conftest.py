"""Fixtures for the tests of the Python package: each interpreter state is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Python = Callable[..., str]


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Run a program in a fresh interpreter, warnings as errors, and return what it printed."""

    def run(program: str, *, warnings: str = "error", **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", warnings, "-c", program],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        # What a program writes to standard error is part of what it printed: warnings go there.
        return done.stdout + done.stderr

    return run
