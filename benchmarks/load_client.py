"""Runs hfa-load against a server and reads its report."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import process_tree
from benchmarks.catalogue import Scenario
from benchmarks.server_process import ServerFailed, ServerProcess


@dataclass(frozen=True)
class Measurement:
    """What one interval of load showed.

    Attributes:
        requests: answers that came in the interval, all as expected.
        seconds: length of the interval.
        requests_per_second: their quotient.
        p50_us, p99_us, p999_us, max_us: latency in microseconds; under a schedule it counts from
            the time that a request was due.
        cpu_us: CPU time of the server's processes for each request, in microseconds.
        user_us, system_us: the same split by the kernel's clock ticks, so coarser.
        server_share: CPU time of the server in a second.
        load_share: CPU time of the load generator in a second; near 1 it is the bottleneck.
        overdue: requests of a schedule that could not even be sent in the interval.
        errors: answers that were wrong or did not come.
        error_text: what the first of them were.
        tally: connections of each worker, by process number; empty where not asked for.
    """

    requests: int
    seconds: float
    requests_per_second: float
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    cpu_us: float
    user_us: float
    system_us: float
    server_share: float
    load_share: float
    overdue: int
    errors: int
    error_text: str
    tally: dict[str, int]


def measure(
    server: ServerProcess,
    scenario: Scenario,
    build: Path,
    cpus: Iterable[int],
    warmup: float,
    duration: float,
    spin: bool,
) -> Measurement:
    """Put a server under load once.

    Args:
        server: a running server; the CPU time of all its processes is read by the load generator
            itself at the two ends of the interval.
        scenario: the load.
        build: directory in which hfa-load was built.
        cpus: processors that the load generator may use.
        warmup: seconds of load before the interval.
        duration: length of the interval in seconds.
        spin: poll without sleeping.

    Raises:
        ServerFailed: the load generator gave no report, or the server's processes changed.
    """
    before = server.tree()
    command = [
        *(str(build / "benchmarks" / "hfa-load"), "--port", str(server.port)),
        *("--path", server.application.path),
        *("--connections", str(scenario.connections), "--pipeline", str(scenario.pipeline)),
        *("--warmup", str(warmup), "--duration", str(duration), "--expect-status", "200"),
    ]
    if server.application.body is not None:
        command += ["--expect-body", server.application.body]
    if scenario.rate > 0:
        command += ["--rate", str(scenario.rate)]
    if scenario.tally and server.contender.serves_applications:
        command += ["--tally"]
    if spin:
        command += ["--spin"]
    for pid in before:
        command += ["--server", str(pid)]
    own_cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cpus))
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=600)
    finally:
        os.sched_setaffinity(0, own_cpus)
    if finished.returncode not in (0, 1):
        raise ServerFailed(f"no measurement: {finished.stderr.strip()[-1000:]}")
    if process_tree.tree(server.pid) != before:
        raise ServerFailed("its processes changed under load, so its CPU time is unknown")
    report = json.loads(finished.stdout)
    requests = max(report["requests"], 1)
    seconds = max(report["seconds"], 1e-9)
    return Measurement(
        requests=report["requests"],
        seconds=report["seconds"],
        requests_per_second=report["requests_per_second"],
        p50_us=report["latency_us"]["p50"],
        p99_us=report["latency_us"]["p99"],
        p999_us=report["latency_us"]["p999"],
        max_us=report["latency_us"]["max"],
        cpu_us=report["server_cpu_seconds"] / requests * 1e6,
        user_us=report["server_user_seconds"] / requests * 1e6,
        system_us=report["server_system_seconds"] / requests * 1e6,
        server_share=report["server_cpu_seconds"] / seconds,
        load_share=report["load_cpu_seconds"] / seconds,
        overdue=report["overdue"],
        errors=report["errors"]["total"],
        error_text=finished.stderr.strip()[-1000:],
        tally=dict(report.get("tally", {})),
    )
