"""Servers that answer by script, and the programs under test."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks import native_build

Answer = Callable[[int], bytes | None]


@dataclass(frozen=True)
class Outcome:
    """What a run of hfa-load said: exit status, report and messages."""

    status: int
    report: dict[str, Any]
    messages: str

    def errors(self) -> dict[str, int]:
        """Return the kinds of errors that happened, with their counts."""
        counts: dict[str, int] = self.report["errors"]
        return {kind: count for kind, count in counts.items() if count and kind != "total"}


@pytest.fixture(scope="session")
def build() -> Path:
    """The directory of the C programs, built if need be."""
    return native_build.build()


class ScriptedServer:
    """Answers the requests of each connection by script, cut into pieces of ``piece`` bytes.

    ``answer`` is given the number of a request on its connection, from 0, and returns the bytes to
    send, or None to close the connection instead.
    """

    def __init__(self, answer: Answer, piece: int | None = None) -> None:
        self._answer = answer
        self._piece = piece
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._is_closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop accepting.

        The thread has to be through first: it could accept from whatever has the listener's
        number next.
        """
        if self._is_closing:
            return
        self._is_closing = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._is_closing:
                connection.close()
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = 0
        pending = b""
        with connection:
            while True:
                try:
                    data = connection.recv(65536)
                except OSError:
                    return
                if not data:
                    return
                pending += data
                while b"\r\n\r\n" in pending:
                    pending = pending.partition(b"\r\n\r\n")[2]
                    reply = self._answer(number)
                    number += 1
                    if reply is None:
                        return
                    try:
                        for start in range(0, len(reply), self._piece or len(reply)):
                            end = start + (self._piece or len(reply))
                            connection.sendall(reply[start:end])
                    except OSError:
                        return


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Start scripted servers that end with the test."""
    servers: list[ScriptedServer] = []

    def start(answer: Answer | bytes, piece: int | None = None) -> ScriptedServer:
        script: Answer = (lambda _: answer) if isinstance(answer, bytes) else answer
        servers.append(ScriptedServer(script, piece))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def load(build: Path) -> Callable[..., Outcome]:
    """Run hfa-load with one connection and no warm-up, unless told otherwise."""

    def run(port: int, *arguments: str, requests: int = 20) -> Outcome:
        command = [str(build / "benchmarks" / "hfa-load"), "--port", str(port)]
        command += ["--connections", "1", "--warmup", "0", "--requests", str(requests)]
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        return Outcome(done.returncode, json.loads(done.stdout), done.stderr)

    return run
