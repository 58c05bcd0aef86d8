"""What a visit leaves behind in the server's process: no object, no memory block, no descriptor."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Client, Running, WebSocket, respond, run

WARM_UP, VISITS = 30, 100
LARGE = b"x" * 300_000

Visit = Callable[[Client], Awaitable[None]]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await websocket(receive, send)
    elif scope["path"] == "/raise":
        raise LookupError("on purpose")
    elif scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": b"x" * 5000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    elif scope["path"] == "/large":
        await respond(send, bytes(LARGE))
    elif scope["path"] == "/file":
        size = str(os.path.getsize(__file__)).encode()
        headers = [(b"content-length", size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.pathsend", "path": str(Path(__file__))})
    elif scope["path"] == "/wait":
        while (await receive())["type"] != "http.disconnect":
            pass
    else:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await respond(send, body)


async def websocket(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def ask(client: Client) -> None:
    for path in ("/", "/", "/x?y=z"):
        assert (await client.get(path)).status == 200


async def upload(client: Client) -> None:
    assert (await client.get(method="POST", body=LARGE)).body == LARGE


async def pipeline(client: Client) -> None:
    client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 16)
    for _ in range(16):
        assert (await client.response()).status == 200


async def take_much(client: Client) -> None:
    assert (await client.get("/large")).body == LARGE
    assert len((await client.get("/stream")).body) == 500_000
    assert len((await client.get("/file")).body) == os.path.getsize(__file__)


async def cause_an_error(client: Client) -> None:
    assert (await client.get("/raise")).status == 500


async def send_nonsense(client: Client) -> None:
    client.send(b"nonsense\r\n\r\n")
    assert (await client.rest()).startswith(b"HTTP/1.1 400 ")


async def leave_in_a_head(client: Client) -> None:
    client.send(b"GET / HTTP/1.1\r\nho")


async def leave_in_a_body(client: Client) -> None:
    client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\npart")
    await asyncio.sleep(0)


async def leave_while_waited_for(client: Client) -> None:
    client.send(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n")
    await asyncio.sleep(0)


async def reset_in_an_answer(client: Client) -> None:
    client.send(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\nGET /file HTTP/1.1\r\nhost: a\r\n\r\n")
    await client.reader.read(100)
    client.reset()


async def talk(client: Client) -> None:
    socket = WebSocket(client)
    await socket.open()
    for text in ("", "short", "long" * 20_000):
        socket.text(text)
        assert (await socket.receive())[1].decode() == text
    socket.close()
    assert (await socket.receive())[0] == 8


async def leave_a_websocket(client: Client) -> None:
    socket = WebSocket(client)
    await socket.open()
    socket.text("is never read")
    client.send(b"\x81\xff")


def census() -> Counter[str]:
    """Count what is alive: our objects by type, asyncio's tasks, descriptors."""
    gc.collect()
    alive = Counter(
        type(thing).__qualname__
        for thing in gc.get_objects()
        if type(thing).__module__ in ("hyperfastapi._core", "_asyncio")
    )
    alive["descriptors"] = len(os.listdir("/dev/fd"))
    return alive


@pytest.mark.parametrize(
    "visit",
    [
        ask,
        upload,
        pipeline,
        take_much,
        cause_an_error,
        send_nonsense,
        leave_in_a_head,
        leave_in_a_body,
        leave_while_waited_for,
        reset_in_an_answer,
        talk,
        leave_a_websocket,
    ],
)
def test_a_visit_leaves_nothing_behind(visit: Visit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "hyperfastapi.error")  # records would be kept

    async def visits(running: Running, count: int) -> None:
        for _ in range(count):
            client = Client(*await asyncio.open_connection("127.0.0.1", running.port))
            await visit(client)
            await client.close()
        # The server may still have to learn that the last ones have left.
        core = running.server._core
        assert core is not None
        while core.connections or core.pending:
            await asyncio.sleep(0)

    async def scenario(running: Running) -> tuple[Counter[str], Counter[str], int]:
        await visits(running, WARM_UP)
        before, blocks = census(), sys.getallocatedblocks()
        await visits(running, VISITS)
        after, more = census(), sys.getallocatedblocks() - blocks
        return before, after, more

    before, after, blocks = run(app, scenario)
    assert after == before
    assert blocks < VISITS, "a memory block is left for each visit"
