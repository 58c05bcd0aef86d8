"""What floods of WebSocket frames cost: bounded memory, and no other client its answers.

The application is compiled (receive_text(), send_text()); the frames come over each protocol.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from over import Over
from served_process import ServedProcess
from wire_client import Connection

MIB = 1024 * 1024
APPLICATION = """
import asyncio
from fastapi import FastAPI, WebSocket

app = FastAPI()

@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)

@app.websocket("/deaf")
async def deaf(websocket: WebSocket) -> None:
    await websocket.accept()
    await asyncio.Event().wait()

@app.get("/")
async def alive() -> str:
    return "alive"
"""


def masked(first: int, payload: bytes = b"") -> bytes:
    """A short frame with any first byte; the mask of zeros leaves the payload readable."""
    return struct.pack("!BBI", first, 0x80 | len(payload), 0) + payload


TEXT, PING = masked(0x81, b"x" * 8), masked(0x89, b"ping")
EMPTY_START, EMPTY_NEXT = masked(0x01), masked(0x00)
BYTE_NEXT, BYTE_LAST = masked(0x00, b"y"), masked(0x80, b"z")


def resident(server: ServedProcess) -> int:
    """The server's memory in bytes, in pages that are in use; 0 where nothing tells."""
    statm = Path(f"/proc/{server.pid}/statm")
    if not statm.exists():
        return 0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.fixture
def server(over: Over, directory: Path) -> ServedProcess:
    (directory / "sockets.py").write_text(APPLICATION)
    # AddressSanitizer would keep far more than the server does of what it frees.
    options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=0"
    return over.serve("sockets:app", "--no-access-log", ASAN_OPTIONS=options)


def opened(over: Over, server: ServedProcess, path: str) -> Connection:
    connection = over.connect(server)
    assert connection.upgrade(path).status == 101
    return connection


def flood_texts(connection: Connection) -> None:
    for _ in range(20):
        connection.send(TEXT * 500)
        for _ in range(500):
            assert connection.frame() == (1, b"x" * 8)


def flood_pings(connection: Connection) -> None:
    for _ in range(20):
        connection.send(PING * 500)
        for _ in range(500):
            assert connection.frame() == (10, b"ping")


def flood_empty_fragments(connection: Connection) -> None:
    connection.send(EMPTY_START + EMPTY_NEXT * 200_000 + BYTE_LAST)
    assert connection.frame() == (1, b"z")


def flood_small_fragments(connection: Connection) -> None:
    for _ in range(500):
        connection.send(EMPTY_START + BYTE_NEXT * 100 + BYTE_LAST)
        assert connection.frame() == (1, b"y" * 100 + b"z")


def flood_pings_in_a_message(connection: Connection) -> None:
    connection.send(EMPTY_START + (PING + BYTE_NEXT) * 100 + BYTE_LAST)
    for _ in range(100):
        assert connection.frame() == (10, b"ping")
    assert connection.frame() == (1, b"y" * 100 + b"z")


FLOODS: tuple[Callable[[Connection], None], ...] = (
    flood_texts, flood_pings, flood_empty_fragments, flood_small_fragments,
    flood_pings_in_a_message,
)  # fmt: skip


def test_floods_that_are_answered_leave_no_memory_behind(over: Over, server: ServedProcess) -> None:
    for flood in FLOODS:
        with opened(over, server, "/echo") as connection:
            flood(connection)
            before = resident(server)
            flood(connection)
            assert resident(server) - before < MIB, flood
            assert over.get(server).body == b'"alive"'


def fill(connection: socket.socket, data: bytes) -> None:
    """Send until nothing is taken any more, or all of `data` is."""
    connection.setblocking(False)
    view = memoryview(data)
    while view and select.select([], [connection], [], 0.3)[1]:
        try:
            view = view[connection.send(view) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            continue


# Messages that are not received, pongs and echoes that are not read, and a fault.
UNTAKEN = (
    ("/deaf", TEXT), ("/deaf", PING), ("/echo", PING), ("/echo", TEXT), ("/echo", EMPTY_START),
)  # fmt: skip


def test_floods_that_nobody_takes_stop_at_the_buffers(over: Over, server: ServedProcess) -> None:
    for path, frame in UNTAKEN:
        with opened(over, server, path) as connection:
            connection.send(TEXT)
            before = resident(server)
            fill(connection.transport, frame * (16 * MIB // len(frame)))
            assert resident(server) - before < 2 * MIB, (path, frame)
            assert over.get(server).body == b'"alive"'
