"""Reload: the server follows its source files."""

from __future__ import annotations

import signal
from pathlib import Path

from served_process import Run
from wire_client import get

APP = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%s"})
"""


def write(directory: Path, answer: str) -> None:
    (directory / "main.py").write_text(APP % answer)


def test_changed_file_is_served_anew(serve: Run, directory: Path) -> None:
    write(directory, "old")
    server = serve("main:app", "--reload")
    assert get(server.port).body == b"old"
    write(directory, "changed")
    server.wait_for_log(r"^WARNING:  Reloading: main\.py changed$")
    server.wait_for_log("Started server process", 2)
    assert get(server.port).body == b"changed"
    assert server.stop() == -signal.SIGTERM


def test_mistake_in_a_file_is_shown_and_mended(serve: Run, directory: Path) -> None:
    write(directory, "old")
    server = serve("main:app", "--reload")
    assert get(server.port).body == b"old"
    (directory / "main.py").write_text("mistake(\n")
    server.wait_for_log("^SyntaxError")
    write(directory, "mended")
    server.wait_for_log("Started server process", 3)
    assert get(server.port).body == b"mended"


def test_interrupt_ends_the_reloader_without_a_traceback(serve: Run) -> None:
    server = serve("main:app", "--reload")
    assert get(server.port).status == 200
    assert server.stop(signal.SIGINT) == -signal.SIGINT
    assert "Traceback" not in server.log
    assert "lifespan.shutdown" in server.output
