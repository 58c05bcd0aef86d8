"""Limits and time-outs that flags set, as a client meets them."""

from __future__ import annotations

import signal

from over import Over
from served_process import Run
from wire_client import Connection, get


def test_head_beyond_its_limit_is_answered_with_431(over: Over) -> None:
    server = over.serve("main:app", "--limit-head-size", "512")
    with over.connect(server) as connection:
        connection.request("/", "x-long: " + "a" * 600)
        assert connection.answer().status == 431
        assert connection.rest() == b""


def test_more_fields_than_allowed_are_answered_with_431(over: Over) -> None:
    server = over.serve("main:app", "--limit-head-fields", "3")
    with over.connect(server) as connection:
        connection.request("/", "x-a: 1", "x-b: 2")
        assert connection.answer().status == 200
        connection.request("/", "x-a: 1", "x-b: 2", "x-c: 3")
        assert connection.answer().status == 431
        assert connection.rest() == b""


def test_target_beyond_its_limit_is_answered_with_414(over: Over) -> None:
    server = over.serve("main:app", "--limit-target-size", "64")
    with over.connect(server) as connection:
        connection.request("/" + "a" * 63)
        assert connection.answer().status == 200
        connection.request("/" + "a" * 64)
        assert connection.answer().status == 414
        assert connection.rest() == b""


def test_trailer_beyond_its_limit_is_answered_with_431(serve: Run) -> None:
    server = serve("main:app", "--limit-trailer-size", "32")
    with Connection(server.port) as connection:
        connection.request("/echo", "transfer-encoding: chunked", method="POST")
        connection.send(b"0\r\nx-long: " + b"a" * 64 + b"\r\n\r\n")
        assert connection.answer().status == 431
        assert connection.rest() == b""


def test_head_that_does_not_end_is_answered_with_408(serve: Run) -> None:
    server = serve("main:app", "--timeout-head", "0.3")
    with Connection(server.port) as connection:
        connection.send(b"GET / HTTP/1.1\r\nhost: te")
        assert connection.answer().status == 408
        assert connection.rest() == b""


def test_body_that_does_not_come_is_answered_with_408(over: Over) -> None:
    server = over.serve("main:app", "--timeout-body", "0.3")
    with over.connect(server) as connection:
        connection.request("/echo", "content-length: 100000", method="POST")
        connection.send(b"x")
        assert connection.answer().status == 408
        assert connection.rest() == b""
    server.wait_for_output("^disconnected$")


def test_idle_connection_is_closed_without_a_word(serve: Run) -> None:
    server = serve("main:app", "--timeout-keep-alive", "0.3")
    with Connection(server.port) as connection:
        connection.request()
        assert connection.answer().status == 200
        assert connection.rest() == b""


def test_request_beyond_the_concurrency_limit_is_answered_with_503(over: Over) -> None:
    server = over.serve("main:app", "--limit-concurrency", "2")
    with over.connect(server) as first:
        first.request("/echo", "content-length: 1", method="POST")
        server.wait_for_output("^entered /echo")
        refused = over.get(server)
        assert (refused.status, refused.body) == (503, b"Service Unavailable")
        first.send(b"x")
        assert first.answer().body == b"x"


def test_connections_beyond_their_limit_wait_for_a_place(serve: Run) -> None:
    server = serve("main:app", "--limit-connections", "1")
    with Connection(server.port) as first:
        first.request()
        assert first.answer().status == 200
        with Connection(server.port) as second:
            second.request()
            first.request("/echo", "content-length: 0", method="POST")
            assert first.answer().status == 200
            first.close()
            assert second.answer().status == 200


def test_server_ends_after_its_last_request(serve: Run) -> None:
    server = serve("main:app", "--limit-max-requests", "2")
    assert get(server.port).status == 200
    assert get(server.port).status == 200
    assert server.wait() == 0
    assert "Maximum request limit of 2 exceeded. Terminating process." in server.log
    assert "lifespan.shutdown" in server.output


def test_worker_is_replaced_after_its_last_request(serve: Run) -> None:
    server = serve("main:app", "--limit-max-requests", "1", "--workers", "2")
    ended = get(server.port).json()["pid"]
    server.wait_for_log("Application startup complete", 3)
    assert server.worker_pids()[2] != ended
    assert get(server.port).status == 200
    assert server.stop() == -signal.SIGTERM


def test_websocket_message_beyond_its_limit_closes_with_1009(over: Over) -> None:
    server = over.serve("main:app", "--ws-max-size", "16")
    with over.connect(server) as connection:
        assert connection.upgrade("/ws").status == 101
        connection.send_frame(1, b"a" * 17)
        opcode, payload = connection.frame()
        assert (opcode, payload[:2]) == (8, (1009).to_bytes(2, "big"))


def test_websocket_that_answers_no_ping_is_closed(over: Over) -> None:
    server = over.serve("main:app", "--ws-ping-interval", "0.1", "--ws-ping-timeout", "0.2")
    with over.connect(server) as connection:
        assert connection.upgrade("/ws").status == 101
        assert connection.frame()[0] == 9
        while (frame := connection.frame())[0] == 9:
            pass
        assert (frame[0], frame[1][:2]) == (8, (1011).to_bytes(2, "big"))
        assert connection.rest() == b""
    server.wait_for_output("^left WebSocket")
