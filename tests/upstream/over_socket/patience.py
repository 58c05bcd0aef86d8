"""More time for the processes that tests start, and wait for.

A suite's time limits are for a machine that has nothing else to do. A process that hangs is still
found, later.
"""

from __future__ import annotations

import functools
import subprocess
from typing import Any

FACTOR = 4
"""How many times as long a test waits for a process as it says."""


def install() -> None:
    """Have `subprocess.run(timeout=)` wait longer."""
    run = subprocess.run

    @functools.wraps(run)
    def patient_run(*args: Any, **options: Any) -> subprocess.CompletedProcess[Any]:
        if options.get("timeout") is not None:
            options["timeout"] *= FACTOR
        return run(*args, **options)

    subprocess.run = patient_run
