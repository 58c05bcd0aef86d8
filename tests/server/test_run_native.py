"""`FastAPI.run_native()` in a script."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from served_process import Run, ServedProcess
from wire_client import get

SCRIPT = """
import os

from hyperfastapi import FastAPI

app = FastAPI()


@app.get("/")
def read() -> int:
    return os.getpid()


if __name__ == "__main__":
    app.run_native(port=0, {settings})
    print("after run_native()")
"""


def start_script(start: Run, directory: Path, settings: str) -> ServedProcess:
    (directory / "script.py").write_text(SCRIPT.replace("{settings}", settings))
    return start("script.py")


def test_one_worker_serves_in_the_process_itself(start: Run, directory: Path) -> None:
    server = start_script(start, directory, "")
    assert get(server.port).json() == server.pid
    assert server.stop() == -signal.SIGTERM


def test_two_workers_serve_from_children(start: Run, directory: Path) -> None:
    server = start_script(start, directory, "workers=2")
    server.wait_for_log("Application startup complete", 2)
    assert get(server.port).json() in server.worker_pids()
    assert len(server.worker_pids()) == 2
    assert server.pid not in server.worker_pids()
    assert server.stop() == -signal.SIGTERM


@pytest.mark.parametrize("workers", ["workers=1", "workers=2"])
def test_script_goes_on_after_an_interrupt(start: Run, directory: Path, workers: str) -> None:
    server = start_script(start, directory, workers)
    server.wait_until_running()
    assert server.stop(signal.SIGINT) == 0
    assert server.output.splitlines()[-1] == "after run_native()"
    assert "Traceback" not in server.log


def test_settings_are_taken_by_name(start: Run, directory: Path) -> None:
    server = start_script(start, directory, "server_header=False, access_log=False")
    assert get(server.port).header("server") is None
    server.stop()
    assert server.output == ""


def test_unknown_setting_is_named_with_its_neighbour(start: Run, directory: Path) -> None:
    script = start_script(start, directory, "timeout_keepalive=5")
    assert script.wait() == 1
    assert "did you mean timeout_keep_alive?" in script.log


def test_variables_of_the_command_are_not_read(start: Run, directory: Path) -> None:
    (directory / "script.py").write_text(SCRIPT.replace("{settings}", ""))
    server = start("script.py", HYPERFASTAPI_SERVER_HEADER="0", WEB_CONCURRENCY="2")
    assert get(server.port).header("server") == "hyperfastapi"
    assert server.worker_pids() == [server.pid]
