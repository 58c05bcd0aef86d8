"""Builds the C programs that benchmarks need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.server_process import CHECKOUT

DIRECTORY = CHECKOUT / "build" / "bench"


class BuildFailed(Exception):
    """The C programs could not be built; the text says why and what to do."""


def build() -> Path:
    """Build net/ and its programs, optimised and without Python, and return the directory.

    Only what has changed since the last time is built again.

    Raises:
        BuildFailed: meson is missing, or reported an error.
    """
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join([beside, os.environ.get("PATH", "")])
    meson = shutil.which("meson", path=path)
    if meson is None:
        raise BuildFailed("meson is not installed: run `make build` or `pip install meson ninja`")
    steps = [[meson, "compile", "-C", str(DIRECTORY)]]
    if not (DIRECTORY / "build.ninja").exists():
        options = ["-Dpython_module=false", "--buildtype=release"]
        steps.insert(0, [meson, "setup", *options, str(DIRECTORY), str(CHECKOUT)])
    for step in steps:
        done = subprocess.run(
            step, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
        )
        if done.returncode != 0:
            output = f"{done.stdout}{done.stderr}".strip()[-3000:]
            raise BuildFailed(f"{' '.join(step)} failed:\n{output}")
    return DIRECTORY
