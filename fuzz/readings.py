"""How three parsers read the same bytes: ours, llhttp (through httptools) and h11."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import h11
import httptools

PROGRAM = Path(__file__).parents[1] / "build" / "fuzz" / "fuzz" / "describe_requests"

# How a reading ends.
CLEAN = "clean"  # between two requests
WAITING = "waiting"  # in the middle of a request that is good so far
REFUSED = "refused"
STOPPED = "stopped"  # the parser looks at nothing behind a request that ends the connection


@dataclass(frozen=True)
class Request:
    """One whole request: what decides where it ends, and what an application is told.

    Attributes:
        fields: names in lower case, values without white space around them.
    """

    method: bytes
    target: bytes
    version: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass
class Reading:
    """The whole requests that were found, and what became of the rest.

    Attributes:
        end: one of the constants above.
        status: the status of a refusal, where the parser names one.
        reason: what the parser says of a refusal.
        ends: the offset behind each whole request, where the parser tells.
    """

    requests: list[Request] = field(default_factory=list)
    end: str = CLEAN
    status: int = 0
    reason: str = ""
    ends: list[int] = field(default_factory=list)


_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(\\))")


def _unescape(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()) if match[1] else b"\\", text)


class OurReader:
    """Asks the program of describe_requests.c, which it starts and ends."""

    name = "ours"

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _ask(self, data: bytes) -> bytes:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(struct.pack(">I", len(data)) + data)
        self._process.stdin.flush()
        size = self._process.stdout.read(4)
        if len(size) < 4:
            raise RuntimeError(f"{PROGRAM.name} has ended with status {self._process.wait()}")
        return self._process.stdout.read(struct.unpack(">I", size)[0])

    def read(self, data: bytes) -> Reading:
        """Read pipelined requests.

        Raises:
            RuntimeError: the program has crashed, or read the bytes otherwise one by one.
        """
        reading = Reading()
        found: list[Request] = []
        for line in self._ask(data).split(b"\n"):
            kind, _, rest = line.partition(b" ")
            if kind == b"request":
                method, target, version = rest.split(b" ")
                version = version.removeprefix(b"HTTP/")
                found.append(Request(_unescape(method), _unescape(target), version, (), b""))
            elif kind == b"field":
                name, _, value = rest.partition(b":")
                fields = (*found[-1].fields, (name.lower(), _unescape(value.removeprefix(b" "))))
                found[-1] = replace(found[-1], fields=fields)
            elif kind == b"body":
                found[-1] = replace(found[-1], body=_unescape(rest))
            elif kind == b"waiting":
                reading.end = WAITING
            elif kind == b"refused":
                reading.end, reading.status = REFUSED, int(rest)
            elif kind == b"whole":
                # The last one found may have ended in the middle of its body.
                reading.ends = [int(end) for end in rest.split()]
                reading.requests = found[: len(reading.ends)]
        begun = reading.ends[-1] if reading.ends else 0
        if reading.end == WAITING and not data[begun:].strip(b"\r\n"):
            reading.end = CLEAN  # empty lines in front of a request that may come
        return reading


class LlhttpReader:
    """llhttp as httptools has it, which is what uvicorn parses with."""

    name = "llhttp"

    def read(self, data: bytes) -> Reading:
        """Read pipelined requests."""
        return _LlhttpRun().read(data)


class _LlhttpRun:
    """One connection; the methods are what httptools calls."""

    def __init__(self) -> None:
        self._reading = Reading()
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._in_head = True
        self._in_message = False

    def on_message_begin(self) -> None:
        self._target, self._fields, self._body = b"", [], b""
        self._in_head = self._in_message = True

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers come here as well
            self._fields.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self._in_head = False

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._in_message = False
        self._reading.requests.append(
            Request(
                self._parser.get_method(),
                self._target,
                self._parser.get_http_version().encode(),
                tuple(self._fields),
                self._body,
            )
        )
        if not self._parser.should_keep_alive():
            self._reading.end = STOPPED

    def read(self, data: bytes) -> Reading:
        reading = self._reading
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            reading.end = STOPPED
        except httptools.HttpParserError as error:
            if reading.end != STOPPED:
                reading.end, reading.reason = REFUSED, str(error)
        else:
            if reading.end != STOPPED and self._in_message:
                reading.end = WAITING
        return reading


class H11Reader:
    """h11, which is what uvicorn parses with where httptools is not installed."""

    name = "h11"

    def read(self, data: bytes) -> Reading:
        """Read pipelined requests."""
        reading = Reading()
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=65536)
        request: h11.Request | None = None
        body = b""
        try:
            connection.receive_data(data)
            while True:
                event = connection.next_event()
                if isinstance(event, h11.Request):
                    request, body = event, b""
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    assert request is not None
                    reading.requests.append(
                        Request(
                            request.method,
                            request.target,
                            request.http_version,
                            tuple(request.headers),
                            body,
                        )
                    )
                    request = None
                    self._answer(connection)
                    if connection.our_state is not h11.DONE:
                        reading.end = STOPPED
                        return reading
                    connection.start_next_cycle()
                else:
                    break
        except h11.RemoteProtocolError as error:
            reading.end, reading.status = REFUSED, error.error_status_hint
            reading.reason = str(error)
            return reading
        waits = request is not None or bool(connection.trailing_data[0])
        reading.end = WAITING if waits else CLEAN
        return reading

    @staticmethod
    def _answer(connection: h11.Connection) -> None:
        connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
        connection.send(h11.EndOfMessage())
