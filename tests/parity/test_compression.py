"""GZipMiddleware around streams, files and events: what is packed, and when it leaves."""

import asyncio
import gzip
import zlib

import fastapi
import pytest
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import FileResponse, Response, StreamingResponse
from fastapi.sse import EventSourceResponse

from .applications import get

GZIP = "accept-encoding: gzip"
LARGE = 128 * 1024


def compressing(directory):
    """An application whose responses go through GZipMiddleware."""
    path = directory / "text.txt"
    path.write_bytes(b"text " * 400)

    def make(seen):
        app = fastapi.FastAPI()
        app.add_middleware(GZipMiddleware, minimum_size=500)

        @app.get("/sized")
        async def sized(size: int, kind: str = "text/plain"):
            return Response(b"x" * size, media_type=kind)

        @app.get("/vary")
        def vary(value: str):
            return Response(b"x" * 1000, headers={"vary": value, "x-a": "b"})

        @app.get("/encoded")
        async def encoded():
            return Response(b"x" * 1000, headers={"content-encoding": "br"})

        @app.get("/stream")
        async def stream(size: int):
            async def pieces():
                for number in range(3):
                    yield b"%d" % number * size

            return StreamingResponse(pieces(), media_type="text/plain")

        @app.get("/events", response_class=EventSourceResponse)
        async def events():
            for number in range(3):
                yield {"number": number, "text": "x" * 600}

        @app.get("/file")
        def file():
            return FileResponse(path)

        @app.get("/empty", status_code=204)
        def empty():
            return None

        return app

    return make


def asking(*requests):
    def script(wire):
        received = b""
        for request in requests:
            wire.send(request)
            received += wire.response(to_head=request.startswith(b"HEAD "))
        return received

    return script


def test_from_how_many_bytes_on_a_body_is_packed(parity, tmp_path):
    """H110."""
    sizes = (0, 1, 499, 500, 501, LARGE - 1, LARGE, LARGE + 1, 5 * LARGE)
    requests = [get(f"/sized?size={size}", *more) for size in sizes for more in ([], [GZIP])]
    parity(compressing(tmp_path), asking(*requests))
    outcome = parity(compressing(tmp_path), asking(get(f"/sized?size={LARGE}", GZIP)))
    assert gzip.decompress(outcome.wire.partition(b"\r\n\r\n")[2]) == b"x" * LARGE


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "image/png", "image/svg%2Bxml", "video/mp4", "font/woff2", "application/zip",
     "text/event-stream", "application/json", "application/octet-stream"],
)  # fmt: skip
def test_what_is_packed_already_is_left_alone(parity, tmp_path, kind):
    """H110: by its type, or by a Content-Encoding of its own; events are not held up."""
    target = f"/sized?size=1000&kind={kind}"
    requests = [get(target, GZIP), get(target), get("/encoded", GZIP), get("/encoded")]
    parity(compressing(tmp_path), asking(*requests))


def test_events_are_left_alone(parity, tmp_path):
    outcome = parity(compressing(tmp_path), asking(get("/events", GZIP), get("/events")))
    assert b"content-encoding" not in outcome.wire


def test_parts_of_files_are_left_alone(parity, tmp_path):
    """A whole file is packed, a 206 is not: its bytes are those of the file."""
    requests = [
        get("/file", GZIP), get("/file", GZIP, "range: bytes=0-999"), get("/file"),
        get("/file", GZIP, method="HEAD"),
    ]  # fmt: skip
    outcome = parity(compressing(tmp_path), asking(*requests))
    assert outcome.wire.count(b"content-encoding: gzip") == 1


@pytest.mark.parametrize("size", [1, 600, LARGE])
def test_each_piece_of_a_stream_leaves_at_once(parity, tmp_path, size):
    """H110: a piece can be unpacked when it is there, without those after it."""
    request = get(f"/stream?size={size}", GZIP)
    outcome = parity(compressing(tmp_path), asking(request, get(f"/stream?size={size}")))
    first = outcome.wire.partition(b"\r\n\r\n")[2]
    length, _, rest = first.partition(b"\r\n")
    unpacked = zlib.decompressobj(wbits=31).decompress(rest[: int(length, 16)])
    assert unpacked == b"0" * size


def test_vary_names_what_was_looked_at(parity, tmp_path):
    values = ["Origin", "Accept-Encoding", "accept-encoding, Origin", "*", ""]
    requests = [get(f"/vary?value={value.replace(' ', '%20')}", *more)
                for value in values for more in ([GZIP], [])]  # fmt: skip
    parity(compressing(tmp_path), asking(*requests, get("/empty", GZIP)))


def test_many_large_bodies_at_the_same_time(parity, tmp_path):
    """They are packed in threads of their own; the order on a connection stays."""

    def make(seen):
        app = fastapi.FastAPI()
        app.add_middleware(GZipMiddleware)

        @app.get("/{name}")
        async def large(name: str):
            await asyncio.sleep(0)
            return Response(name.encode() * LARGE)

        return app

    def script(wire):
        names = "abcdef"
        wire.send(b"".join(get(f"/{name}", GZIP) for name in names))
        return b"".join(wire.response() for _ in names)

    parity(make, script, only_http1="pipelined")
