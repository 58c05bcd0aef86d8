"""A client that says exactly what a test writes and reads exactly what the server sends."""

from __future__ import annotations

import base64
import dataclasses
import json
import socket
import ssl
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Any

from served_process import BOUND


@dataclasses.dataclass
class Answer:
    """One response.

    Attributes:
        line: the status line without its end.
        headers: names, in lower case, and values, in the order of the wire.
        body: the body without its framing.
        is_whole: whether the body ended as its framing says.
    """

    line: str
    headers: list[tuple[str, str]]
    body: bytes
    is_whole: bool

    @property
    def status(self) -> int:
        return int(self.line.split(" ")[1])

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return dict(reversed(self.headers)).get(name)

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """A connection to the server.

    Args:
        address: a TCP port of 127.0.0.1, or the path of a Unix socket.
        tls: speak TLS; None: plain.
        name: the server's name that TLS asks for.
        session: a TLS session to resume.
        connect: makes the connection in the place of all this; it takes and gives HTTP/1.1.
        closes: whether the server ends the connection behind what HTTP/1.1 can't go on after.
            HTTP/2 ends no more than a stream.
    """

    def __init__(
        self,
        address: int | str,
        *,
        tls: ssl.SSLContext | None = None,
        name: str = "localhost",
        session: ssl.SSLSession | None = None,
        connect: Callable[[int], socket.socket] | None = None,
        closes: bool = True,
    ) -> None:
        self._closes = closes
        if connect is not None:
            assert isinstance(address, int)
            self._socket = connect(address)
        elif isinstance(address, str):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(BOUND)
            self._socket.connect(address)
        else:
            self._socket = socket.create_connection(("127.0.0.1", address), BOUND)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=name, session=session)
        self._file = self._socket.makefile("rb")

    @property
    def tls(self) -> ssl.SSLSocket:
        """What Python knows of the connection's TLS."""
        assert isinstance(self._socket, ssl.SSLSocket)
        return self._socket

    @property
    def transport(self) -> socket.socket:
        """What takes the bytes that are sent."""
        return self._socket

    @property
    def name(self) -> str:
        """The client's address as an access line shows it."""
        host, port = self._socket.getsockname()[:2]
        return f"{host}:{port}"

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def request(self, target: str = "/", *headers: str, method: str = "GET") -> None:
        """Send a request without a body."""
        lines = [f"{method} {target} HTTP/1.1", "host: test", *headers, "", ""]
        self.send("\r\n".join(lines).encode("latin-1"))

    def head(self) -> Answer:
        """Read a response up to the end of its head; the body is left empty."""
        line = self._file.readline()
        assert line.endswith(b"\r\n"), f"no status line but {line!r}"
        headers: list[tuple[str, str]] = []
        while (field := self._file.readline()) != b"\r\n":
            assert field.endswith(b"\r\n"), f"head ends in {field!r}"
            name, _, value = field.decode("latin-1").rstrip("\r\n").partition(": ")
            headers.append((name, value))
        return Answer(line.decode("latin-1").rstrip("\r\n"), headers, b"", False)

    def chunk(self) -> bytes | None:
        """Read one chunk of a chunked body: empty is the last one, None the connection's end."""
        size = self._file.readline()
        if not size.endswith(b"\r\n"):
            return None
        data = self._file.read(int(size, 16) + 2)
        return data[:-2] if data.endswith(b"\r\n") else None

    def answer(self) -> Answer:
        """Read a whole response."""
        answer = self.head()
        length = answer.header("content-length")
        if answer.header("transfer-encoding") == "chunked":
            while chunk := self.chunk():
                answer.body += chunk
            answer.is_whole = chunk is not None
        elif length is not None:
            answer.body = self._file.read(int(length))
            answer.is_whole = len(answer.body) == int(length)
        else:
            answer.body = self._file.read()
            answer.is_whole = True
        return answer

    def rest(self) -> bytes:
        """Read until the server closes, or would over HTTP/1.1."""
        try:
            if not self._closes:
                self._socket.shutdown(socket.SHUT_WR)
            return self._file.read()
        except ConnectionResetError:
            return b""

    def upgrade(self, target: str) -> Answer:
        """Open a WebSocket and return the head of the response."""
        key = base64.b64encode(bytes(16)).decode()
        self.request(
            target,
            "connection: upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 13",
            f"sec-websocket-key: {key}",
        )
        return self.head()

    def frame(self) -> tuple[int, bytes]:
        """Read one short WebSocket frame: its opcode and its payload."""
        first, length = self._file.read(2)
        return first & 0x0F, self._file.read(length)

    def send_frame(self, opcode: int, payload: bytes = b"") -> None:
        """Send one short WebSocket frame, masked with zeros."""
        self.send(struct.pack("!BBI", 0x80 | opcode, 0x80 | len(payload), 0) + payload)

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def get(
    address: int | str, target: str = "/", *headers: str, tls: ssl.SSLContext | None = None
) -> Answer:
    """Send a GET request on a connection of its own and return the response."""
    with Connection(address, tls=tls) as connection:
        connection.request(target, *headers, "connection: close")
        return connection.answer()
