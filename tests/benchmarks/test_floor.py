"""hfa-floor: the answers that a bare loop gives, to HTTP and to WebSockets."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Load = Callable[..., Any]

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
KEY = b"\x5a\x13\x7e\x21"


@contextlib.contextmanager
def running(build: Path, *lengths: str) -> Iterator[int]:
    """Run a floor, with the lengths of bodies that it is told; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    process = subprocess.Popen([build / "benchmarks" / "hfa-floor", str(port), *lengths])
    try:
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def floor(build: Path) -> Iterator[int]:
    """The port of a running floor."""
    with running(build) as port:
        yield port


def frame(head: bytes, payload: bytes) -> bytes:
    """A client's frame: its head without the mask's bit, and the masked payload."""
    masked = bytes(byte ^ KEY[i % 4] for i, byte in enumerate(payload))
    return bytes([head[0], head[1] | 0x80]) + head[2:] + KEY + masked


FRAMES = (
    (b"\x81\x00", b""),
    (b"\x82\x05", b"hello"),
    (b"\x01\x7e\x00\x7e", b"x" * 126),
    (b"\x80\x03", b"end"),
    (b"\x82\x7f\x00\x00\x00\x00\x00\x00\x10\x00", bytes(range(256)) * 16),
)


@pytest.mark.parametrize("piece", [1, 7, 70_000])
def test_frames_come_back_without_their_mask_however_they_are_cut(floor: int, piece: int) -> None:
    sent = b"".join(frame(head, payload) for head, payload in FRAMES)
    expected = b"".join(head + payload for head, payload in FRAMES)
    with socket.create_connection(("127.0.0.1", floor), 10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(HANDSHAKE)
        answer = client.makefile("rb")
        assert answer.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"
        while (line := answer.readline()) != b"\r\n":
            if line.startswith(b"sec-websocket-accept: "):
                assert line.endswith(b": s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")
        for start in range(0, len(sent), piece):
            client.sendall(sent[start : start + piece])
        assert answer.read(len(expected)) == expected


@pytest.mark.parametrize("size", [0, 64, 16384, 70_000])
def test_load_accepts_its_messages(floor: int, load: Load, size: int) -> None:
    outcome = load(floor, "--websocket", str(size), "--connections", "4", requests=100)
    assert outcome.errors() == {}
    assert outcome.report["requests"] == 100


def test_load_accepts_its_responses(floor: int, load: Load) -> None:
    outcome = load(floor, "--pipeline", "3", "--expect-body", '{"hello":"world"}', requests=99)
    assert outcome.errors() == {}


@pytest.mark.parametrize("answer", [1, 10_000, 65_536, 1_000_000])
@pytest.mark.parametrize("posted", [0, 1, 100_000])
def test_answers_and_bodies_of_requests_have_the_lengths_that_it_is_told(
    build: Path, load: Load, tmp_path: Path, answer: int, posted: int
) -> None:
    options: list[str] = []
    if posted:
        body = tmp_path / "body"
        body.write_bytes((b"\r\n\r\n" * posted)[:posted])
        options = ["--method", "POST", "--body-file", str(body)]
    with running(build, str(answer), str(posted)) as port:
        outcome = load(
            port, "--pipeline", "3", "--expect-length", str(answer), *options, requests=30
        )
    assert outcome.errors() == {}
