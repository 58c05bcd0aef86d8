"""What the glue's tests share: a server and its client in one event loop, and a server in a thread.

Most tests run both ends in the loop under test, so that nothing depends on timing: the client waits
for what the server does, in the same loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from hyperfastapi._config import Config
from hyperfastapi._loop import new_event_loop
from hyperfastapi._server import Server

LOOPS = ("asyncio", "uvloop")

# No timed assertions; HYPERFASTAPI_EXAMPLES asks for more examples of each property.
settings.register_profile(
    "glue",
    max_examples=int(os.environ.get("HYPERFASTAPI_EXAMPLES", "200")),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("glue")


@dataclasses.dataclass
class Response:
    """An HTTP response as it came over the wire."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, or None."""
        return next((value for key, value in self.headers if key == name), None)


class Client:
    """A connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Put bytes on the wire."""
        self.writer.write(data)

    async def get(
        self, path: str = "/", method: str = "GET", body: bytes | None = None
    ) -> Response:
        """Send a request and wait for its response."""
        head = f"{method} {path} HTTP/1.1\r\nhost: test\r\n"
        if body is not None:
            head += f"content-length: {len(body)}\r\n"
        self.send(head.encode() + b"\r\n" + (body or b""))
        return await self.response(head_only=method == "HEAD")

    async def response(self, *, head_only: bool = False) -> Response:
        """Wait for the next response."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head[:-4].split(b"\r\n")
        headers = []
        for line in lines[1:]:
            name, _, value = line.partition(b": ")
            headers.append((name, value))
        response = Response(int(lines[0].split(b" ")[1]), headers, b"")
        if not head_only and response.status not in (204, 304):
            response.body = await self._body(response)
        return response

    async def _body(self, response: Response) -> bytes:
        if response.header(b"transfer-encoding") == b"chunked":
            chunks = []
            while chunk := await self.chunk():
                chunks.append(chunk)
            return b"".join(chunks)
        length = response.header(b"content-length")
        if length is not None:
            return await self.reader.readexactly(int(length))
        return await self.reader.read()

    async def chunk(self) -> bytes:
        """Wait for the next chunk of a chunked body; the last one is empty."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        data = await self.reader.readexactly(size + 2)
        return data[:-2]

    async def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        return await self.reader.read()

    async def close(self) -> None:
        """Leave in an orderly way."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def reset(self) -> None:
        """Leave with a reset."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


class Running:
    """A server in the running loop, and clients for it."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """A connection that is closed at the end."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            yield client
        finally:
            await client.close()

    async def get(self, path: str = "/", **options: Any) -> Response:
        """One request on a connection of its own."""
        async with self.connect() as client:
            return await client.get(path, **options)

    async def idle(self) -> None:
        """Wait until no application call is in progress."""
        while self.server.pending():
            await asyncio.sleep(0)


Scenario = Callable[[Running], Awaitable[Any]]


def listening_socket() -> tuple[int, int]:
    """A listening descriptor and its port."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    port: int = sock.getsockname()[1]
    return sock.detach(), port


def run(
    app: Any,
    scenario: Scenario,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    kind: str = "asyncio",
    **settings: Any,
) -> Any:
    """Serve `app` in a new loop, run `scenario` beside it, stop, and return what it returned."""
    settings.setdefault("lifespan", "off")
    settings.setdefault("timeout_graceful_shutdown", 5.0)
    fd, port = listening_socket()
    server = Server(Config(**settings), app, [fd])

    async def main() -> Any:
        started = asyncio.Event()
        serving = asyncio.ensure_future(server.serve(started.set))
        starting = asyncio.ensure_future(started.wait())
        await asyncio.wait([serving, starting], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            starting.cancel()
            raise AssertionError(f"the server ended with {serving.result()}")
        try:
            return await asyncio.wait_for(
                asyncio.ensure_future(scenario(Running(server, port))), 30
            )
        finally:
            server.request_stop()
            await serving

    loop = loop or new_event_loop(kind)
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()


@pytest.fixture(params=LOOPS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each event loop that the server runs in."""
    param: str = request.param
    return param


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the server has logged as errors so far, with the exceptions' last lines."""

    def collect() -> list[str]:
        lines = []
        for record in caplog.records:
            if record.name == "hyperfastapi.error" and record.levelno >= logging.ERROR:
                line = record.getMessage().strip()
                if record.exc_info and record.exc_info[1] is not None:
                    error = record.exc_info[1]
                    line += f" | {type(error).__name__}: {error}"
                lines.append(line)
        return lines

    return collect


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Garbage of a test is its own: what it leaves behind is found before the next one."""
    yield
    gc.collect()


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """The smallest application: hello."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"5")],
        }
    )
    await send({"type": "http.response.body", "body": b"hello"})


async def respond(send: Any, body: bytes = b"", status: int = 200) -> None:
    """Send a whole response."""
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class WebSocket:
    """The client's end of a WebSocket, frame by frame."""

    MASK = b"\x01\x02\x03\x04"

    def __init__(self, client: Client) -> None:
        self.client = client

    async def open(self, path: str = "/", extra: bytes = b"") -> Response:
        """Do the handshake; the server's answer may be a refusal."""
        self.client.send(
            f"GET {path} HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n".encode()
            + extra
            + b"\r\n"
        )
        head = await self.client.reader.readuntil(b"\r\n\r\n")
        status, *lines = head[:-4].split(b"\r\n")
        headers = [(line.partition(b": ")[0], line.partition(b": ")[2]) for line in lines]
        response = Response(int(status.split(b" ")[1]), headers, b"")
        if response.status != 101:
            length = int(response.header(b"content-length") or b"0")
            response.body = await self.client.reader.readexactly(length)
        return response

    def frame(self, opcode: int, data: bytes = b"", *, fin: bool = True) -> None:
        """Send one frame."""
        length = len(data)
        if length < 126:
            head = bytes([fin << 7 | opcode, 0x80 | length])
        elif length < 65536:
            head = bytes([fin << 7 | opcode, 0xFE]) + length.to_bytes(2, "big")
        else:
            head = bytes([fin << 7 | opcode, 0xFF]) + length.to_bytes(8, "big")
        mask = (self.MASK * (length // 4 + 1))[:length]
        masked = int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")
        self.client.send(head + self.MASK + masked.to_bytes(length, "big"))

    def text(self, text: str) -> None:
        """Send a text message."""
        self.frame(1, text.encode())

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame."""
        self.frame(8, code.to_bytes(2, "big") + reason.encode())

    async def receive(self) -> tuple[int, bytes]:
        """Wait for the next frame: its opcode and data."""
        first, second = await self.client.reader.readexactly(2)
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(
                await self.client.reader.readexactly(2 if length == 126 else 8), "big"
            )
        return first & 0x0F, await self.client.reader.readexactly(length)
