"""Starlette's WebSocketTestSession over a real socket, on websockets' sans-I/O protocol."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn, Self

import httpx2 as httpx
from starlette import testclient
from starlette.websockets import WebSocketDisconnect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.uri import parse_uri

from . import usage
from .recorder import Message
from .running import RunningServer

CONNECT_SECONDS = 15.0
CLOSE_SECONDS = 2.0
# Set by the protocol itself, so that the test's values must not be sent beside them.
_OWN_REQUEST_HEADERS = {
    "connection",
    "upgrade",
    "content-length",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
}
# Part of every 101 response, and never of TestClient's `extra_headers`.
_HANDSHAKE_HEADERS = {
    "upgrade",
    "connection",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "date",
    "server",
}
_SERVER_HEADERS = {"date", "server", "connection", "keep-alive", "transfer-encoding"}


class WebSocketSession:
    """One WebSocket, with the interface of `starlette.testclient.WebSocketTestSession`."""

    def __init__(self, running: RunningServer, mark: int, request: httpx.Request):
        self._running = running
        self._mark = mark
        self._request = request
        self._response: Response | None = None
        self._messages: deque[Message] = deque()
        self._partial = bytearray()
        self._partial_is_text = False
        self._eof = False
        self.accepted_subprotocol: str | None = None
        self.extra_headers: list[tuple[bytes, bytes]] | None = None
        self.scope = {"type": "websocket", "path": request.url.path}

    def __enter__(self) -> Self:
        headers = self._request.headers
        subprotocols: list[Any] | None = None
        if "sec-websocket-protocol" in headers:
            subprotocols = [s.strip() for s in headers["sec-websocket-protocol"].split(",")]
        self._protocol = ClientProtocol(
            parse_uri("ws://testserver/"), subprotocols=subprotocols, max_size=None
        )
        self._socket = socket.create_connection(
            ("127.0.0.1", self._running.port), timeout=CONNECT_SECONDS
        )
        self._local_port: int = self._socket.getsockname()[1]
        try:
            self._protocol.send_request(self._handshake_request())
            self._flush()
            while self._response is None and not self._eof:
                self._pump()
            if self._response is not None:
                usage.counts[usage.WEBSOCKET] += 1
            response = self._response
            if self._protocol.handshake_exc is not None or response is None:
                self._raise_rejection(response)
        except BaseException:
            self._socket.close()
            raise
        self.accepted_subprotocol = self._protocol.subprotocol
        self.extra_headers = [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in response.headers.raw_items()
            if name.lower() not in _HANDSHAKE_HEADERS
        ]
        return self

    def __exit__(self, *args: object) -> None:
        try:
            self.close(1000)
            deadline = time.monotonic() + CLOSE_SECONDS
            if not self._eof:
                self._socket.settimeout(CLOSE_SECONDS)
            while (
                not self._eof
                and self._protocol.state is not State.CLOSED
                and time.monotonic() < deadline
            ):
                self._pump()
        finally:
            self._socket.close()
        self._raise_application_exception()

    def receive(self) -> Message:
        """The next message that the application sent, or its close."""
        while not self._messages:
            close = self._protocol.close_rcvd
            if close is not None:
                return {"type": "websocket.close", "code": close.code, "reason": close.reason}
            if self._eof:
                self._raise_application_exception()
                return {"type": "websocket.close", "code": 1006, "reason": ""}
            self._pump()
        return self._messages.popleft()

    def send(self, message: Message) -> None:
        """Put a `websocket.receive` or `websocket.disconnect` message on the wire."""
        kind = message["type"]
        if kind == "websocket.connect":
            return
        if kind == "websocket.disconnect" and message.get("code") == 1006:
            self._eof = True  # 1006 is never on the wire: it is how a lost connection reads
            self._socket.close()
            return
        with contextlib.suppress(ConnectionClosed):
            if self._protocol.state is not State.OPEN:
                pass
            elif kind == "websocket.disconnect":
                self._protocol.send_close(message.get("code", 1000), message.get("reason") or "")
            elif message.get("text") is not None:
                self._protocol.send_text(message["text"].encode())
            else:
                self._protocol.send_binary(message["bytes"])
        self._flush()

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        self.send({"type": "websocket.disconnect", "code": code, "reason": reason})

    # The methods above are all that these need of `self`.
    _session: Any = testclient.WebSocketTestSession
    _raise_on_close: Callable[..., None] = _session._raise_on_close
    send_text: Callable[..., None] = _session.send_text
    send_bytes: Callable[..., None] = _session.send_bytes
    send_json: Callable[..., None] = _session.send_json
    receive_text: Callable[..., str] = _session.receive_text
    receive_bytes: Callable[..., bytes] = _session.receive_bytes
    receive_json: Callable[..., Any] = _session.receive_json

    def _handshake_request(self) -> Request:
        """websockets' own request with the test's target, host and further headers."""
        request = self._protocol.connect()
        request.path = self._request.url.raw_path.decode("ascii")
        del request.headers["Host"]
        given = self._request.headers
        for name, value in given.multi_items():
            if name.lower() not in _OWN_REQUEST_HEADERS:
                request.headers[name] = value
        if "host" not in given:
            request.headers["Host"] = "testserver"
        return request

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            with contextlib.suppress(OSError):
                if data:
                    self._socket.sendall(data)
                else:
                    self._socket.shutdown(socket.SHUT_WR)

    def _pump(self) -> None:
        """Read once from the socket and queue the messages that are complete."""
        try:
            data = self._socket.recv(65536)
        except OSError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._eof = True
            self._protocol.receive_eof()
        self._flush()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._add_frame(event)
            elif isinstance(event, Response):
                self._response = event
        refusal = getattr(self._protocol.handshake_exc, "response", None)
        if self._response is None and refusal is not None:
            self._response = refusal

    def _add_frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._partial_is_text = frame.opcode is Opcode.TEXT
            self._partial = bytearray(frame.data)
        elif frame.opcode is Opcode.CONT:
            self._partial += frame.data
        else:
            return
        if frame.fin:
            message: Message = {"type": "websocket.send"}
            if self._partial_is_text:
                message["text"] = self._partial.decode()
            else:
                message["bytes"] = bytes(self._partial)
            self._messages.append(message)

    def _raise_application_exception(self) -> None:
        port = None if self._running.is_bare else self._local_port
        exception = self._running.settle(self._mark, "websocket", port)
        if exception is not None:
            raise exception

    def _raise_rejection(self, response: Response | None) -> NoReturn:
        """Raise what TestClient raises when the application did not accept."""
        self._raise_application_exception()
        for call in self._running.calls_since(self._mark, "websocket", self._local_port):
            if call.sent and call.sent[0]["type"] == "websocket.close":
                # The code is lost on the wire, where every such close must read as a 403.
                if response is None or response.status_code != 403:
                    raise AssertionError(f"close before accept was answered with {response!r}")
                close = call.sent[0]
                raise WebSocketDisconnect(close.get("code", 1000), close.get("reason") or "")
        if response is None:
            raise self._protocol.handshake_exc or ConnectionError("handshake was not answered")
        body = bytes(response.body or b"")
        if response.status_code == 403 and self._running.is_bare and not body:
            raise WebSocketDisconnect(code=1008)
        raise testclient.WebSocketDenialResponse(
            status_code=response.status_code,
            headers=[
                (name.encode(), value.encode("latin-1"))
                for name, value in response.headers.raw_items()
                if name.lower() not in _SERVER_HEADERS
            ],
            content=body,
        )
