"""HTTP/2: how it is chosen, what it carries, and how connections end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from served_process import Run
from wire_client import Connection, get

from tests.protocols.http2_client import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    SETTINGS,
    Http2Connection,
    frame,
    read_frames,
)  # fmt: skip
from tests.protocols.tls_files import Authority


def test_prior_knowledge_is_taken_from_the_preface(serve: Run) -> None:
    with Http2Connection(serve("main:app").port) as connection:
        shown = json.loads(connection.get("/items?a=b").body)
    assert (shown["http_version"], shown["scheme"], shown["path"]) == ("2", "http", "/items")


def test_alpn_chooses_http2(serve: Run, directory: Path) -> None:
    authority = Authority(directory)
    cert, key = authority.issue("localhost")
    port = serve("main:app", "--tls-cert", str(cert), "--tls-key", str(key)).port
    with Http2Connection(port, tls=authority.client(alpn=("h2", "http/1.1"))) as connection:
        shown = json.loads(connection.get().body)
    assert (shown["http_version"], shown["scheme"]) == ("2", "https")
    assert get(port, tls=authority.client(alpn=("http/1.1",))).json()["http_version"] == "1.1"


def test_upgrade_to_h2c_is_ignored(serve: Run) -> None:
    answer = get(
        serve("main:app").port, "/", "connection: upgrade, http2-settings", "upgrade: h2c",
        "http2-settings: AAMAAABkAAQAAP__",
    )  # fmt: skip
    assert (answer.status, answer.json()["http_version"]) == (200, "1.1")


def test_preface_may_come_in_pieces(serve: Run) -> None:
    with socket.create_connection(("127.0.0.1", serve("main:app").port), 10) as raw:
        for byte in PREFACE:
            raw.sendall(bytes([byte]))
        raw.sendall(frame(SETTINGS))
        assert raw.recv(9)[3] == SETTINGS


@pytest.mark.parametrize("wrong", [b"\r\nXX\r\n\r\n", b"host: test\r\n\r\n"])
def test_preface_that_goes_wrong_behind_its_first_line_is_a_protocol_error(
    serve: Run, wrong: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", serve("main:app").port), 10) as raw:
        raw.sendall(PREFACE[:16] + wrong)
        received = b""
        while data := raw.recv(65536):
            received += data
    assert [frame for frame in read_frames(received) if frame[0] == GOAWAY] == [
        (GOAWAY, 0, struct.pack("!II", 0, 1))
    ]


def test_http2_can_be_switched_off(serve: Run) -> None:
    with Connection(serve("main:app", "--no-http2").port) as connection:
        connection.send(PREFACE)
        assert connection.answer().status == 505


def test_response_begins_with_the_servers_own_fields(serve: Run) -> None:
    with Http2Connection(serve("main:app", "--header", "X-Own: yes").port) as connection:
        names = [name for name, _ in connection.get().headers]
    assert names == [":status", "date", "server", "x-own", "content-length"]


def test_authority_becomes_the_host_field_and_cookies_one(serve: Run) -> None:
    with Http2Connection(serve("main:app").port) as connection:
        answer = connection.get("/fields", ("cookie", "a=1"), ("x-a", "b"), ("cookie", "c=2"))
    assert json.loads(answer.body) == [
        ["host", "localhost"], ["cookie", "a=1; c=2"], ["x-a", "b"],
    ]  # fmt: skip


def test_host_field_serves_without_an_authority(serve: Run) -> None:
    with Http2Connection(serve("main:app").port) as connection:
        stream = connection.request("/fields", ("x-a", "b"), ("host", "a.test"), authority=None)
        assert json.loads(connection.answer(stream).body) == [["x-a", "b"], ["host", "a.test"]]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", [("host", "other.test")], 400),
        ("/" + "a" * 40_000, [], 414),
        ("/", [("x-a", "a" * 70_000)], 431),
        ("/", [("x-a", "a")] * 200, 431),
    ],
)
def test_request_that_http1_refuses_is_refused(
    serve: Run, path: str, headers: list[tuple[str, str]], status: int
) -> None:
    with Http2Connection(serve("main:app").port, validates=False) as connection:
        connection.h2.max_outbound_frame_size = 16384
        assert connection.get(path, *headers).status == status
        assert connection.get().status == 200


@pytest.mark.parametrize("path", ["http://localhost/", "*", "a"])
def test_path_of_another_form_is_a_fault_of_the_stream(serve: Run, path: str) -> None:
    with Http2Connection(serve("main:app").port, validates=False) as connection:
        answer = connection.get(path)
        assert answer.reset == 1 or answer.status == 400
        assert connection.get().status == 200


def test_streams_are_answered_side_by_side(serve: Run) -> None:
    server = serve("main:app")
    with Http2Connection(server.port) as connection:
        connection.request("/sleep")
        server.wait_for_output("entered /sleep")
        streams = [connection.request(f"/{number}") for number in range(50)]
        paths = [json.loads(connection.answer(stream).body)["path"] for stream in streams]
        assert paths == [f"/{number}" for number in range(50)]


def test_large_bodies_pass_both_ways(serve: Run) -> None:
    body = os.urandom(3_000_000)
    with Http2Connection(serve("main:app").port) as connection:
        stream = connection.request("/echo", method="POST", ends=False)
        connection.send_body(stream, body)
        assert connection.answer(stream).body == body


def test_client_that_does_not_read_makes_the_application_wait(serve: Run) -> None:
    server = serve("main:app")
    with Http2Connection(server.port) as connection:
        connection.acknowledges = False
        stream = connection.request("/flood")
        connection.head(stream)
        taken = int(server.wait_for_output(r"flooded (\d+)").group(1))
    assert taken <= 65_535 + 2 * 65_536


def test_body_that_nobody_reads_is_held_back_by_the_window(serve: Run) -> None:
    server = serve("main:app")
    with Http2Connection(server.port) as connection:
        stream = connection.request("/sleep", method="POST", ends=False)
        server.wait_for_output("entered /sleep")
        connection.get()  # the server's settings are here now
        room = connection.h2.local_flow_control_window(stream)
        connection.send_body(stream, bytes(room), ends=False)
        connection.get()
        assert connection.h2.local_flow_control_window(stream) == 0


def test_reset_ends_the_request(serve: Run) -> None:
    server = serve("main:app")
    with Http2Connection(server.port) as connection:
        stream = connection.request("/stream")
        connection.body(stream, 4)
        connection.h2.reset_stream(stream)
        connection.flush()
        server.wait_for_output("left /stream")
        assert connection.get().status == 200


def test_head_is_answered_without_a_body(serve: Run) -> None:
    with Http2Connection(serve("main:app").port) as connection:
        answer = connection.get(method="HEAD")
    assert (answer.status, answer.body, answer.is_whole) == (200, b"", True)
    assert int(answer.header("content-length")) > 0


def test_failing_application_is_answered_with_500(serve: Run) -> None:
    with Http2Connection(serve("main:app").port) as connection:
        assert connection.get("/crash").status == 500
        assert connection.get().status == 200


def test_answer_before_the_body_was_sent_ends_the_request(serve: Run) -> None:
    with Http2Connection(serve("main:app").port) as connection:
        stream = connection.request("/", method="POST", ends=False)
        answer = connection.answer(stream)
        assert (answer.status, answer.is_whole) == (200, True)
        assert connection.get().status == 200


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_trailers_come_behind_the_body(serve: Run, version: str) -> None:
    port = serve("main:app").port
    if version == "2":
        with Http2Connection(port) as connection:
            answer = connection.get("/trailers")
        assert (answer.body, answer.trailers) == (b"body", [("x-one", "1"), ("x-two", "2")])
    else:
        with Connection(port) as plain:
            plain.request("/trailers", "te: trailers", "connection: close")
            assert plain.rest().endswith(b"4\r\nbody\r\n0\r\nx-one: 1\r\nx-two: 2\r\n\r\n")


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_early_hints_come_before_the_response(serve: Run, version: str) -> None:
    links = [("link", "</a.css>; rel=preload"), ("link", "</b.js>; rel=preload")]
    port = serve("main:app").port
    if version == "2":
        with Http2Connection(port) as connection:
            answer = connection.get("/hints")
        assert answer.informational == [[(":status", "103"), *links]]
        assert answer.body == b"hinted"
    else:
        with Connection(port) as plain:
            plain.request("/hints")
            hint = plain.head()
            assert (hint.status, hint.headers) == (103, links)
            assert plain.answer().body == b"hinted"


class WebSocketStream:
    """A WebSocket on a stream (RFC 8441), in short frames."""

    def __init__(self, connection: Http2Connection, *fields: tuple[str, str]) -> None:
        connection.get()  # the server's settings are here now
        settings = connection.h2.remote_settings
        assert settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1
        self.connection = connection
        self.stream = connection.send_head(
            [
                (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                (":path", "/ws"), (":authority", "localhost"), ("sec-websocket-version", "13"),
                *fields,
            ],
            ends=False,
        )  # fmt: skip

    def send(self, opcode: int, payload: bytes, *, packed: bool = False) -> None:
        first = 0x80 | 0x40 * packed | opcode
        data = struct.pack("!BBI", first, 0x80 | len(payload), 0) + payload
        self.connection.send_body(self.stream, data, ends=False)

    def receive(self) -> tuple[int, bytes]:
        first, length = self.connection.body(self.stream, 2)
        return first & 0x0F, self.connection.body(self.stream, length)


def test_websocket_is_opened_by_an_extended_connect(serve: Run) -> None:
    server = serve("main:app")
    with Http2Connection(server.port, validates=False) as connection:
        websocket = WebSocketStream(connection)
        assert connection.head(websocket.stream).status == 200
        for word in (b"one", b"two"):
            websocket.send(1, word)
            assert websocket.receive() == (1, word)
        assert connection.get().status == 200  # beside it
        websocket.send(8, struct.pack("!H", 1000))
        assert websocket.receive() == (8, struct.pack("!H", 1000))
        assert connection.answer(websocket.stream).is_whole
    server.wait_for_output("left WebSocket with 1000")


def test_websocket_agrees_on_compression(serve: Run) -> None:
    hello, again = b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"\xf2\x00\x11\x00\x00"
    with Http2Connection(serve("main:app").port, validates=False) as connection:
        offer = ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")
        websocket = WebSocketStream(connection, offer)
        assert dict(connection.head(websocket.stream).headers)["sec-websocket-extensions"] == (
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
        )
        for payload in (hello, again):
            websocket.send(1, payload, packed=True)
            assert websocket.receive() == (1, payload)


def test_websocket_is_kept_alive_by_pings(serve: Run) -> None:
    server = serve("main:app", "--ws-ping-interval", "0.1", "--ws-ping-timeout", "1")
    with Http2Connection(server.port, validates=False) as connection:
        websocket = WebSocketStream(connection)
        connection.head(websocket.stream)
        for _ in range(2):
            opcode, payload = websocket.receive()
            assert (opcode, len(payload)) == (9, 4)
            websocket.send(10, payload)
        assert websocket.receive()[0] == 9
        opcode, payload = websocket.receive()  # the last one was not answered
        assert (opcode, payload) == (8, struct.pack("!H", 1011) + b"keepalive ping timeout")
        assert connection.answer(websocket.stream).is_whole
    server.wait_for_output("left WebSocket with 1005")


def test_end_of_the_stream_is_a_lost_websocket(serve: Run) -> None:
    server = serve("main:app")
    with Http2Connection(server.port, validates=False) as connection:
        websocket = WebSocketStream(connection)
        connection.head(websocket.stream)
        connection.h2.end_stream(websocket.stream)
        connection.flush()
        server.wait_for_output("left WebSocket with 1005")
        assert connection.answer(websocket.stream).is_whole


def test_idle_connection_is_ended_with_goaway(serve: Run) -> None:
    with Http2Connection(serve("main:app", "--timeout-keep-alive", "0.3").port) as connection:
        connection.get()
        connection.read_to_end()
        assert connection.goaway is not None and connection.goaway.error_code == 0


def test_drain_finishes_requests_and_says_which_was_the_last(serve: Run) -> None:
    server = serve("main:app")
    with Http2Connection(server.port) as connection:
        stream = connection.request("/echo", method="POST", ends=False)
        server.wait_for_output("entered /echo")
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("Shutting down")
        connection.send_raw(frame(DATA, b"late", flags=END_STREAM, stream=stream))
        frames = connection.read_frames()
    goodbyes = [payload for kind, _, payload in frames if kind == GOAWAY]
    assert goodbyes[0] == struct.pack("!II", 2**31 - 1, 0)
    assert goodbyes[-1] == struct.pack("!II", stream, 0)
    assert (DATA, stream, b"late") in frames
    assert server.wait() == -signal.SIGTERM


def test_head_that_does_not_end_is_given_up(serve: Run) -> None:
    port = serve("main:app", "--timeout-head", "0.3").port
    with socket.create_connection(("127.0.0.1", port), 30) as raw:
        raw.sendall(PREFACE + frame(SETTINGS) + frame(HEADERS, b"\x82", flags=1, stream=1))
        while raw.recv(65536):
            pass


def test_slow_body_is_answered_with_408(serve: Run) -> None:
    port = serve("main:app", "--timeout-body", "0.5").port
    with Http2Connection(port) as connection:
        stream = connection.request("/echo", method="POST", ends=False)
        assert connection.answer(stream).status == 408


def test_stalled_response_is_reset(serve: Run) -> None:
    port = serve("main:app", "--timeout-write", "0.3").port
    with Http2Connection(port) as connection:
        connection.acknowledges = False
        stream = connection.request("/flood")
        answer = connection.answer(stream)
        assert (answer.is_whole, answer.reset) == (False, CANCEL)
        assert connection.get().status == 200


def test_priority_field_and_update_are_taken(serve: Run) -> None:
    with Http2Connection(serve("main:app").port) as connection:
        connection.send_raw(frame(0x10, struct.pack("!I", 1) + b"u=0, i"))
        assert connection.get("/", ("priority", "u=1")).status == 200


def test_padding_and_continuations_change_nothing(serve: Run) -> None:
    with socket.create_connection(("127.0.0.1", serve("main:app").port), 10) as raw:
        client = h2.connection.H2Connection(h2.config.H2Configuration())
        client.initiate_connection()
        raw.sendall(client.data_to_send())
        block = client.encoder.encode(
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
        )
        raw.sendall(frame(HEADERS, block[:2], flags=1, stream=1))
        raw.sendall(frame(CONTINUATION, block[2:], flags=END_HEADERS, stream=1))
        seen = b""
        while not re.search(rb'"http_version": "2"', seen):
            seen += raw.recv(65536)
