"""What a test asks: requests of raw bytes, and changes to the application between them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

HOST = "example.org"


@dataclasses.dataclass(frozen=True)
class Request:
    """One request, exactly as it crosses the wire.

    Attributes:
        method: any token.
        target: the request target; nothing in it is escaped for the test.
        fields: name and value of each header field, `host` included, names as written.
        body: the pieces in which the body is written; none for a request without a body.
        chunked: frame the body with `transfer-encoding: chunked`, one chunk a piece.
    """

    method: str
    target: str
    fields: tuple[tuple[bytes, bytes], ...]
    body: tuple[bytes, ...] = ()
    chunked: bool = False

    def __str__(self) -> str:
        return repr(b"".join(self.wire()))

    def _framing(self) -> tuple[tuple[bytes, bytes], ...]:
        if self.chunked:
            return ((b"transfer-encoding", b"chunked"),)
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            return ((b"content-length", b"%d" % sum(map(len, self.body))),)
        return ()

    def wire(self) -> list[bytes]:
        """The writes that make up the request."""
        head = f"{self.method} {self.target} HTTP/1.1\r\n".encode("latin-1")
        for name, value in (*self.fields, *self._framing()):
            head += name + b": " + value + b"\r\n"
        if not self.chunked:
            return [head + b"\r\n", *self.body]
        chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in self.body]
        return [head + b"\r\n", *chunks, b"0\r\n\r\n"]

    def scope(self, root_path: str, state: dict[str, Any]) -> dict[str, Any]:
        """What a server tells an application about the request (ASGI HTTP 2.3)."""
        raw_path, _, query = self.target.partition("#")[0].partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "root_path": root_path,
            "headers": [(n.lower(), v.strip(b" \t")) for n, v in (*self.fields, *self._framing())],
            "state": state.copy(),
            "method": self.method,
            "path": root_path + unquote(raw_path),
            "raw_path": (root_path + raw_path).encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "extensions": {},
        }


@dataclasses.dataclass(frozen=True)
class Together:
    """Requests in flight at the same time, each on a connection of its own."""

    requests: tuple[Request, ...]


@dataclasses.dataclass(frozen=True)
class Socket:
    """A WebSocket connection: what the client sends once accepted, then its close.

    Attributes:
        target: the request target.
        fields: header fields beside those of the handshake.
        messages: text as `str`, binary as `bytes`.
        closes: the client ends the connection after its messages; else the application does.
    """

    target: str
    fields: tuple[tuple[bytes, bytes], ...]
    messages: tuple[str | bytes, ...] = ()
    closes: bool = True

    def __str__(self) -> str:
        return f"WebSocket {self.target} {self.messages}"

    def handshake(self) -> Request:
        """The request that opens the connection."""
        fields = fields_of(
            "connection: Upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 13",
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        return Request("GET", self.target, (*self.fields, *fields))

    def scope(self, root_path: str, state: dict[str, Any]) -> dict[str, Any]:
        """What a server tells an application about the connection (ASGI WebSocket 2.4)."""
        scope = self.handshake().scope(root_path, state)
        del scope["method"]
        asked = [v for n, v in scope["headers"] if n == b"sec-websocket-protocol"]
        return {
            **scope,
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "scheme": "ws",
            "subprotocols": [p.strip() for v in asked for p in v.decode("latin-1").split(",")],
            "extensions": {"websocket.http.response": {}},
        }


Change = Callable[[Any], object]
Step = Request | Together | Socket | Change


def fields_of(*lines: str | bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Header fields from `Name: value` lines."""
    pairs = []
    for line in lines:
        name, _, value = (line.encode("latin-1") if isinstance(line, str) else line).partition(b":")
        pairs.append((name, value.removeprefix(b" ")))
    return tuple(pairs)


def _with_host(lines: tuple[str | bytes, ...]) -> tuple[tuple[bytes, bytes], ...]:
    fields = fields_of(*lines)
    if any(name.lower() == b"host" for name, _ in fields):
        return fields
    return ((b"host", HOST.encode()), *fields)


def get(target: str = "/", *lines: str | bytes, method: str = "GET") -> Request:
    """A request without a body.

    Args:
        target: the request target, as it is written on the request line.
        lines: header fields, `Name: value`; `host: example.org` unless one is given.
        method: any token.
    """
    return Request(method, target, _with_host(lines))


def post(
    target: str, body: bytes | list[bytes], *lines: str | bytes, method: str = "POST", chunked=False
) -> Request:
    """A request with a body of any kind, in one piece or several."""
    pieces = body if isinstance(body, list) else [body]
    return Request(method, target, _with_host(lines), tuple(p for p in pieces if p), chunked)


def post_json(target: str, value: Any, *lines: str | bytes, method: str = "POST") -> Request:
    """A request with a JSON body: bytes are sent as they are, all else is encoded."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return post(target, body, "content-type: application/json", *lines, method=method)


def post_form(target: str, body: bytes, *lines: str | bytes) -> Request:
    """A request with an URL-encoded form."""
    return post(target, body, "content-type: application/x-www-form-urlencoded", *lines)


def socket(
    target: str, *messages: str | bytes, lines: tuple[str, ...] = (), closes: bool = True
) -> Socket:
    """A WebSocket connection."""
    return Socket(target, _with_host(lines), messages, closes)


def together(*requests: Request) -> Together:
    """Requests in flight at the same time; which ends first is the application's business."""
    return Together(requests)
