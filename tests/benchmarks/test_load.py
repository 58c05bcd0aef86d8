"""hfa-load: what it counts as an answer, and what as an error."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]
Load = Callable[..., Any]

GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"
)
TRAILED = CHUNKED[:-2] + b"sum: 1\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + GOOD


@pytest.mark.parametrize("piece", [None, 1, 7])
@pytest.mark.parametrize("answer", [GOOD, CHUNKED, TRAILED, EMPTY, INTERIM])
def test_well_framed_answers_are_counted_however_they_are_cut(
    serve: Serve, load: Load, answer: bytes, piece: int | None
) -> None:
    outcome = load(serve(answer, piece).port)
    assert outcome.errors() == {}
    assert outcome.report["requests"] == 20
    assert outcome.status == 0


@pytest.mark.parametrize("answer", [GOOD, CHUNKED])
def test_expected_body_is_accepted(serve: Serve, load: Load, answer: bytes) -> None:
    outcome = load(serve(answer).port, "--expect-body", "hello", "--expect-status", "200")
    assert outcome.errors() == {}


@pytest.mark.parametrize("answer", [GOOD, CHUNKED])
@pytest.mark.parametrize(
    ("expectation", "kind"),
    [
        (("--expect-status", "201"), "status"),
        (("--expect-length", "4"), "length"),
        (("--expect-length", "6"), "length"),
        (("--expect-body", "hellO"), "body"),
        (("--expect-body", "hell"), "length"),
        (("--expect-body", "hello!"), "length"),
    ],
)
def test_unexpected_answers_are_errors_of_their_kind(
    serve: Serve, load: Load, answer: bytes, expectation: tuple[str, ...], kind: str
) -> None:
    outcome = load(serve(answer).port, *expectation)
    assert outcome.errors().keys() == {kind}
    assert outcome.report["requests"] == 0
    assert outcome.status == 1
    assert f"connection 0: {kind}: " in outcome.messages


def test_status_outside_200_to_299_is_an_error_by_default(serve: Serve, load: Load) -> None:
    outcome = load(serve(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").port)
    assert outcome.errors().keys() == {"status"}


def test_one_wrong_answer_among_right_ones_is_found(serve: Serve, load: Load) -> None:
    wrong = GOOD.replace(b"hello", b"jello")
    server: Any = serve(lambda number: wrong if number == 7 else GOOD)
    outcome = load(server.port, "--expect-body", "hello")
    assert outcome.errors() == {"body": 1}
    assert outcome.report["requests"] == 20


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70000 + b"\r\n\r\n",
    ],
)
@pytest.mark.parametrize("piece", [None, 997])
def test_broken_framing_is_an_error_and_ends_the_connection(
    serve: Serve, load: Load, answer: bytes, piece: int | None
) -> None:
    server: Any = serve(lambda _: answer if server.connections == 1 else GOOD, piece)
    outcome = load(server.port)
    assert outcome.errors() == {"framing": 1, "closed": 1}
    assert outcome.report["reconnects"] == 1
    assert outcome.report["requests"] == 20


def test_answer_cut_by_a_close_is_an_error(serve: Serve, load: Load) -> None:
    def answer(number: int) -> bytes | None:
        return None if number == 3 and server.connections == 1 else GOOD

    server: Any = serve(answer)
    outcome = load(server.port)
    assert outcome.errors() == {"closed": 1}
    assert outcome.report["requests"] == 20


def test_unanswered_pipelined_requests_are_each_an_error(serve: Serve, load: Load) -> None:
    def answer(number: int) -> bytes | None:
        return None if number == 3 and server.connections == 1 else GOOD

    server: Any = serve(answer)
    outcome = load(server.port, "--pipeline", "8")
    assert outcome.errors() == {"closed": 5}


def test_connection_close_is_obeyed_without_an_error(serve: Serve, load: Load) -> None:
    server: Any = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
    outcome = load(server.port)
    assert outcome.errors() == {}
    assert outcome.report["requests"] == 20
    assert outcome.report["reconnects"] >= 19


def test_body_that_ends_with_the_connection_is_complete(serve: Serve, load: Load) -> None:
    answers = iter([b"HTTP/1.1 200 OK\r\n\r\nhello", None] * 1000)
    server: Any = serve(lambda _: next(answers))
    # The second request of the pair makes the server close, which completes the first answer.
    outcome = load(server.port, "--pipeline", "2", "--expect-body", "hello", requests=5)
    assert set(outcome.errors()) == {"closed"}
    assert outcome.report["requests"] == 5


def test_silence_is_an_error_after_the_timeout(serve: Serve, load: Load) -> None:
    server: Any = serve(lambda _: b"" if server.connections == 1 else GOOD)
    server._piece = 1
    outcome = load(server.port, "--timeout", "0.2")
    assert outcome.errors() == {"timeout": 1}


def test_an_answer_nobody_asked_for_is_an_error(serve: Serve, load: Load) -> None:
    server: Any = serve(lambda _: GOOD + GOOD if server.connections == 1 else GOOD)
    outcome = load(server.port)
    assert outcome.errors() == {"unwanted": 1}
    assert outcome.report["reconnects"] == 1


def test_refused_connections_are_errors_and_end_the_run(build: Path, serve: Serve) -> None:
    server: Any = serve(GOOD)
    server.close()
    done = subprocess.run(
        [build / "benchmarks" / "hfa-load", "--port", str(server.port), "--connections", "600"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert '"connect": ' in done.stdout
    assert "giving up" in done.stderr


def test_answers_to_head_have_no_body(serve: Serve, load: Load) -> None:
    server: Any = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
    assert load(server.port, "--method", "HEAD").errors() == {}


def test_tally_counts_connections_by_their_first_answer(serve: Serve, load: Load) -> None:
    numbers = iter(range(10**6))

    def answer(_: int) -> bytes:
        text = b"even" if next(numbers) % 2 == 0 else b"odd"
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text)

    outcome = load(serve(answer).port, "--tally", "--connections", "9", requests=100)
    assert sum(outcome.report["tally"].values()) == 9
    assert set(outcome.report["tally"]) <= {"even", "odd"}


def test_schedule_sends_the_requests_that_fall_due(serve: Serve, load: Load) -> None:
    outcome = load(serve(GOOD).port, "--rate", "500", "--connections", "4", requests=100)
    assert outcome.errors() == {}
    assert outcome.report["requests"] == 100
    assert outcome.report["rate"] == 500
    assert outcome.report["requests_per_second"] <= 600


def test_schedule_counts_latency_from_the_due_time(serve: Serve, load: Load) -> None:
    # One connection, one request under way: while an answer is late, requests pile up, and each
    # has waited for the rest of the delay when it is answered at last.
    def answer(number: int) -> bytes:
        if number == 3:
            time.sleep(0.3)
        return GOOD

    outcome = load(serve(answer).port, "--rate", "100", requests=40)
    assert outcome.report["latency_us"]["max"] >= 300_000
    # About 30 requests fell due in the pause; in a closed loop only one would show it.
    assert outcome.report["latency_us"]["p50"] >= 20_000


def test_quantiles_are_in_order(serve: Serve, load: Load) -> None:
    latency = load(serve(GOOD).port, requests=500).report["latency_us"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"]
    assert latency["p999"] <= latency["max"]


def test_cpu_time_of_the_server_is_read(serve: Serve, load: Load) -> None:
    outcome = load(serve(GOOD).port, "--server", str(os.getpid()), requests=500)
    assert outcome.report["server_cpu_seconds"] > 0


def test_request_from_a_file_is_sent_to_the_byte(load: Load, tmp_path: Path) -> None:
    wanted = b"BREW /pot HTTP/1.1\r\nhost: x\r\n\r\n"
    file = tmp_path / "request"
    file.write_bytes(wanted)
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_once() -> None:
            connection, _ = listener.accept()
            with connection:
                received.append(connection.recv(65536))
                connection.sendall(GOOD * 3)
                connection.recv(65536)

        thread = threading.Thread(target=answer_once)
        thread.start()
        load(listener.getsockname()[1], "--request", str(file), "--pipeline", "3", requests=1)
        thread.join(10)
    assert received == [wanted * 3]


def test_body_from_a_file_is_sent_with_its_length(load: Load, tmp_path: Path) -> None:
    body = b"\x00\xff\r\n\r\n" * 50_000
    file = tmp_path / "body"
    file.write_bytes(body)
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_once() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as wire:
                head = iter(wire.readline, b"\r\n")
                received.extend(line for line in head if line.startswith(b"content-length"))
                received.append(wire.read(len(body)))
                connection.sendall(GOOD)
                connection.recv(65536)

        thread = threading.Thread(target=answer_once)
        thread.start()
        arguments = ("--method", "POST", "--body-file", str(file), "--connections", "1")
        load(listener.getsockname()[1], *arguments, requests=1)
        thread.join(10)
    assert received == [b"content-length: 300000\r\n", body]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--port is needed"),
        (("--port", "0"), "--port 0: expected a number from 1 to 65535"),
        (("--port", "80", "--host", "10.0.0.1"), "expected an IPv4 loopback address"),
        (("--port", "80", "--connections", "many"), "--connections many: expected a number"),
        (("--port", "80", "--rate", "0"), "--rate 0: expected a number from 0.001"),
        (("--port", "80", "--request", "/nonexistent"), "No such file"),
        (("--port", "80", "--body-file", "/nonexistent"), "--body-file /nonexistent: No such file"),
        (("--port", "80", "--nonsense"), "--help lists the options"),
        (("--port", "80", "extra"), "extra is not an option"),
        (("--port", "80", "--expect-body", "a", "--expect-length", "2"), "contradict"),
    ],
)
def test_wrong_command_lines_say_what_to_do(
    build: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = subprocess.run(
        [build / "benchmarks" / "hfa-load", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr


class EchoServer:
    """Opens a WebSocket for each connection and answers each frame as `answer` says."""

    def __init__(self, answer: Callable[[bytes], bytes], piece: int, status: str) -> None:
        self._answer = answer
        self._piece = piece
        self._status = status
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _send(self, connection: socket.socket, data: bytes) -> None:
        for start in range(0, len(data), self._piece):
            connection.sendall(data[start : start + self._piece])

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as wire, contextlib.suppress(OSError):
            lines = iter(wire.readline, b"\r\n")
            assert {b"upgrade: websocket\r\n", b"sec-websocket-version: 13\r\n"} <= set(lines)
            self._send(connection, f"HTTP/1.1 {self._status}\r\na: b\r\n\r\n".encode())
            while head := wire.read(2):
                assert head[0] == 0x81 and head[1] & 0x80
                size = head[1] & 0x7F
                if size >= 126:
                    size = int.from_bytes(wire.read(2 if size == 126 else 8), "big")
                key = wire.read(4)
                data = bytes(b ^ key[i % 4] for i, b in enumerate(wire.read(size)))
                self._send(connection, self._answer(data))


def text(data: bytes) -> bytes:
    """A text message in one frame."""
    if len(data) < 126:
        return bytes([0x81, len(data)]) + data
    if len(data) < 65536:
        return b"\x81\x7e" + len(data).to_bytes(2, "big") + data
    return b"\x81\x7f" + len(data).to_bytes(8, "big") + data


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("piece", [3, 70000])
def test_messages_that_come_back_are_answers(load: Load, size: int, piece: int) -> None:
    if size > 1000 and piece == 3:
        piece = 999
    server = EchoServer(text, piece, "101 Switching Protocols")
    outcome = load(server.port, "--websocket", str(size))
    assert outcome.errors() == {}, outcome.messages
    assert outcome.report["requests"] == 20


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda data: text(data[:-1]), "length"),
        (lambda data: text(b"x" * len(data)), "body"),
        (lambda data: b"\x82" + text(data)[1:], "framing"),
        (lambda data: text(data) * 2, "unwanted"),
    ],
    ids=["length", "body", "binary", "twice"],
)
def test_messages_that_are_not_the_expected_ones_are_errors(
    load: Load, answer: Callable[[bytes], bytes], kind: str
) -> None:
    server = EchoServer(answer, 70000, "101 Switching Protocols")
    outcome = load(server.port, "--websocket", "64", "--connections", "1")
    assert kind in outcome.errors()
    assert outcome.status == 1


def test_handshake_that_is_refused_is_an_error(load: Load) -> None:
    server = EchoServer(text, 70000, "403 Forbidden")
    outcome = load(server.port, "--websocket", "64", "--connections", "1", "--timeout", "0.2")
    assert outcome.errors().keys() == {"connect"}
