"""Runs hfa-load against a server and reads its report."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.catalogue import Application, Beside, Scenario, application
from benchmarks.server_process import ServerFailed, ServerProcess


@dataclass(frozen=True)
class Load:
    """How the load generator is run.

    Attributes:
        build: directory in which hfa-load was built.
        cpus: processors that it may use.
        warmup: seconds of load before the measured interval.
        duration: length of the interval in seconds.
        spin: poll without sleeping.
    """

    build: Path
    cpus: tuple[int, ...]
    warmup: float
    duration: float
    spin: bool = False


@dataclass(frozen=True)
class BesideMeasurement:
    """What a slow application got that was loaded at the same time, and both got alone.

    Attributes:
        requests_per_second: answers a second of the slow application.
        p50_us, p99_us: its latency in microseconds.
        alone: its answers a second with nothing beside it, just before.
        fast_alone: answers a second of the other application with nothing beside it, just before.
    """

    requests_per_second: float
    p50_us: float
    p99_us: float
    alone: float
    fast_alone: float


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
        beside: the slow application of a scenario that has one; CPU time is then for an answer of
            either, and errors are those of both.
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
    beside: BesideMeasurement | None = None

    @property
    def kept(self) -> float | None:
        """What part of its lone rate it keeps beside the slow application."""
        return self.requests_per_second / self.beside.fast_alone if self.beside else None

    @property
    def slow_rate(self) -> float | None:
        """Answers a second of the slow application."""
        return self.beside.requests_per_second if self.beside else None

    @property
    def slow_p99_us(self) -> float | None:
        """Latency of the slow application that 1 % of its answers exceed, in microseconds."""
        return self.beside.p99_us if self.beside else None


def _command(
    server: ServerProcess,
    asked: Application,
    scenario: Scenario,
    load: Load,
    pids: list[int],
    connections: int,
) -> list[str]:
    command = [
        *(str(load.build / "benchmarks" / "hfa-load"), "--port", str(server.port)),
        *("--method", asked.method, "--path", asked.path),
        *("--connections", str(connections), "--pipeline", str(scenario.pipeline)),
        *("--warmup", str(load.warmup), "--duration", str(load.duration)),
    ]
    if asked.message is not None:
        command += ["--websocket", str(asked.message)]
    else:
        command += ["--expect-status", "200"]
    for line in asked.headers:
        command += ["--header", line]
    if asked.request_body is not None:
        command += ["--body-file", "/dev/stdin"]
    if asked.body is not None:
        command += ["--expect-body", asked.body]
    elif asked.constant_length and asked.message is None:
        command += ["--expect-length", str(server.answer_length)]
    if scenario.rate > 0:
        command += ["--rate", str(scenario.rate)]
    if scenario.tally and server.contender.serves_applications:
        command += ["--tally"]
    if load.spin:
        command += ["--spin"]
    for pid in pids:
        command += ["--server", str(pid)]
    return command


class _Generator:
    """A running hfa-load.

    Args:
        command: its command line.
        cpus: processors that it may use.
        body: what it reads as its standard input.
    """

    def __init__(self, command: list[str], cpus: tuple[int, ...], body: bytes | None) -> None:
        own_cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, set(cpus))
        try:
            # A file need not be fed while it runs, as a pipe would have to be.
            with tempfile.TemporaryFile() as standard_input:
                standard_input.write(body or b"")
                standard_input.seek(0)
                self._process = subprocess.Popen(
                    command,
                    stdin=standard_input,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
        finally:
            os.sched_setaffinity(0, own_cpus)

    def measurement(self) -> Measurement:
        """Wait for its end, and return what it reports.

        Raises:
            ServerFailed: it gave no report.
        """
        try:
            output, messages = self._process.communicate(timeout=600)
        except BaseException:
            self._process.kill()
            self._process.communicate()
            raise
        if self._process.returncode not in (0, 1):
            raise ServerFailed(f"no measurement: {messages.strip()[-1000:]}")
        report = json.loads(output)
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
            error_text=messages.strip()[-1000:],
            tally=dict(report.get("tally", {})),
        )


def _check_processes(server: ServerProcess, before: list[int]) -> None:
    if server.tree() != before:
        raise ServerFailed("its processes changed under load, so its CPU time is unknown")


def measure(server: ServerProcess, scenario: Scenario, load: Load) -> Measurement:
    """Put a server under load once.

    Args:
        server: a running server; the CPU time of all its processes is read by the load generator
            itself at the two ends of the interval.
        scenario: the load.
        load: how the load generator is run.

    Raises:
        ServerFailed: the load generator gave no report, or the server's processes changed.
    """
    pids = server.tree()
    command = _command(server, server.application, scenario, load, pids, scenario.connections)
    measured = _Generator(command, load.cpus, server.application.request_body).measurement()
    _check_processes(server, pids)
    return measured


def measure_beside(
    server: ServerProcess, scenario: Scenario, beside: Beside, load: Load
) -> Measurement:
    """Load a server's application alone, then a slow one alone, then both at the same time.

    Args:
        server: a running server.
        scenario: the load of its application.
        beside: the slow application.
        load: how the load generators are run.

    Raises:
        ServerFailed: a load generator gave no report, or the server's processes changed.
    """
    pids = server.tree()
    slow_application = application(beside.application)
    fast = _command(server, server.application, scenario, load, pids, scenario.connections)
    slow = _command(server, slow_application, scenario, load, pids, beside.connections)
    posted = (server.application.request_body, slow_application.request_body)
    fast_alone = _Generator(fast, load.cpus, posted[0]).measurement()
    slow_alone = _Generator(slow, load.cpus, posted[1]).measurement()
    slow_running = _Generator(slow, load.cpus, posted[1])
    fast_running = _Generator(fast, load.cpus, posted[0])
    together, slow_beside = fast_running.measurement(), slow_running.measurement()
    _check_processes(server, pids)
    every = (fast_alone, slow_alone, slow_beside, together)
    answers = max(together.requests + slow_beside.requests, 1)
    each = together.requests / answers
    return replace(
        together,
        cpu_us=together.cpu_us * each,
        user_us=together.user_us * each,
        system_us=together.system_us * each,
        errors=sum(one.errors for one in every),
        error_text="\n".join(one.error_text for one in every if one.error_text),
        beside=BesideMeasurement(
            slow_beside.requests_per_second,
            slow_beside.p50_us,
            slow_beside.p99_us,
            slow_alone.requests_per_second,
            fast_alone.requests_per_second,
        ),
    )
