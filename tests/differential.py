"""Asks an application, in process or over a socket, and notes all that shows of the answer.

Two observations of a request are equal exactly where nobody could tell the difference: status,
headers and their order, body, exceptions that came out, and what the application logged of itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import select
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import unquote_to_bytes

import fastapi.routing

from hyperfastapi.testing import ThreadServer

#: Long enough for a machine that does much else; what takes longer hangs.
TIMEOUT_SECONDS = 60.0
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
#: What the server adds on its own, or says of its own framing.
_SERVERS_OWN = frozenset((b"date", b"server", b"transfer-encoding", b"connection"))

#: No body comes with these, whatever the application sends (RFC 9110 6.4.1).
_BODILESS = (204, 304)


@dataclass
class Request:
    """A request; texts hold bytes as Latin-1 does.

    Attributes:
        target: path and query as they are sent.
        headers: names and values, `content-length` and `transfer-encoding` apart.
        body: the body, or None for a request without one.
        pieces: how many messages or chunks it comes in; 1 is sent with a length.
    """

    method: str
    target: str
    headers: list[list[str]] = field(default_factory=list)
    body: str | None = None
    pieces: int = 1


@dataclass
class Observation:
    """What one request showed.

    Attributes:
        status: of the response, or None where there was none.
        headers: of the response, in their order.
        body: of the response.
        errors: exceptions that came out of the application, and what asyncio complained of.
        log: what ran, in its order, as the application itself notes it.
    """

    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    errors: list[str] = field(default_factory=list)
    log: list[Any] = field(default_factory=list)


def without_addresses(text: str) -> str:
    """Return a text without the addresses of objects in it."""
    return _ADDRESS.sub("0x", text)


def described(error: BaseException) -> str:
    """Return class and text of an exception."""
    return without_addresses(f"{type(error).__name__}: {error}")


def forget_endpoints() -> None:
    """Empty FastAPI's memory of where endpoints were written.

    It knows them by address alone and so takes a new function for one that is long gone. Nothing
    else of FastAPI's is set right here.
    """
    getattr(fastapi.routing, "_endpoint_context_cache", {}).clear()


def differing(expected: Observation, actual: Observation) -> tuple[str, ...]:
    """Return the names of the attributes that differ."""
    return tuple(
        one.name
        for one in fields(Observation)
        if getattr(expected, one.name) != getattr(actual, one.name)
    )


def _pieces(request: Request) -> list[bytes]:
    body = (request.body or "").encode("latin-1")
    size = max(1, -(-len(body) // request.pieces))
    return [body[start : start + size] for start in range(0, len(body), size)] or [b""]


def _framing(request: Request) -> list[tuple[str, str]]:
    if request.body is None:
        return []
    if request.pieces > 1:
        return [("transfer-encoding", "chunked")]
    return [("content-length", str(len(request.body)))]


def _fields(request: Request) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.headers] + _framing(request)


def wire(request: Request) -> bytes:
    """Return the bytes of a request."""
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in _fields(request)]
    head = "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")
    if request.body is None or request.pieces == 1:
        return head + (request.body or "").encode("latin-1")
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in _pieces(request) if piece]
    return head + b"".join(chunks) + b"0\r\n\r\n"


class Complaints(logging.Handler):
    """Collects the exceptions that loggers are told of; a context manager.

    Args:
        names: of the loggers.
    """

    def __init__(self, *names: str) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []
        self._loggers = [logging.getLogger(name) for name in names]
        self._propagate = [logger.propagate for logger in self._loggers]

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.errors.append(described(error) if error is not None else record.getMessage())

    def take(self) -> list[str]:
        """Return what has come since the last time."""
        taken, self.errors = self.errors, []
        return taken

    def __enter__(self) -> Complaints:
        for logger in self._loggers:
            logger.addHandler(self)
            logger.propagate = False
        return self

    def __exit__(self, *exc: object) -> None:
        for logger, propagate in zip(self._loggers, self._propagate, strict=True):
            logger.removeHandler(self)
            logger.propagate = propagate


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let warnings pass: both sides give FastAPI's, and they are not what is compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# --- as an ASGI application -----------------------------------------------------------------------


def scope_of(request: Request) -> dict[str, Any]:
    """Return the scope that our server makes of a request, but for its addresses."""
    path, _, query = request.target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "scheme": "http",
        "method": request.method,
        "root_path": "",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in _fields(request)
        ],
        "state": {},
        "extensions": {},
    }


async def ask(app: Any, request: Request, seen: Observation) -> None:
    """Give an ASGI application a request, in a task of its own, and note the response.

    Args:
        app: the application.
        request: the request.
        seen: where to note it.

    Raises:
        TimeoutError: the application does not return.
    """
    pieces = _pieces(request)
    ended = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if pieces:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            seen.status = message["status"]
            seen.headers = [
                (name.decode("latin-1").lower(), value.decode("latin-1"))
                for name, value in message.get("headers", [])
            ]
        else:
            if request.method != "HEAD" and seen.status not in _BODILESS:
                seen.body += message.get("body", b"")
            if not message.get("more_body", False):
                ended.set()

    # A task of its own: what it sets in its context stays there.
    task = asyncio.ensure_future(app(scope_of(request), receive, send))
    await asyncio.wait([task], timeout=TIMEOUT_SECONDS)
    if not task.done():
        raise TimeoutError("the application does not return")
    error = task.exception()
    if error is not None:
        seen.errors.append(described(error))


# --- on our server --------------------------------------------------------------------------------


class Connection:
    """A connection that reads one response after the other.

    Args:
        port: the server's, on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._pending = b""

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._pending = b""

    def ask(self, request: Request, seen: Observation) -> None:
        """Send a request and note its response."""
        if self._socket is not None and select.select([self._socket], [], [], 0)[0]:
            self.close()  # the server has ended it
        if self._socket is None:
            address = ("127.0.0.1", self._port)
            self._socket = socket.create_connection(address, TIMEOUT_SECONDS)
        self._socket.sendall(wire(request))
        head = self._until(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 1"):
            head = self._until(b"\r\n\r\n")
        status_line, *lines = head[:-4].split(b"\r\n")
        if not status_line:
            seen.errors.append("closed without a response")
            self.close()
            return
        seen.status = int(status_line.split()[1])
        fields = [tuple(line.split(b": ", 1)) for line in lines]
        theirs = dict(reversed([(one[0], one[1]) for one in fields]))
        seen.body = self._body(request, seen.status, theirs)
        own = set(_SERVERS_OWN)
        for name, value in fields:
            if name in own:
                own.discard(name)
            else:
                seen.headers.append((name.decode("latin-1"), value.decode("latin-1")))
        if theirs.get(b"connection") == b"close":
            self.close()

    def _more(self) -> bool:
        assert self._socket is not None
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self._pending += data
        return bool(data)

    def _until(self, end: bytes) -> bytes:
        while end not in self._pending and self._more():
            pass
        taken, found, rest = self._pending.partition(end)
        self._pending = rest
        return taken + found

    def _take(self, size: int) -> bytes:
        while len(self._pending) < size and self._more():
            pass
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken

    def _body(self, request: Request, status: int, fields: dict[bytes, bytes]) -> bytes:
        if request.method == "HEAD" or status in _BODILESS:
            return b""
        if b"content-length" in fields:
            return self._take(int(fields[b"content-length"]))
        if fields.get(b"transfer-encoding") == b"chunked":
            body = b""
            while (size := int(self._until(b"\r\n") or b"0", 16)) > 0:
                body += self._take(size)
                self._take(2)
            self._take(2)
            return body
        while self._more():
            pass
        return self._take(len(self._pending))


def settle(server: ThreadServer) -> None:
    """Wait until the application has returned and the loop has done what follows from that.

    Raises:
        TimeoutError: the application does not return.
    """
    end = time.monotonic() + TIMEOUT_SECONDS
    while server.pending():
        if time.monotonic() > end:
            raise TimeoutError("the application does not return")
        time.sleep(0.0001)
    loop = server._server._loop
    assert loop is not None
    done = threading.Event()
    # Twice: a callback may be waiting behind the one that made the count fall.
    loop.call_soon_threadsafe(loop.call_soon, done.set)
    done.wait(TIMEOUT_SECONDS)
