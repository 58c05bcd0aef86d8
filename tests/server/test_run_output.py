"""What the command writes: its log, its access lines, its version."""

from __future__ import annotations

import re
import signal

import pytest
from over import Over
from served_process import Run
from wire_client import Connection, get


def test_log_tells_of_start_and_end(serve: Run) -> None:
    server = serve("main:app")
    port = server.port
    assert server.stop() == -signal.SIGTERM
    assert server.log.splitlines() == [
        f"INFO:     Started server process [{server.pid}]",
        "INFO:     Waiting for application startup.",
        "INFO:     Application startup complete.",
        f"INFO:     hyperfastapi running on http://127.0.0.1:{port} (Press CTRL+C to quit)",
        "INFO:     Shutting down",
        "INFO:     Waiting for application shutdown.",
        "INFO:     Application shutdown complete.",
    ]


def test_access_line_has_client_request_and_status(serve: Run) -> None:
    server = serve("main:app")
    with Connection(server.port) as connection:
        client = connection.name
        connection.request("/a%20b?x=1%202")
        assert connection.answer().status == 200
    line = f'INFO:     {client} - "GET /a%20b?x=1%202 HTTP/1.1" 200 OK'
    server.wait_for_output(f"^{re.escape(line)}$")


def test_access_line_of_a_crash_says_500(over: Over) -> None:
    server = over.serve("main:app")
    assert over.get(server, "/crash").status == 500
    line = f'"GET /crash HTTP/{over.protocol.version}" 500 Internal Server Error'
    server.wait_for_output(f"{re.escape(line)}$")
    server.wait_for_log(r"^ERROR:    Exception in ASGI application$")
    server.wait_for_log(r"^ValueError: crashed on purpose$")


def test_websocket_is_logged_with_its_outcome(serve: Run) -> None:
    server = serve("main:app")
    with Connection(server.port) as connection:
        client = connection.name
        assert connection.upgrade("/ws?a=b").status == 101
        line = f'INFO:     {client} - "WebSocket /ws?a=b" [accepted]'
        server.wait_for_log(f"^{re.escape(line)}$")


def test_no_access_log_leaves_standard_output_to_the_application(serve: Run) -> None:
    server = serve("main:app", "--no-access-log")
    assert get(server.port).status == 200
    server.stop()
    assert [line.split(" ")[0] for line in server.output.splitlines()] == [
        "lifespan.startup",
        "lifespan.shutdown",
    ]


def test_log_level_warning_hides_information(run: Run) -> None:
    server = run("main:app", "--log-level", "warning")
    server.wait_for_output("^lifespan.startup")
    assert server.stop() == -signal.SIGTERM
    assert server.log == ""


def test_colours_are_used_when_asked_for(serve: Run) -> None:
    server = serve("main:app", "--use-colors")
    server.wait_for_log(r"^\x1b\[32mINFO\x1b\[0m:     Application startup complete\.$")


def test_interrupt_ends_without_a_traceback(serve: Run) -> None:
    server = serve("main:app")
    server.stop(signal.SIGINT)
    assert "Traceback" not in server.log
    assert server.log.endswith("Application shutdown complete.")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_interrupt_exits_as_interrupted(serve: Run, workers: str) -> None:
    """I120."""
    assert serve("main:app", "--workers", workers).stop(signal.SIGINT) == -signal.SIGINT


def test_version_names_the_build_and_what_it_runs_on(start: Run) -> None:
    command = start("-m", "hyperfastapi", "--version")
    assert command.wait() == 0
    assert re.fullmatch(
        r"hyperfastapi \d+\.\d+\.\d+\S* \(.+\) with FastAPI \d+\.\S+, \w+ 3\.\d+\.\S+ on \w+",
        command.output,
    )


def test_wrong_value_names_the_flag_and_exits_2(run: Run) -> None:
    command = run("main:app", "--workers", "0")
    assert command.wait() == 2
    assert "--workers='0'" in command.log or "--workers=0" in command.log


def test_wrong_variable_is_named_and_exits_2(run: Run) -> None:
    command = run("main:app", HYPERFASTAPI_TIMEOUT_HEAD="soon")
    assert command.wait() == 2
    assert "HYPERFASTAPI_TIMEOUT_HEAD='soon'" in command.log
