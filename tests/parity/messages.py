"""Responses without what is HTTP/1.1's alone, so that they compare over every protocol."""

from __future__ import annotations

import dataclasses
import re

#: They speak of the connection (RFC 9113 8.2.2), or of an upgrade that HTTP/2 does not know.
_OF_THE_CONNECTION = {
    b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"sec-websocket-accept",
}  # fmt: skip


@dataclasses.dataclass
class Message:
    """One response.

    Attributes:
        status: its status code.
        headers: names in lower case and values, in order, those of the connection left out.
        body: its bytes; behind the head of a 101 everything that follows.
        is_whole: whether the body was ended as its framing says.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    is_whole: bool = True


def read_messages(wire: bytes) -> list[Message] | bytes:
    """Read what a server has sent as HTTP/1.1; what does not begin with a head is left as it is."""
    messages = []
    rest = wire
    while re.match(rb"(?i)HTTP/1\.1 \d\d\d", rest) and b"\r\n\r\n" in rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        fields = (each.partition(b": ") for each in lines)
        headers = [(name.lower(), value) for name, _, value in fields]
        kept = [field for field in headers if field[0] not in _OF_THE_CONNECTION]
        # Part of HTTP/1.1's handshake, and one of the fields where there is none.
        kept.sort(key=lambda field: field[0] != b"sec-websocket-extensions")
        message = Message(int(first.split(b" ")[1]), kept)
        rest = _read_body(message, dict(headers), rest)
        messages.append(message)
    return messages if messages and not rest else wire


def _read_body(message: Message, headers: dict[bytes, bytes], data: bytes) -> bytes:
    """Fill in the body and return what follows it."""
    if message.status in (204, 304) or 101 < message.status < 200 or message.status == 100:
        return data
    if message.status == 101:
        message.body = data
        return b""
    if headers.get(b"transfer-encoding") == b"chunked":
        return _read_chunks(message, data)
    size = int(headers.get(b"content-length", len(data)))
    message.body = data[:size]
    message.is_whole = len(data) >= size
    return data[size:]


def _read_chunks(message: Message, data: bytes) -> bytes:
    while True:
        line, end, rest = data.partition(b"\r\n")
        if not end:
            message.is_whole = False
            return b""
        size = int(line, 16)
        message.body += rest[:size]
        data = rest[size + 2 :]
        if size == 0:
            return data
