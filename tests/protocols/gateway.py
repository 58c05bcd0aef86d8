"""HTTP/1.1 on one side, HTTP/2 on the other, so that a test's HTTP/1.1 says what to send on both.

What a gateway does is laid down (RFC 9113 8, RFC 8441): fields of the connection stay behind, Host
becomes `:authority`, an upgrade to a WebSocket an extended CONNECT, chunks become DATA frames and
the other way round. A stream that is reset is a connection that ends too early.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import threading
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

_POLL_MS = 30_000
_FRAME_HEAD_SIZE = 9
_GOAWAY = 7
_OF_THE_CONNECTION = {
    b"connection", b"host", b"keep-alive", b"proxy-connection", b"sec-websocket-key",
    b"transfer-encoding", b"upgrade",
}  # fmt: skip

Fields = list[tuple[bytes, bytes]]


class _RequestBody:
    """Takes a request's body out of HTTP/1.1's framing."""

    def __init__(self, fields: Fields, *, is_websocket: bool) -> None:
        lengths = [int(value) for name, value in fields if name == b"content-length"]
        self._left = lengths[0] if lengths else 0
        self._is_chunked = (b"transfer-encoding", b"chunked") in fields
        self._endless = is_websocket
        self._is_last = False

    @property
    def is_over(self) -> bool:
        if self._endless:
            return False
        return self._is_last if self._is_chunked else self._left == 0

    def take(self, data: bytearray) -> bytes:
        """Remove what belongs to the body from the start of `data` and return its content."""
        if self._endless:
            taken = bytes(data)
            data.clear()
        elif self._is_chunked:
            taken = b"".join(self._chunks(data))
        else:
            taken = bytes(data[: self._left])
            del data[: self._left]
            self._left -= len(taken)
        return taken

    def _chunks(self, data: bytearray) -> Iterator[bytes]:
        while not self._is_last and (end := data.find(b"\r\n")) >= 0:
            size = int(data[:end].split(b";")[0], 16)
            if len(data) < end + 2 + size + 2:
                return
            yield bytes(data[end + 2 : end + 2 + size])
            del data[: end + 2 + size + 2]
            self._is_last = size == 0


class Gateway:
    """One client's connection, in a thread of its own; one request after the other.

    Args:
        upstream: a connection to the server, on which HTTP/2 is to be spoken. It is taken over.

    Attributes:
        socket: the client's end; it takes and gives HTTP/1.1.
    """

    def __init__(self, upstream: socket.socket) -> None:
        self._upstream = upstream
        self.socket, self._local = socket.socketpair()
        self.socket.settimeout(_POLL_MS / 1000)
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self._input = bytearray()
        self._unsent = bytearray()
        self._request = _RequestBody([], is_websocket=False)
        self._stream: int | None = None
        self._has_ended = False  # our side of the stream
        self._method = b""
        self._is_websocket = False
        self._is_chunked = False
        self._is_open = True
        self._received = bytearray()
        self._client_is_done = False
        threading.Thread(target=self._run, daemon=True, name="gateway").start()

    def _run(self) -> None:
        with self._upstream, self._local:
            self._h2.initiate_connection()
            self._flush()
            poll = select.poll()
            poll.register(self._upstream, select.POLLIN)
            poll.register(self._local, select.POLLIN)
            while self._is_open:
                for descriptor, events in poll.poll(_POLL_MS):
                    if descriptor == self._upstream.fileno():
                        self._read_upstream()
                    elif events & select.POLLIN and not self._client_is_done:
                        self._read_local()
                        if self._client_is_done:
                            poll.modify(self._local, 0)  # it tells of the hang-up alone
                    elif events & select.POLLHUP:
                        self._leave()
                self._advance()
            self._linger()

    # The client.

    def _read_local(self) -> None:
        try:
            data = self._local.recv(65536)
        except ConnectionResetError:  # it has left something unread
            data = b""
        self._input += data
        self._client_is_done = not data

    def _leave(self) -> None:
        """The client has closed its socket, in the middle of a response or not."""
        if self._stream is not None:
            with contextlib.suppress(h2.exceptions.ProtocolError):  # the server has said goodbye
                self._h2.reset_stream(self._stream, h2.errors.ErrorCodes.CANCEL)
            self._flush()
        self._is_open = False

    def _linger(self) -> None:
        """End our side, and let the client finish what it sends."""
        with contextlib.suppress(OSError):
            self._local.shutdown(socket.SHUT_WR)
            while self._local.recv(65536):
                pass

    def _tell(self, data: bytes) -> None:
        try:
            self._local.sendall(data)
        except OSError:
            pass  # it has left; the hang-up is about to be seen

    # Requests.

    def _advance(self) -> None:
        """Do what can be done with what has come."""
        while self._is_open:
            before = len(self._input)
            body = self._request.take(self._input)
            if self._stream is not None and not self._has_ended:
                self._unsent += body
                self._send_body()
            if self._stream is None and self._request.is_over:
                self._begin_request()
            if len(self._input) == before:
                break
        if self._client_is_done and self._stream is None:
            self._is_open = False

    def _begin_request(self) -> None:
        head, end, rest = bytes(self._input).partition(b"\r\n\r\n")
        if not end:
            return
        self._input = bytearray(rest)
        line, *lines = head.split(b"\r\n")
        self._method, target, _ = line.split(b" ")
        fields = [
            (name.lower(), value.strip(b" \t"))
            for name, _, value in (each.partition(b":") for each in lines)
        ]
        self._is_websocket = (b"upgrade", b"websocket") in fields
        self._request = _RequestBody(fields, is_websocket=self._is_websocket)
        self._stream = self._h2.get_next_available_stream_id()
        self._has_ended = self._request.is_over
        self._h2.send_headers(
            self._stream, self._head(target, fields), end_stream=self._request.is_over
        )
        self._flush()

    def _head(self, target: bytes, fields: Fields) -> Fields:
        head = [(b":method", self._method)]
        if self._is_websocket:
            head = [(b":method", b"CONNECT"), (b":protocol", b"websocket")]
        scheme = b"https" if isinstance(self._upstream, ssl.SSLSocket) else b"http"
        head += [(b":scheme", scheme), (b":path", target)]
        head += [(b":authority", value) for name, value in fields if name == b"host"]
        return head + [field for field in fields if field[0] not in _OF_THE_CONNECTION]

    def _send_body(self) -> None:
        assert self._stream is not None
        while self._unsent:
            room = min(
                self._h2.local_flow_control_window(self._stream), self._h2.max_outbound_frame_size
            )
            if room == 0:
                break
            self._h2.send_data(self._stream, bytes(self._unsent[:room]))
            del self._unsent[:room]
        if self._request.is_over and not self._unsent:
            self._h2.end_stream(self._stream)
            self._has_ended = True
        self._flush()

    # Responses.

    def _flush(self) -> None:
        try:
            self._upstream.sendall(self._h2.data_to_send())
        except OSError:
            self._is_open = False

    def _read_upstream(self) -> None:
        try:
            data = self._upstream.recv(1 << 20)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        if not data:
            self._is_open = False
            return
        for event in self._h2.receive_data(b"".join(self._frames(data))):
            if getattr(event, "stream_id", None) == self._stream:
                self._take(event)
        self._flush()

    def _frames(self, data: bytes) -> Iterator[bytes]:
        """The whole frames that have come, without those that h2 takes for the end of all streams:
        what is under way behind a GOAWAY goes on."""
        self._received += data
        while len(self._received) >= _FRAME_HEAD_SIZE:
            end = _FRAME_HEAD_SIZE + int.from_bytes(self._received[:3], "big")
            if len(self._received) < end:
                return
            if self._received[3] != _GOAWAY:
                yield bytes(self._received[:end])
            del self._received[:end]

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.InformationalResponseReceived):
            self._tell_head(event.headers or [], framing=b"")
        elif isinstance(event, h2.events.ResponseReceived):
            self._begin_response(event.headers or [])
        elif isinstance(event, h2.events.DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length or 0, self._stream or 0)
            data = event.data or b""
            if self._is_chunked and data:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            self._tell(data)
        elif isinstance(event, h2.events.TrailersReceived):
            self._tell(b"0\r\n" + _lines(event.headers or []) + b"\r\n")
            self._is_chunked = False
        elif isinstance(event, h2.events.StreamEnded):
            if self._is_chunked:
                self._tell(b"0\r\n\r\n")
            self._end_response()
        elif isinstance(event, h2.events.StreamReset):
            self._is_open = False

    def _begin_response(self, headers: list[tuple[bytes, bytes]]) -> None:
        names = [name for name, _ in headers]
        status = int(dict(headers)[b":status"])
        if self._is_websocket and status == 200:
            self._is_chunked = False
            head = [(b":status", b"101"), *headers[1:]]
            self._tell_head(head, framing=b"connection: upgrade\r\nupgrade: websocket\r\n")
            return
        self._is_chunked = (
            b"content-length" not in names and status not in (204, 304) and self._method != b"HEAD"
        )
        framing = b"transfer-encoding: chunked\r\n" if self._is_chunked else b""
        self._tell_head(headers, framing=framing)

    def _tell_head(self, headers: list[tuple[bytes, bytes]], *, framing: bytes) -> None:
        status = int(headers[0][1])
        phrase = http.client.responses.get(status, "").encode()
        line = b"HTTP/1.1 %d %b\r\n" % (status, phrase)
        self._tell(line + _lines(headers[1:]) + framing + b"\r\n")

    def _end_response(self) -> None:
        if not self._has_ended and not self._is_websocket and self._stream is not None:
            self._h2.reset_stream(self._stream, h2.errors.ErrorCodes.CANCEL)
        self._stream = None
        self._unsent.clear()
        if self._is_websocket:
            self._is_open = False


def _lines(fields: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in fields)
