"""Worker threads for `def` code compared: our pool, AnyIO's threads, asyncio's executor.

    python -m benchmarks.worker_threads [--seconds 1]

No server and no sockets: one event loop keeps a number of calls in flight, each followed by the
next as soon as its result is in the loop. Every figure is taken in a process of its own, once on
one core and once on two. Processor time is the whole process's, the loop's share included.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio.to_thread

from hyperfastapi._core import Pool

# Calls in flight: AnyIO lets forty of them run.
WIDTH = 64
COMPUTE_SECONDS = 0.1


def trivial() -> None:
    """What an endpoint that returns a constant does."""


def wait_1ms() -> None:
    """A query of a database nearby."""
    time.sleep(0.001)


def wait_100ms() -> None:
    """A request to somebody else's server."""
    time.sleep(0.1)


def compute_100ms() -> None:
    """A report."""
    end = time.thread_time() + COMPUTE_SECONDS
    while time.thread_time() < end:
        sum(range(1000))


Done = Callable[[Any, BaseException | None], None]
Submit = Callable[[Callable[[], None], Done, int], None]


@dataclasses.dataclass
class Figures:
    """What one stream of calls has reached."""

    calls: int = 0
    seconds: float = 0
    latencies: list[float] = dataclasses.field(default_factory=list)

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds

    def percentile(self, share: float) -> float:
        """A latency in seconds."""
        ordered = sorted(self.latencies)
        return ordered[int(len(ordered) * share)] if ordered else 0


class Stream:
    """Keeps calls of one function in flight until told to stop."""

    def __init__(self, submit: Submit, function: Callable[[], None], width: int, site: int) -> None:
        self.submit, self.function, self.width, self.site = submit, function, width, site
        self.figures = Figures()
        self.is_counting = self.is_ending = False
        self.in_flight = 0

    def start(self) -> None:
        """Begin all calls."""
        for _ in range(self.width):
            self._begin()

    def _begin(self) -> None:
        begun = time.perf_counter()
        self.in_flight += 1

        def on_done(_: Any, exception: BaseException | None) -> None:
            if exception is not None:
                raise exception
            self.in_flight -= 1
            if self.is_counting:
                self.figures.calls += 1
                self.figures.latencies.append(time.perf_counter() - begun)
            if not self.is_ending:
                self._begin()

        self.submit(self.function, on_done, self.site)


def with_pool(pool: Pool) -> Submit:
    """Calls go to our pool."""

    def submit(function: Callable[[], None], on_done: Done, site: int) -> None:
        pool.submit(function, (), on_done, site=site)

    return submit


def with_anyio(loop: asyncio.AbstractEventLoop) -> Submit:
    """Calls go where FastAPI sends them: a task of their own stands for the request."""
    tasks = set()

    def submit(function: Callable[[], None], on_done: Done, _: int) -> None:
        async def call() -> None:
            on_done(await anyio.to_thread.run_sync(function), None)

        task = loop.create_task(call())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return submit


def with_executor(loop: asyncio.AbstractEventLoop) -> Submit:
    """Calls go to asyncio's own executor."""

    def submit(function: Callable[[], None], on_done: Done, _: int) -> None:
        future = loop.run_in_executor(None, function)
        future.add_done_callback(lambda done: on_done(done.result(), None))

    return submit


async def measure(contender: str, streams: list[tuple[str, int]], seconds: float) -> dict[str, Any]:
    """Run streams of calls side by side, and report each."""
    loop = asyncio.get_running_loop()
    pool = Pool(loop)
    submit = {
        "pool": lambda: with_pool(pool),
        "anyio": lambda: with_anyio(loop),
        "executor": lambda: with_executor(loop),
    }[contender]()
    running = [
        Stream(submit, globals()[name], width, site) for site, (name, width) in enumerate(streams)
    ]
    for stream in running:
        stream.start()
    await asyncio.sleep(0.3)
    cpu, wall = time.process_time(), time.perf_counter()
    for stream in running:
        stream.is_counting = True
    await asyncio.sleep(seconds)
    for stream in running:
        stream.is_counting = False
        stream.figures.seconds = time.perf_counter() - wall
    cpu = time.process_time() - cpu
    for stream in running:
        stream.is_ending = True
    while any(stream.in_flight for stream in running):
        await asyncio.sleep(0.01)
    threads = threading.active_count() - 1
    pool.close(timeout=1)
    return {
        "cpu": cpu,
        "threads": threads,
        "streams": [
            {
                "rate": stream.figures.rate,
                "p50": stream.figures.percentile(0.5),
                "p99": stream.figures.percentile(0.99),
                "calls": stream.figures.calls,
            }
            for stream in running
        ],
    }


SCENARIOS: dict[str, list[tuple[str, int]]] = {
    "trivial": [("trivial", WIDTH)],
    "1 ms": [("wait_1ms", WIDTH)],
    "100 ms": [("wait_100ms", WIDTH)],
    "trivial beside 32 x 100 ms": [("trivial", WIDTH), ("wait_100ms", 32)],
    "trivial beside 64 x 1 ms": [("trivial", WIDTH), ("wait_1ms", WIDTH)],
    "trivial beside 2 computing": [("trivial", WIDTH), ("compute_100ms", 2)],
}


def in_process(contender: str, scenario: str, cores: int, seconds: float) -> dict[str, Any]:
    """Measure in a fresh process on so many cores."""
    command = [sys.executable, "-m", "benchmarks.worker_threads", "--seconds", str(seconds)]
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    output = subprocess.run(
        [*command, "--only", contender, scenario, *map(str, allowed)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    result: dict[str, Any] = json.loads(output)
    return result


def main() -> None:
    """Measure everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenario", action="append")
    parser.add_argument("--only", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        contender, scenario, *cores = options.only
        os.sched_setaffinity(0, map(int, cores))
        figures = asyncio.run(measure(contender, SCENARIOS[scenario], options.seconds))
        print(json.dumps(figures))
        return
    print("| calls | by | cores | rate | us CPU/call | p50 ms | p99 ms | beside: rate | threads |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for scenario in options.scenario or SCENARIOS:
        for cores in (1, 2):
            for contender in ("pool", "anyio", "executor"):
                rounds = [
                    in_process(contender, scenario, cores, options.seconds)
                    for _ in range(options.rounds)
                ]
                print(row(scenario, contender, cores, rounds), flush=True)


def row(scenario: str, contender: str, cores: int, rounds: list[dict[str, Any]]) -> str:
    """One line of the table: medians."""

    def median(value: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(map(value, rounds))

    first = [figures["streams"][0] for figures in rounds]
    beside = [f"{stream['rate']:,.0f}" for stream in rounds[0]["streams"][1:]]
    cells = [
        scenario,
        contender,
        str(cores),
        f"{median(lambda figures: figures['streams'][0]['rate']):,.0f}",
        f"{median(lambda figures: figures['cpu'] / figures['streams'][0]['calls']) * 1e6:,.1f}",
        f"{statistics.median(stream['p50'] for stream in first) * 1e3:.2f}",
        f"{statistics.median(stream['p99'] for stream in first) * 1e3:.2f}",
        ", ".join(beside),
        f"{median(lambda figures: figures['threads']):.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
