"""Measures a function without a server: what it takes of a request's processor time.

``python -m benchmarks.alone MODULE:FUNCTION WARMUP SECONDS`` calls it over and over and prints a
JSON object.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

from benchmarks.load_client import Measurement
from benchmarks.server_process import CHECKOUT, ServerFailed

_CALLS_AT_ONCE = 16


def _call_for(seconds: float, function: Callable[[], object]) -> int:
    end = time.perf_counter() + seconds
    calls = 0
    while time.perf_counter() < end:
        for _ in range(_CALLS_AT_ONCE):
            function()
        calls += _CALLS_AT_ONCE
    return calls


def measure_alone(target: str, cpus: Iterable[int], warmup: float, duration: float) -> Measurement:
    """Call a function in a process of its own, and return what a call takes.

    Args:
        target: import string of the function, ``module:name``.
        cpus: processors that it may use.
        warmup, duration: seconds of calls before the measured interval and in it.

    Raises:
        ServerFailed: it could not be called; the text says why.
    """
    own_cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cpus))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.alone", target, str(warmup), str(duration)],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.sched_setaffinity(0, own_cpus)
    if done.returncode != 0:
        raise ServerFailed(f"{target} failed: {done.stderr.strip()[-1000:]}")
    return Measurement(**json.loads(done.stdout))


def main(target: str, warmup: str, duration: str) -> None:
    """Run the command."""
    module, name = target.split(":")
    function = getattr(importlib.import_module(module), name)
    _call_for(float(warmup), function)
    began, cpu = time.perf_counter(), time.process_time()
    calls = _call_for(float(duration), function)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    each = seconds / calls * 1e6
    report = Measurement(
        requests=calls,
        seconds=seconds,
        requests_per_second=calls / seconds,
        **dict.fromkeys(("p50_us", "p99_us", "p999_us", "max_us"), each),
        cpu_us=cpu / calls * 1e6,
        user_us=cpu / calls * 1e6,
        system_us=0.0,
        server_share=cpu / seconds,
        load_share=0.0,
        overdue=0,
        errors=0,
        error_text="",
        tally={},
    )
    print(json.dumps(vars(report)))


if __name__ == "__main__":
    main(*sys.argv[1:])
