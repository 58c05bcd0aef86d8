"""Fixtures of the tests that run the server as a program, over real sockets."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from over import Over
from served_process import Run, ServedProcess

from tests.protocols.protocol import EVERY, Protocol
from tests.protocols.tls_files import Authority

_PROBE = Path(__file__).with_name("probe_app.py")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The directory that servers run in; `main.py` in it is a copy of probe_app.py."""
    shutil.copy(_PROBE, tmp_path / "main.py")
    return tmp_path


@pytest.fixture
def start(directory: Path) -> Iterator[Run]:
    """Start `python ARGUMENTS...`; what is left of it ends with the test."""
    with contextlib.ExitStack() as stack:

        def start_process(
            *arguments: str, pass_fds: Sequence[int] = (), **environment: str | None
        ) -> ServedProcess:
            process = ServedProcess(arguments, directory, environment, pass_fds)
            return stack.enter_context(process)

        yield start_process


@pytest.fixture
def run(start: Run) -> Run:
    """Start `hyperfastapi run ARGUMENTS...` on a free port, without waiting for anything."""

    def run_command(
        *arguments: str, pass_fds: Sequence[int] = (), **environment: str | None
    ) -> ServedProcess:
        variables: dict[str, str | None] = {"HYPERFASTAPI_PORT": "0", **environment}
        return start("-m", "hyperfastapi", "run", *arguments, pass_fds=pass_fds, **variables)

    return run_command


@pytest.fixture
def serve(run: Run) -> Run:
    """Like `run`, for an application that starts: return when all its workers serve."""

    def serve_command(
        *arguments: str, pass_fds: Sequence[int] = (), **environment: str | None
    ) -> ServedProcess:
        process = run(*arguments, pass_fds=pass_fds, **environment)
        process.wait_until_running()
        if "--workers" in arguments:
            workers = int(arguments[arguments.index("--workers") + 1])
            process.wait_for_log("Application startup complete", workers)
        return process

    return serve_command


@pytest.fixture(params=EVERY, ids=[protocol.name for protocol in EVERY])
def over(request: pytest.FixtureRequest, serve: Run, directory: Path) -> Over:
    """Run the test over each protocol; what it says is the same on all."""
    protocol: Protocol = request.param
    return Over(protocol, Authority(directory), serve)
