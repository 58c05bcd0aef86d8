"""The application that is soaked: a FastAPI application with something of everything.

``/census`` tells what is alive in the process. All that a request opens is counted when it is
opened and when it is closed, so that a teardown that did not run is seen at the end.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

from fastapi import (
    BackgroundTasks,
    Depends,
    FastAPI,
    HTTPException,
    Request,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel

FILE_SIZE = 1_500_000
PIECE = 16_384

opened: Counter[str] = Counter()
closed: Counter[str] = Counter()


@contextmanager
def counted(kind: str) -> Iterator[None]:
    """Count one opened and, in the end, one closed thing of a kind."""
    opened[kind] += 1
    try:
        yield
    finally:
        closed[kind] += 1


def pattern(size: int) -> bytes:
    """Return bytes that both sides can make: ``size`` of them."""
    block = bytes(range(251)) * (size // 251 + 1)
    return block[:size]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep a file to serve for as long as the application runs."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(pattern(FILE_SIZE))
        file.flush()
        app.state.file = file.name
        yield


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    """A body to validate."""

    name: str
    price: float
    tags: list[str] = []


async def resource() -> AsyncIterator[str]:
    """A dependency with a teardown."""
    with counted("resources"):
        yield "resource"


def sync_resource(outer: Annotated[str, Depends(resource)]) -> Iterator[str]:
    """A dependency with a teardown, in a worker thread."""
    with counted("sync resources"):
        yield f"sync {outer}"


@app.get("/constant")
async def read_constant() -> dict[str, str]:
    """Answer at once."""
    return {"hello": "world"}


@app.get("/def")
def read_def() -> dict[str, str]:
    """Answer from a worker thread."""
    return {"hello": "thread"}


@app.get("/items/{number}")
async def read_item(
    number: int, held: Annotated[str, Depends(sync_resource)], q: str = ""
) -> dict[str, int | str]:
    """Answer what was asked, with two dependencies to tear down."""
    return {"number": number, "q": q, "held": held}


@app.post("/items")
async def create_item(item: Item, background: BackgroundTasks) -> Item:
    """Validate a body, and do something after the answer."""
    opened["background tasks"] += 1
    background.add_task(finish_background)
    return item


def finish_background() -> None:
    """Note that a background task has run."""
    closed["background tasks"] += 1


@app.post("/digest")
async def digest(request: Request) -> dict[str, int]:
    """Read a body in pieces, and answer its length and checksum."""
    length, checksum = 0, 0
    with counted("bodies"):
        async for piece in request.stream():
            length += len(piece)
            checksum = zlib.crc32(piece, checksum)
    return {"length": length, "checksum": checksum}


@app.post("/mirror")
async def mirror(request: Request) -> Response:
    """Answer with the body that came."""
    return Response(await request.body(), media_type="application/octet-stream")


@app.post("/files")
async def upload(file: UploadFile) -> dict[str, int]:
    """Take a file of a form; large ones are on disk meanwhile."""
    content = await file.read()
    return {"length": len(content), "checksum": zlib.crc32(content)}


@app.get("/download")
async def download(size: int) -> StreamingResponse:
    """Send ``size`` bytes in pieces as fast as they are taken."""

    async def pieces() -> AsyncIterator[bytes]:
        with counted("downloads"):
            content = pattern(PIECE * 251)
            for start in range(0, size, PIECE):
                at = start % len(content)
                yield content[at : at + min(PIECE, size - start)]

    return StreamingResponse(pieces(), media_type="application/octet-stream")


@app.get("/file")
async def read_file(request: Request) -> FileResponse:
    """Send a file, or a range of it."""
    return FileResponse(request.app.state.file, media_type="application/octet-stream")


@app.get("/stream")
async def stream(count: int, pause: float) -> StreamingResponse:
    """Send ``count`` lines, ``pause`` seconds apart."""

    async def lines() -> AsyncIterator[str]:
        with counted("streams"):
            for number in range(count):
                yield f"line {number}\n"
                await asyncio.sleep(pause)

    return StreamingResponse(lines(), media_type="text/plain")


@app.get("/thread-stream")
def thread_stream(count: int) -> StreamingResponse:
    """Send ``count`` lines made in a worker thread."""
    return StreamingResponse((f"line {n}\n" for n in range(count)), media_type="text/plain")


@app.get("/endless")
async def endless() -> StreamingResponse:
    """Send until the client leaves."""

    async def lines() -> AsyncIterator[bytes]:
        with counted("endless streams"):
            while True:
                yield pattern(1000)
                await asyncio.sleep(0.01)

    return StreamingResponse(lines(), media_type="application/octet-stream")


@app.get("/slow")
async def slow(pause: float) -> dict[str, float]:
    """Answer after a pause on the event loop."""
    with counted("slow handlers"):
        await asyncio.sleep(pause)
    return {"pause": pause}


@app.get("/slow-def")
def slow_def(pause: float) -> dict[str, float]:
    """Answer after a pause in a worker thread."""
    with counted("slow threads"):
        time.sleep(pause)
    return {"pause": pause}


@app.get("/teapot")
async def teapot(held: Annotated[str, Depends(sync_resource)]) -> None:
    """Raise an error with a status, through dependencies."""
    raise HTTPException(418, {"held": held})


@app.get("/error")
async def error(held: Annotated[str, Depends(resource)]) -> None:
    """Raise an error that nothing handles."""
    raise RuntimeError(f"raised on purpose, with {held}")


@app.get("/error-midway")
async def error_midway() -> StreamingResponse:
    """Raise an error when the answer is half sent."""

    async def pieces() -> AsyncIterator[bytes]:
        with counted("broken streams"):
            yield b"the first half"
            await asyncio.sleep(0.001)
            raise RuntimeError("raised on purpose, in the middle")

    return StreamingResponse(pieces(), media_type="text/plain")


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    """Send back each message as it came."""
    with counted("echoing WebSockets"):
        await websocket.accept()
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])


@app.websocket("/ticks")
async def ticks(websocket: WebSocket) -> None:
    """Send numbers until the client leaves."""
    with counted("ticking WebSockets"):
        await websocket.accept()
        number = 0
        try:
            while True:
                await websocket.send_json({"tick": number})
                number += 1
                await asyncio.sleep(0.005)
        except WebSocketDisconnect:
            return


@app.websocket("/closed")
async def closed_at_once(websocket: WebSocket) -> None:
    """Refuse the connection."""
    await websocket.close(1008)


@app.get("/census")
async def census() -> dict[str, int | dict[str, int]]:
    """Tell what is alive in this process, after a full garbage collection.

    Memory that the C library holds but nothing uses is given back, where the library can, so that
    resident memory shows what is in use.
    """
    for _ in range(3):
        gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return {
        "pid": os.getpid(),
        "objects": len(gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "open": {kind: opened[kind] - closed[kind] for kind in sorted(opened)},
    }
