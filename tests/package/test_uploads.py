"""hyperfastapi.uploads: forms that are taken part by part as they arrive."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import fastapi
import hypothesis
import pytest
import uvicorn
from fastapi import Request
from hypothesis import strategies as st
from python_multipart.multipart import parse_options_header

from hyperfastapi import _core
from hyperfastapi.testing import ThreadServer
from hyperfastapi.uploads import UploadError, stream_parts

HEAD = (
    b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: %d\r\n"
    b"content-type: multipart/form-data; boundary=B\r\n\r\n"
)
FORM = (
    b'--B\r\nContent-Disposition: form-data; name="note"\r\n\r\ncaf\xc3\xa9\r\n'
    b'--B\r\nContent-Disposition: form-data; name="f"; filename="C:\\x\\a.bin"\r\n'
    b"Content-Type: a/b\r\n\r\n%s\r\n--B--\r\n"
)


class Arrivals:
    """An application whose endpoint notes what it has of a form while it arrives."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.arrived = threading.Event()
        self.app = fastapi.FastAPI()
        self.app.post("/")(self.endpoint)

    async def endpoint(self, request: Request) -> int:
        size = 0
        async for part in stream_parts(request):
            self.seen.append((part.name, part.filename, part.content_type))
            if part.filename is None:
                self.seen.append(await part.text())
                continue
            async for chunk in part:
                size += len(chunk)
                self.arrived.set()
        return size


@contextmanager
def under_uvicorn(app: Any) -> Iterator[int]:
    """Serve with uvicorn; the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def under_ours(app: Any) -> Iterator[int]:
    """Serve with our server; the port."""
    with ThreadServer(app) as server:
        yield server.port


@pytest.mark.parametrize("serving", [under_ours, under_uvicorn])
def test_parts_are_there_before_the_form_is_complete(serving: Callable[[Any], Any]) -> None:
    arrivals = Arrivals()
    body = FORM % (b"x" * 200_000)
    with (
        serving(arrivals.app) as port,
        closing(socket.create_connection(("127.0.0.1", port), 10)) as client,
    ):
        client.sendall(HEAD % len(body) + body[:-1000])
        assert arrivals.arrived.wait(10)
        client.sendall(body[-1000:])
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    assert answer.endswith(b"200000")
    assert arrivals.seen == [("note", None, None), "caf\xe9", ("f", "a.bin", "a/b")]


def take(body: bytes, content_type: str, use: Callable[[Any], Any], size: int = 7) -> Any:
    """Give a request's parts, which arrive in pieces of a size, to a function."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]

    async def receive() -> dict[str, Any]:
        if not pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    headers = [(b"content-type", content_type.encode())]
    request = Request({"type": "http", "headers": headers}, receive)
    return asyncio.run(use(request))


TYPE = "multipart/form-data; boundary=B"


async def all_of(request: Request) -> list[tuple[str, bytes]]:
    return [(part.name, await part.read()) async for part in stream_parts(request)]


def test_parts_that_nobody_reads_are_passed_over() -> None:
    async def names(request: Request) -> list[str]:
        return [part.name async for part in stream_parts(request)]

    assert take(FORM % b"x" * 50, TYPE, names) == ["note", "f"]


def test_a_part_is_gone_once_the_next_one_is_asked_for() -> None:
    async def late(request: Request) -> None:
        parts = [part async for part in stream_parts(request)]
        await parts[0].read()

    with pytest.raises(RuntimeError, match="passed over"):
        take(FORM % b"x", TYPE, late)


def test_what_is_read_is_limited() -> None:
    async def read_little(request: Request) -> None:
        async for part in stream_parts(request):
            await part.read(max_size=10)

    with pytest.raises(UploadError) as caught:
        take(FORM % (b"x" * 11), TYPE, read_little)
    assert caught.value.status_code == 413

    async def few(request: Request) -> None:
        async for _ in stream_parts(request, max_parts=1):
            pass

    with pytest.raises(UploadError, match=r"Maximum number of parts is 1\."):
        take(FORM % b"", TYPE, few)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "detail"),
    [
        (FORM % b"x", "text/plain", 415, "A multipart form is expected."),
        (FORM % b"x", "multipart/form-data", 400, "Missing boundary in multipart."),
        (FORM % b"x", f"{TYPE[:-1]}{'b' * 300}", 400, "Invalid multipart data."),
        (FORM % b"x", f"{TYPE}C", 400, "Invalid multipart data."),
        (b"--B\r\n\r\nx\r\n--B--", TYPE, 400, 'The Content-Disposition header field "name" must'),
        ((FORM % b"x")[:-5], TYPE, 400, "The form ends early."),
        (b"", TYPE, 400, "The form ends early."),
    ],
)
def test_forms_that_cannot_be_taken(
    body: bytes, content_type: str, status: int, detail: str
) -> None:
    with pytest.raises(UploadError) as caught:
        take(body, content_type, all_of)
    assert caught.value.status_code == status
    assert caught.value.detail.startswith(detail)


def test_a_form_without_parts_has_none() -> None:
    assert take(b"--B--\r\n", TYPE, all_of) == []


@hypothesis.given(st.text('abN;=" \\/:*\t\xe9name', max_size=40))
def test_options_are_those_of_python_multipart(text: str) -> None:
    kind, options = parse_options_header(text)
    expected = {name.decode("latin-1"): value.decode("latin-1") for name, value in options.items()}
    found, ours = _core.header_options(text.encode("latin-1"))
    ours.pop("", None)
    expected.pop("", None)  # of empty segments, which name nothing
    assert ours == expected
    if "=" not in found:
        assert found == kind.decode("latin-1")
