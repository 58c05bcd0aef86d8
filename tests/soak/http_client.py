"""A small HTTP/1.1 client on a raw socket: it can cut what it sends anywhere, and leave anytime."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

ANSWER_SECONDS = 60.0
SOURCES = 40


class Unanswered(Exception):
    """A request got no answer, or not the right one; the text says which and how."""


@dataclass(frozen=True)
class Answer:
    """A complete answer.

    Attributes:
        status: status code.
        fields: header fields by lower-case name; of repeated ones the last.
        body: the body without its framing.
        version: as on the status line, such as ``HTTP/1.1``.
    """

    status: int
    fields: dict[str, str]
    body: bytes
    version: str


class Connection:
    """A connection to 127.0.0.1.

    Args:
        port: the server's port.
        rng: chooses the source address and where writes are cut.
    """

    def __init__(self, port: int, rng: random.Random) -> None:
        self.port = port
        self.rng = rng
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def reader(self) -> asyncio.StreamReader:
        """Where answers come from."""
        assert self._reader is not None, "the connection is not open"
        return self._reader

    @property
    def writer(self) -> asyncio.StreamWriter:
        """Where requests go to."""
        assert self._writer is not None, "the connection is not open"
        return self._writer

    async def open(self) -> Connection:
        """Connect; returns itself.

        Raises:
            Unanswered: the server did not accept the connection.
        """
        # Many source addresses, since a port that was closed first rests for a minute.
        source = f"127.0.0.{self.rng.randrange(2, 2 + SOURCES)}"
        try:
            self._reader, self._writer = await asyncio.wait_for(
                asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0)),
                ANSWER_SECONDS,
            )
        except (OSError, asyncio.TimeoutError) as error:
            raise Unanswered(f"no connection: {error!r}") from error
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self

    async def send(self, data: bytes, pieces: int = 1, pause: float = 0.0) -> None:
        """Send bytes, cut at random into at most ``pieces``, with a pause in seconds after each."""
        cuts = sorted(self.rng.randrange(len(data) + 1) for _ in range(pieces - 1))
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            if start < end:
                self.writer.write(data[start:end])
                await self.writer.drain()
                if pieces > 1:
                    await asyncio.sleep(pause)

    async def answer(self, method: str = "GET", slowly: float = 0.0) -> Answer:
        """Read the next answer.

        Args:
            method: of the request, since answers to HEAD have no body.
            slowly: seconds to pause between reads of a body.

        Raises:
            Unanswered: the connection ended first, or nothing of the answer came for a minute.
        """
        try:
            return await self._answer(method, slowly)
        except asyncio.TimeoutError:
            raise Unanswered(f"no answer in {ANSWER_SECONDS:.0f} s") from None
        except asyncio.IncompleteReadError as error:
            raise Unanswered(f"cut after {error.partial[-80:]!r}") from None
        except (OSError, ValueError, asyncio.LimitOverrunError) as error:
            raise Unanswered(f"{type(error).__name__}: {error}") from error

    async def _answer(self, method: str, slowly: float) -> Answer:
        status = 100
        while status < 200 and status != 101:
            head = await self._soon(self.reader.readuntil(b"\r\n\r\n"))
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            version, code, _ = first.split(" ", 2)
            status = int(code)
            fields = {}
            for line in lines:
                name, colon, value = line.partition(":")
                if not colon:
                    raise ValueError(f"header line without a colon: {line!r}")
                fields[name.lower()] = value.strip()
        if method == "HEAD" or status in (101, 204, 304):
            body = b""
        elif fields.get("transfer-encoding") == "chunked":
            body = await self._chunked(slowly)
        elif "content-length" in fields:
            body = await self._exactly(int(fields["content-length"]), slowly)
        else:
            body = await self._soon(self.reader.read())
        return Answer(status, fields, body, version)

    @staticmethod
    async def _soon(bytes_to_come: Coroutine[Any, Any, bytes]) -> bytes:
        return await asyncio.wait_for(bytes_to_come, ANSWER_SECONDS)

    async def _exactly(self, length: int, slowly: float) -> bytes:
        received = bytearray()
        while len(received) < length:
            await asyncio.sleep(slowly)
            wanted = min(length - len(received), 65536)
            received += await self._soon(self.reader.readexactly(wanted))
        return bytes(received)

    async def _chunked(self, slowly: float) -> bytes:
        received = bytearray()
        while True:
            line = await self._soon(self.reader.readuntil(b"\r\n"))
            size = int(line[:-2].partition(b";")[0], 16)
            if size == 0:
                while await self._soon(self.reader.readuntil(b"\r\n")) != b"\r\n":
                    pass
                return bytes(received)
            received += await self._exactly(size, slowly)
            if await self._soon(self.reader.readexactly(2)) != b"\r\n":
                raise ValueError("chunk is longer than its size")

    async def ended(self) -> bool:
        """Wait until the server closes; returns whether it did so without sending anything more."""
        try:
            return await asyncio.wait_for(self.reader.read(1), ANSWER_SECONDS) == b""
        except ConnectionError:
            return True
        except asyncio.TimeoutError:
            return False

    def leave(self, reset: bool = False) -> None:
        """Close the connection: in order, or with a reset."""
        if self._writer is None:
            return
        if reset:
            raw = self._writer.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        else:
            self._writer.close()
        self._writer = None
        self._reader = None


def request(
    method: str,
    target: str,
    port: int,
    fields: dict[str, str] | None = None,
    body: bytes | None = None,
) -> bytes:
    """Return the bytes of a request; a body gets its Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", f"host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in (fields or {}).items()]
    if body is not None:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def chunked(body: bytes, rng: random.Random, trailer: bool = False) -> bytes:
    """Return a body as chunks of random sizes, perhaps with a trailer field."""
    out = bytearray()
    at = 0
    while at < len(body):
        size = min(rng.choice((1, 10, 1000, 20_000)), len(body) - at)
        out += b"%x\r\n" % size + body[at : at + size] + b"\r\n"
        at += size
    return bytes(out + (b"0\r\nx-sum: 1\r\n\r\n" if trailer else b"0\r\n\r\n"))
