"""Raw HTTP/1.1 over a socket: what a server really sent, or what it is in HTTP/1.1."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

TIMEOUT = 30.0  # seconds; the clients of HTTP/2 are slow where memory is watched
_VARYING = re.compile(rb"(?mi)^(date|server): [^\r\n]*")


def normalise(wire: bytes) -> bytes:
    """Replace the values of `date` and `server`, which may differ."""
    return _VARYING.sub(rb"\1: *", wire)


class Wire:
    """A client connection that knows where responses end.

    Args:
        port: the server's port on 127.0.0.1.
        connect: makes the connection, of whatever takes and gives HTTP/1.1; None: TCP.
        closes: whether a server ends the connection behind what HTTP/1.1 can't go on after. HTTP/2
            ends no more than a stream.
    """

    def __init__(
        self,
        port: int,
        connect: Callable[[int], socket.socket] | None = None,
        *,
        closes: bool = True,
    ) -> None:
        self._port = port
        self._connect = connect or (lambda port: socket.create_connection(("127.0.0.1", port)))
        self._closes = closes
        self.reconnect()

    def reconnect(self) -> None:
        """Begin anew on a connection of its own."""
        self.socket = self._connect(self._port)
        self.socket.settimeout(TIMEOUT)
        self._buffer = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self._buffer += data
        return bool(data)

    def until(self, delimiter: bytes) -> int:
        """The number of bytes up to and with `delimiter`; of all when the server closes first."""
        while (at := self._buffer.find(delimiter)) < 0:
            if not self._more():
                return len(self._buffer)
        return at + len(delimiter)

    def take(self, size: int) -> bytes:
        """The next `size` bytes, fewer when the server closes."""
        while len(self._buffer) < size and self._more():
            pass
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def head(self) -> bytes:
        """The bytes of the next head, an interim response's as well."""
        return self.take(self.until(b"\r\n\r\n"))

    def response(self, *, to_head: bool = False) -> bytes:
        """The bytes of the next final response, interim ones before it included."""
        head = self.head()
        if re.match(rb"HTTP/1\.1 1(?!01)\d\d", head):
            return head + self.response(to_head=to_head)
        if to_head or re.match(rb"HTTP/1\.[01] (101|204|304)", head):
            return head
        if match := re.search(rb"(?i)\r\ncontent-length: (\d+)", head):
            return head + self.take(int(match[1]))
        if re.search(rb"(?i)\r\ntransfer-encoding: chunked", head):
            return head + self._chunks()
        return head + self.rest()

    def _chunks(self) -> bytes:
        chunks = b""
        while True:
            line = self.take(self.until(b"\r\n"))
            chunks += line
            if not line.strip():
                return chunks  # the server has closed in between
            size = int(line, 16)
            chunks += self.take(size + 2)
            if size == 0:
                return chunks

    def rest(self) -> bytes:
        """Everything until the server closes, or would over HTTP/1.1."""
        if not self._closes:
            self.socket.shutdown(socket.SHUT_WR)
        while self._more():
            pass
        return self.take(len(self._buffer))

    def is_open(self) -> bool:
        """Whether the connection still answers: a further request gets a response."""
        try:
            self.send(b"GET /again HTTP/1.1\r\nhost: a\r\n\r\n")
            return self.response().startswith(b"HTTP/1.1 ")
        except OSError:
            return False
