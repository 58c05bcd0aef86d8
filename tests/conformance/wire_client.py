"""Runs an application on our server and speaks to it in bytes."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

from hyperfastapi.testing import ThreadServer

from ..parity.servers import LogTap
from ..parity.wire import Wire
from .outcome import Outcome, described
from .requests import Request, Socket, Step, Together
from .sides import Side

_SERVERS_OWN = re.compile(rb"\A(HTTP/1\.1 [^\r]*\r\n)date: [^\r]*\r\nserver: [^\r]*\r\n")


class _Client:
    """One connection, kept alive from request to request as browsers keep it."""

    def __init__(self, server: ThreadServer, tap: LogTap) -> None:
        self._server = server
        self._tap = tap
        self._wire: Wire | None = None

    def close(self) -> None:
        if self._wire is not None:
            self._wire.socket.close()
            self._wire = None

    def settle(self) -> Any:
        """Wait until background tasks and teardown are over, and give what escaped."""
        end = time.monotonic() + 30
        while self._server.pending():
            assert time.monotonic() < end, "the application does not come to an end"
            time.sleep(0.0002)
        escaped, self._tap.exceptions[:] = list(self._tap.exceptions), []
        assert len(escaped) < 2, escaped
        return described(escaped[0]) if escaped else None

    def ask(self, request: Request) -> bytes:
        """Send a request and read its response."""
        if self._wire is None:
            self._wire = Wire(self._server.port)
        for data in request.wire():
            self._wire.send(data)
        response = self._wire.response(to_head=request.method == "HEAD")
        response, found = _SERVERS_OWN.subn(rb"\1", response)
        assert found or not response, f"no date and server in {response!r}"
        return response

    def request(self, request: Request) -> Outcome:
        response = self.ask(request)
        escaped = self.settle()
        if escaped is not None or b"\r\nconnection: close\r\n" in response:
            # What the application has left undone the server can't repair: it closes.
            assert self._wire is not None and self._wire.rest() == b""
            self.close()
        return Outcome(response, escaped)

    def socket(self, step: Socket) -> Outcome:
        self.close()
        with Wire(self._server.port) as wire:
            wire.send(b"".join(step.handshake().wire()))
            seen = _talk(wire, step)
        return Outcome(repr(seen).encode(), self.settle())


def _frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame; a mask of zeros leaves the payload as it is."""
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + b"\0\0\0\0" + payload


def _talk(wire: Wire, step: Socket) -> list[Any]:
    head = wire.take(wire.until(b"\r\n\r\n"))
    status = int(head.split()[1])
    if status != 101:
        return [("refused", status)]
    protocol = re.search(rb"(?i)\r\nsec-websocket-protocol: ([^\r]*)", head)
    seen: list[Any] = [("accept", protocol[1].decode() if protocol else None)]
    for message in step.messages:
        text = isinstance(message, str)
        data = message.encode() if isinstance(message, str) else message
        wire.send(_frame(1 if text else 2, data))
    if step.closes:
        wire.send(_frame(8, (1000).to_bytes(2, "big")))
    while start := wire.take(2):
        size = start[1]
        if size == 126:
            size = int.from_bytes(wire.take(2), "big")
        payload = wire.take(size)
        opcode = start[0] & 15
        if opcode == 8:
            if not step.closes:
                seen.append(("close", int.from_bytes(payload[:2], "big")))
                wire.send(_frame(8, payload[:2]))
            break
        seen.append(payload.decode() if opcode == 1 else payload)
    return seen


def _together(server: ThreadServer, tap: LogTap, step: Together) -> list[Outcome]:
    clients = [_Client(server, tap) for _ in step.requests]
    wires = [Wire(server.port) for _ in step.requests]
    for wire, request in zip(wires, step.requests, strict=True):
        wire.send(b"".join(request.wire()))
    outcomes = []
    for wire, request in zip(wires, step.requests, strict=True):
        response = wire.response(to_head=request.method == "HEAD")
        outcomes.append(Outcome(_SERVERS_OWN.sub(rb"\1", response)))
        wire.socket.close()
    clients[0].settle()
    return outcomes


def run(
    side: Side, app: Any, steps: tuple[Step, ...], *, lifespan: bool, root_path: str
) -> list[Outcome]:
    """Serve the application, take the steps, stop the server.

    Returns:
        the outcome of the start, of each step and of the end.
    """
    with LogTap("hyperfastapi.error") as tap:
        with (
            ThreadServer(app, lifespan=lifespan, root_path=root_path) as server,
            contextlib.closing(_Client(server, tap)) as client,
        ):
            outcomes = [Outcome(notes=side.take_notes())]
            for step in steps:
                if isinstance(step, Request):
                    taken = [client.request(step)]
                elif isinstance(step, Socket):
                    taken = [client.socket(step)]
                elif isinstance(step, Together):
                    taken = _together(server, tap, step)
                else:
                    step(app)
                    taken = [Outcome()]
                taken[0].notes = side.take_notes()
                outcomes += taken
        outcomes.append(Outcome(notes=side.take_notes()))
    return outcomes
