"""The way out: what is under way finishes or is ended, and the lifespan's shutdown runs."""

from __future__ import annotations

import signal

import pytest
from over import Over
from served_process import Run, ServedProcess
from wire_client import Connection

SHORT = ("--timeout-graceful-shutdown", "0.3")
WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


def assert_shut_down(server: ServedProcess) -> None:
    assert "lifespan.shutdown" in server.output
    assert server.log.count("Application shutdown complete.") >= 1


@WORKERS
def test_request_under_way_finishes_with_its_whole_body(over: Over, workers: str) -> None:
    server = over.serve("main:app", "--workers", workers)
    with over.connect(server) as connection:
        connection.request("/echo", "content-length: 10", method="POST")
        connection.send(b"first")
        server.wait_for_output("^entered /echo")
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("Shutting down")
        connection.send(b"later")
        answer = connection.answer()
        assert (answer.status, answer.body) == (200, b"firstlater")
        assert connection.rest() == b""
    assert server.wait() == -signal.SIGTERM
    assert_shut_down(server)


def test_idle_connection_is_closed_at_once(serve: Run) -> None:
    server = serve("main:app", "--timeout-graceful-shutdown", "none")
    with Connection(server.port) as connection:
        connection.request()
        assert connection.answer().status == 200
        server.send_signal(signal.SIGTERM)
        assert connection.rest() == b""
        assert server.wait() == -signal.SIGTERM


def test_stream_is_told_to_end_and_ends_whole(over: Over) -> None:
    """I115."""
    server = over.serve("main:app", "--timeout-graceful-shutdown", "none")
    with over.connect(server) as connection:
        connection.request("/stream")
        assert connection.head().status == 200
        assert connection.chunk() == b"tick"
        server.send_signal(signal.SIGTERM)
        while connection.chunk():
            pass
        server.wait_for_output("^left /stream$")
        assert server.wait() == -signal.SIGTERM
    assert_shut_down(server)


@WORKERS
def test_stream_that_never_looks_is_cut_at_the_bound(over: Over, workers: str) -> None:
    server = over.serve("main:app", *SHORT, "--workers", workers)
    with over.connect(server) as connection:
        connection.request("/blind-stream")
        assert connection.head().status == 200
        assert connection.chunk() == b"tick"
        server.send_signal(signal.SIGTERM)
        while (chunk := connection.chunk()) == b"tick":
            pass
        assert chunk is None, "a stream that was cut must not look complete"
        assert server.wait() == -signal.SIGTERM
    assert_shut_down(server)


@WORKERS
def test_handler_that_sleeps_is_cancelled_at_the_bound(serve: Run, workers: str) -> None:
    """H106."""
    server = serve("main:app", *SHORT, "--workers", workers)
    with Connection(server.port) as connection:
        connection.request("/sleep")
        server.wait_for_output("^entered /sleep$")
        server.send_signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
    assert "cancelled /sleep" in server.output
    assert "Cancel 1 running task(s), timeout graceful shutdown exceeded" in server.log
    assert_shut_down(server)


def test_handler_that_refuses_cancellation_does_not_hold_the_exit(serve: Run) -> None:
    server = serve("main:app", *SHORT)
    with Connection(server.port) as connection:
        connection.request("/stubborn")
        server.wait_for_output("^entered /stubborn$")
        assert server.stop() == -signal.SIGTERM
    assert_shut_down(server)


@WORKERS
def test_websocket_is_closed_with_1012(over: Over, workers: str) -> None:
    server = over.serve("main:app", "--timeout-graceful-shutdown", "20", "--workers", workers)
    with over.connect(server) as connection:
        assert connection.upgrade("/ws").status == 101
        connection.send_frame(1, b"hello")
        assert connection.frame() == (1, b"hello")
        server.send_signal(signal.SIGTERM)
        opcode, payload = connection.frame()
        assert (opcode, payload[:2]) == (8, (1012).to_bytes(2, "big"))
        connection.send_frame(8, payload[:2])
        assert connection.rest() == b""
        assert server.wait() == -signal.SIGTERM
    assert "left WebSocket with 1012" in server.output
    assert_shut_down(server)


@WORKERS
def test_stream_websocket_and_handler_that_all_go_on_do_not_hold_the_exit_together(
    serve: Run, workers: str
) -> None:
    """None of the three would ever end: not the stream, the sleep, or the client's silence."""
    server = serve("main:app", *SHORT, "--workers", workers)
    with (
        Connection(server.port) as stream,
        Connection(server.port) as websocket,
        Connection(server.port) as sleeping,
    ):
        stream.request("/blind-stream")
        assert stream.head().status == 200
        assert websocket.upgrade("/ws").status == 101
        sleeping.request("/sleep")
        server.wait_for_output("^entered /sleep$")
        server.send_signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
        while (chunk := stream.chunk()) == b"tick":
            pass
        assert chunk is None, "a stream that was cut must not look complete"
        assert websocket.frame() == (8, (1012).to_bytes(2, "big"))
        assert sleeping.answer().status == 500
    assert "left WebSocket with 1012" in server.output
    assert "cancelled /sleep" in server.output
    assert_shut_down(server)


@WORKERS
def test_second_signal_ends_at_once(serve: Run, workers: str) -> None:
    """I120."""
    server = serve("main:app", "--timeout-graceful-shutdown", "none", "--workers", workers)
    with Connection(server.port) as connection:
        connection.request("/sleep")
        server.wait_for_output("^entered /sleep$")
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("Shutting down")
        server.send_signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM


def test_no_new_connection_is_accepted_while_draining(serve: Run) -> None:
    server = serve("main:app")
    port = server.port
    with Connection(port) as connection:
        connection.request("/echo", "content-length: 1", method="POST")
        server.wait_for_output("^entered /echo")
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("Shutting down")
        server.wait_for_log("Waiting for background tasks to complete")
        with Connection(port) as late:
            late.request()
            connection.send(b"x")
            assert connection.answer().body == b"x"
            assert late.rest() == b""
    assert server.wait() == -signal.SIGTERM
