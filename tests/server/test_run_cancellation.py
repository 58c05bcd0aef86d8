"""Handlers that end because their client has gone, or because their time is up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from over import Over
from served_process import Run, ServedProcess
from wire_client import Connection, get

from tests.protocols.http2_client import CANCEL, RST_STREAM, Http2Connection, frame

_APP = Path(__file__).with_name("cancelled_app.py")


@pytest.fixture(autouse=True)
def application(directory: Path) -> None:
    shutil.copy(_APP, directory / "main.py")


def lines(server: ServedProcess) -> list[str]:
    """What the application has said; its access log left out."""
    return [line for line in server.output.splitlines() if '"' not in line]


def leave(over: Over, server: ServedProcess, target: str, *fields: str, body: bytes = b"") -> None:
    """Send a request and leave once its handler waits."""
    with over.connect(server) as connection:
        if body:
            fields += (f"content-length: {len(body)}", "content-type: application/json")
        connection.request(target, *fields, method="POST" if body else "GET")
        if body:
            connection.send(body)
        server.wait_for_output(" waits")


# --- The client's departure --------------------------------------------------------------------


def test_a_handler_is_cancelled_when_its_client_has_gone(over: Over) -> None:
    """Dependencies see an exception, background tasks are dropped, nobody complains."""
    server = over.serve("main:app")
    leave(over, server, "/cancelled")
    server.wait_for_output("dependency left")
    server.stop()
    assert lines(server) == [
        "handler waits",
        "handler sees CancelledError",
        "dependency sees ClientGone ",
        "dependency left",
    ]
    assert "Traceback" not in server.log


def test_a_handler_that_has_the_request_is_cancelled(over: Over) -> None:
    server = over.serve("main:app")
    leave(over, server, "/cancelled-with-request")
    server.wait_for_output("dependency left")
    server.stop()
    assert lines(server)[1:] == [
        "handler sees CancelledError",
        "dependency sees ClientGone ",
        "dependency left",
    ]


def test_a_handler_that_has_a_body_is_cancelled(over: Over) -> None:
    server = over.serve("main:app")
    leave(over, server, "/cancelled-with-body", body=b'{"name": "a"}')
    server.wait_for_output("thread's dependency sees ClientGone")
    server.stop()
    assert "Traceback" not in server.log


def test_a_dependency_is_cancelled(over: Over) -> None:
    server = over.serve("main:app")
    leave(over, server, "/cancelled-in-dependency")
    server.wait_for_output("dependency left")
    server.stop()
    assert "never called" not in lines(server)
    assert "slow dependency sees CancelledError" in lines(server)


def test_a_handler_is_told_and_goes_on_unless_asked_otherwise(over: Over) -> None:
    server = over.serve("main:app")
    leave(over, server, "/kept")
    server.wait_for_output("handler goes on")


def test_what_is_shielded_is_not_cancelled(serve: Run) -> None:
    server = serve("main:app")
    with Connection(server.port) as connection:
        connection.request("/shielded")
        server.wait_for_output("handler waits")
    get(server.port, "/release")
    server.wait_for_output("handler sees CancelledError")
    assert "what is shielded goes on" in lines(server)


def test_a_thread_is_waited_for(serve: Run) -> None:
    """It cannot be cancelled; dependencies are left when it is through."""
    server = serve("main:app")
    with Connection(server.port) as connection:
        connection.request("/thread")
        server.wait_for_output("thread waits")
    get(server.port, "/release")
    server.wait_for_output("dependency left")
    server.stop()
    assert lines(server) == [
        "thread waits",
        "thread goes on",
        "dependency sees ClientGone ",
        "dependency left",
    ]


def test_a_stream_of_http2_that_is_reset_cancels_its_handler(serve: Run) -> None:
    """The connection and its other streams go on."""
    server = serve("main:app")
    with Http2Connection(server.port) as connection:
        stream = connection.request("/cancelled")
        server.wait_for_output("handler waits")
        connection.send_raw(frame(RST_STREAM, CANCEL.to_bytes(4, "big"), stream=stream))
        server.wait_for_output("dependency left")
        assert connection.get("/in-time").status == 200


@pytest.mark.parametrize("app", ["thinly", "behind"])
def test_behind_middleware(serve: Run, app: str) -> None:
    server = serve(f"main:{app}")
    with Connection(server.port) as connection:
        connection.request("/cancelled")
        server.wait_for_output("handler waits")
    server.wait_for_output("dependency left")
    server.stop()
    assert "handler sees CancelledError" in lines(server)
    assert "Traceback" not in server.log


# --- Time limits -------------------------------------------------------------------------------


@pytest.mark.parametrize("app", ["app", "thinly", "behind"])
def test_what_takes_too_long_is_answered_with_504(serve: Run, app: str) -> None:
    server = serve(f"main:{app}")
    answer = get(server.port, "/late")
    assert (answer.status, answer.json()) == (504, {"detail": "Gateway Timeout"})
    server.stop()
    assert lines(server)[:4] == [
        "handler waits",
        "handler sees CancelledError",
        "dependency sees HTTPException 504",
        "dependency left",
    ]


def test_the_limit_over_each_protocol(over: Over) -> None:
    server = over.serve("main:app")
    with over.connect(server) as connection:
        for target, status in (("/late", 504), ("/in-time", 200), ("/late-in-dependency", 504)):
            connection.request(target)
            assert connection.answer().status == status
    assert "never called" not in lines(server)


def test_a_thread_that_is_late_is_answered_with_504_when_it_is_through(serve: Run) -> None:
    server = serve("main:app")
    assert get(server.port, "/late-in-thread").status == 504
    server.stop()
    assert lines(server) == [
        "thread goes on",
        "dependency sees HTTPException 504",
        "dependency left",
    ]


def test_a_handler_may_answer_its_cancellation(serve: Run) -> None:
    server = serve("main:app")
    answer = get(server.port, "/own-answer")
    assert (answer.status, answer.json()) == (503, {"detail": "gave up"})
    assert get(server.port, "/cleans-up").status == 504
    server.stop()
    assert "cleaned up" in lines(server)


def test_a_stream_goes_on_beyond_the_limit(serve: Run) -> None:
    answer = get(serve("main:app").port, "/stream")
    assert (answer.status, answer.body, answer.is_whole) == (200, b"firstlast", True)


def test_settings_of_the_application_hold_for_its_routes(serve: Run) -> None:
    server = serve("main:bounded")
    assert get(server.port, "/late").status == 504
    assert get(server.port, "/unlimited").json() == "unlimited"
    with Connection(server.port) as connection:
        connection.request("/cancelled")
        server.wait_for_output("handler waits", 2)
    server.wait_for_output("handler sees CancelledError", 2)
