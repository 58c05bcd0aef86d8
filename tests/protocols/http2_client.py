"""An HTTP/2 client on a socket: requests and their answers, or frames of a test's own making."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import struct
from types import TracebackType

import h2.config
import h2.connection
import h2.events
import h2.settings

from .protocol import SECONDS

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CANCEL, ENHANCE_YOUR_CALM = 8, 11


@dataclasses.dataclass
class Http2Answer:
    """What has come on one stream.

    Attributes:
        headers: of the response, `:status` first.
        body: its bytes so far.
        informational: the heads of interim responses.
        trailers: the fields behind the body.
        is_whole: whether the stream was ended.
        reset: the error code of a reset, or None.
    """

    headers: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    body: bytes = b""
    informational: list[list[tuple[str, str]]] = dataclasses.field(default_factory=list)
    trailers: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    is_whole: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.header(":status"))

    def header(self, name: str) -> str:
        """The first value of a header."""
        return dict(reversed(self.headers))[name]


class Http2Connection:
    """A connection that speaks HTTP/2 from its first byte, or after ALPN.

    Args:
        port: of 127.0.0.1.
        tls: speak TLS and offer h2; None: prior knowledge.
        validates: whether what is sent has to be valid.
        first: bytes to send before everything else.
    """

    def __init__(
        self,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        validates: bool = True,
        first: bytes = b"",
    ) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._socket.sendall(first)
        if tls is not None:
            wrapped = tls.wrap_socket(self._socket, server_hostname="localhost")
            assert wrapped.selected_alpn_protocol() == "h2"
            self._socket = wrapped
        config = h2.config.H2Configuration(
            header_encoding="utf-8",
            validate_outbound_headers=validates,
            normalize_outbound_headers=validates,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self._answers: dict[int, Http2Answer] = {}
        self.acknowledges = True
        self.goaway_code: int | None = None
        self.goaway: h2.events.ConnectionTerminated | None = None
        self.flush()

    def flush(self) -> None:
        self._socket.sendall(self.h2.data_to_send())

    def send_raw(self, data: bytes) -> None:
        """Send bytes that the client's own state knows nothing of."""
        self._socket.sendall(data)

    def request(
        self,
        path: str = "/",
        *headers: tuple[str, str],
        method: str = "GET",
        ends: bool = True,
        authority: str | None = "localhost",
    ) -> int:
        """Send a request's head; return its stream."""
        head = [(":method", method), (":scheme", "http"), (":path", path)]
        if authority is not None:
            head.insert(1, (":authority", authority))
        return self.send_head([*head, *headers], ends=ends)

    def send_head(self, head: list[tuple[str, str]], *, ends: bool = True) -> int:
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, head, end_stream=ends)
        self._answers[stream] = Http2Answer()
        self.flush()
        return stream

    def send_body(self, stream: int, data: bytes, *, ends: bool = True) -> None:
        """Send body bytes as the server's windows allow."""
        while data:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room == 0:
                assert self._read(), "the connection has ended"
                continue
            self.h2.send_data(stream, data[:room])
            data = data[room:]
            self.flush()
        if ends:
            self.h2.end_stream(stream)
            self.flush()

    def answer(self, stream: int) -> Http2Answer:
        """Read until a stream is ended or reset, or the connection has ended."""
        answer = self._answers[stream]
        while not answer.is_whole and answer.reset is None and self._read():
            pass
        return answer

    def head(self, stream: int) -> Http2Answer:
        """Read until the head of a response is here."""
        answer = self._answers[stream]
        while not answer.headers and answer.reset is None and self._read():
            pass
        return answer

    def body(self, stream: int, size: int) -> bytes:
        """Take `size` bytes of a body as soon as they are here."""
        answer = self._answers[stream]
        while len(answer.body) < size:
            assert self._read(), "the connection has ended"
        taken, answer.body = answer.body[:size], answer.body[size:]
        return taken

    def get(self, path: str = "/", *headers: tuple[str, str], method: str = "GET") -> Http2Answer:
        return self.answer(self.request(path, *headers, method=method))

    def read_to_end(self) -> None:
        """Read until the server closes."""
        while self._read():
            pass

    def read_goaway(self) -> None:
        """Read until the server closes or resets; `goaway_code` is what it has said."""
        data = b""
        try:
            while piece := self._socket.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
        for kind, _, payload in read_frames(data):
            if kind == GOAWAY:
                self.goaway_code = int.from_bytes(payload[4:8], "big")

    def read_frames(self) -> list[tuple[int, int, bytes]]:
        """Read until the server closes; each frame's type, stream and payload."""
        data = b""
        while piece := self._socket.recv(65536):
            data += piece
        return read_frames(data)

    def _read(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            return False
        for event in self.h2.receive_data(data):
            self._take(event)
        self.flush()
        return True

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event
            return
        answer = self._answers.get(getattr(event, "stream_id", None) or 0)
        if answer is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            answer.headers = _text(event.headers)
        elif isinstance(event, h2.events.InformationalResponseReceived):
            answer.informational.append(_text(event.headers))
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = _text(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data or b""
            if self.acknowledges and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.is_whole = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = int(event.error_code or 0)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Http2Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _text(headers: object) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in headers or []]  # type: ignore[attr-defined]


def read_frames(data: bytes) -> list[tuple[int, int, bytes]]:
    """Each frame's type, stream and payload."""
    frames = []
    while data:
        length = int.from_bytes(data[:3], "big")
        stream = int.from_bytes(data[5:9], "big")
        frames.append((data[3], stream, data[9 : 9 + length]))
        data = data[9 + length :]
    return frames


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    """One frame, valid or not."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload
