"""What is measured, as data: add a contender, an application or a scenario to the lists below.

A *cell* is one contender serving one application under one scenario. A contender that is a program
of its own rather than a server of applications (the floor, the constant) has one cell a scenario.
"""

from __future__ import annotations

from dataclasses import dataclass

FLOOR = "floor"
BASELINE = "uvicorn"


@dataclass(frozen=True)
class Application:
    """An application, and the request that measures it.

    Attributes:
        name: short name, used in tables and by ``--only``.
        title: what it is, for a reader of the report.
        target: import string that servers take; empty for programs with an answer built in.
        path: path to request.
        body: text of every answer; None where it differs from process to process.
    """

    name: str
    title: str
    target: str
    path: str
    body: str | None


@dataclass(frozen=True)
class Contender:
    """A server, or a program that only answers one constant.

    Attributes:
        name: short name, used in tables and by ``--only``.
        title: what it is, for a reader of the report.
        command: arguments; ``{python} {build} {target} {port} {workers}`` are filled in.
        modules: Python modules that must be importable.
        distributions: installed distributions whose versions the report states.
        answer: for a program with its answer built in, the body of that answer.
        idle_arguments: further arguments that keep idle connections open for ten minutes.
    """

    name: str
    title: str
    command: tuple[str, ...]
    modules: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    answer: str | None = None
    idle_arguments: tuple[str, ...] = ()

    @property
    def serves_applications(self) -> bool:
        """Whether it is a server, rather than a program with its answer built in."""
        return self.answer is None


@dataclass(frozen=True)
class Scenario:
    """A load, and which applications are put under it.

    Attributes:
        name: short name, used in tables and by ``--only``.
        title: what it is, for a reader of the report.
        connections: connections held open.
        pipeline: requests sent at once on a connection.
        workers: processes that the server is told to run.
        rate: requests a second on a schedule (open loop), or 0 for as fast as answers come.
        applications: names of the applications.
        tally: count the connections that each worker got (the application must answer its pid).
        quick: whether ``--quick`` includes it.
    """

    name: str
    title: str
    connections: int
    pipeline: int = 1
    workers: int = 1
    rate: float = 0.0
    applications: tuple[str, ...] = ("bare", "fastapi-async", "fastapi-def")
    tally: bool = False
    quick: bool = False


CONSTANT_BODY = '{"hello":"world"}'

NO_APPLICATION = "-"

APPLICATIONS = (
    Application(
        "bare", "bare ASGI application", "benchmarks.applications.bare:app", "/", CONSTANT_BODY
    ),
    Application(
        "fastapi-async",
        "FastAPI, async def route",
        "benchmarks.applications.plain_fastapi:app",
        "/async",
        CONSTANT_BODY,
    ),
    Application(
        "fastapi-def",
        "FastAPI, def route",
        "benchmarks.applications.plain_fastapi:app",
        "/def",
        CONSTANT_BODY,
    ),
    Application(
        "bare-pid",
        "bare ASGI application that answers its process number",
        "benchmarks.applications.bare:app",
        "/pid",
        None,
    ),
)

_UVICORN = (
    *("{python}", "-m", "uvicorn", "{target}", "--host", "127.0.0.1", "--port", "{port}"),
    *("--workers", "{workers}", "--no-access-log", "--log-level", "warning"),
)

CONTENDERS = (
    Contender(
        FLOOR,
        "a bare epoll loop that sends canned bytes (benchmarks/floor.c)",
        ("{build}/benchmarks/hfa-floor", "{port}"),
        answer=CONSTANT_BODY,
    ),
    Contender(
        "constant",
        "a constant served by the C server without Python (examples/constant.c)",
        ("{build}/examples/constant", "{port}"),
        answer="Hello, world!",
    ),
    Contender(
        "hyperfastapi",
        "hyperfastapi run, its default event loop",
        (
            *("{python}", "-m", "hyperfastapi", "run", "{target}", "--host", "127.0.0.1"),
            *("--port", "{port}", "--workers", "{workers}", "--no-access-log"),
            *("--log-level", "warning"),
        ),
        modules=("hyperfastapi",),
        distributions=("hyperfastapi",),
        idle_arguments=("--timeout-keep-alive", "600"),
    ),
    Contender(
        BASELINE,
        "uvicorn[standard] as installed by default: httptools and uvloop",
        (*_UVICORN, "--loop", "uvloop", "--http", "httptools"),
        modules=("uvicorn", "httptools", "uvloop"),
        distributions=("uvicorn", "httptools", "uvloop"),
        idle_arguments=("--timeout-keep-alive", "600"),
    ),
    Contender(
        "uvicorn-asyncio",
        "uvicorn with httptools on asyncio's own event loop",
        (*_UVICORN, "--loop", "asyncio", "--http", "httptools"),
        modules=("uvicorn", "httptools"),
        distributions=("uvicorn", "httptools"),
        idle_arguments=("--timeout-keep-alive", "600"),
    ),
    Contender(
        "granian",
        "granian, ASGI on uvloop, HTTP/1 only, one runtime thread a worker",
        (
            *("{python}", "-m", "granian", "--interface", "asgi", "--http", "1", "--no-ws"),
            *("--loop", "uvloop", "--runtime-mode", "st", "--backlog", "4096"),
            *("--workers", "{workers}", "--host", "127.0.0.1", "--port", "{port}"),
            *("--no-access-log", "--log-level", "warning", "{target}"),
        ),
        modules=("granian", "uvloop"),
        distributions=("granian", "uvloop"),
        # Its longest; its limit of concurrent connections must not be below the idle ones.
        idle_arguments=("--http1-header-read-timeout", "60000", "--backpressure", "20000"),
    ),
)

_WORKERS_TITLE = "1,000 connections, workers on one core"

SCENARIOS = (
    Scenario("c1", "1 connection", 1),
    Scenario("c64", "64 connections", 64, quick=True),
    Scenario("c256", "256 connections", 256),
    Scenario("c64p16", "64 connections, 16 requests pipelined", 64, pipeline=16, quick=True),
    Scenario("rate", "64 connections, 2,000 requests/s on schedule", 64, rate=2000.0, quick=False),
    Scenario("w1", f"1 worker, {_WORKERS_TITLE}", 1000, 1, 1, 0.0, ("bare-pid",), True),
    Scenario("w2", f"2 workers, {_WORKERS_TITLE}", 1000, 1, 2, 0.0, ("bare-pid",), True),
    Scenario("w4", f"4 workers, {_WORKERS_TITLE}", 1000, 1, 4, 0.0, ("bare-pid",), True),
)


def built_in(contender: Contender) -> Application:
    """Return what stands for the application of a program with its answer built in."""
    return Application(NO_APPLICATION, "answer built in", "", "/", contender.answer)


def application(name: str) -> Application:
    """Return the application of that name; KeyError where there is none."""
    for entry in APPLICATIONS:
        if entry.name == name:
            return entry
    raise KeyError(name)
