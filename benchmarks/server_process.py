"""Starts a contender on a core of its own, waits until it answers, and ends it."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from benchmarks import process_tree
from benchmarks.catalogue import Application, Contender

CHECKOUT = Path(__file__).resolve().parent.parent
START_SECONDS = 120.0
STOP_SECONDS = 15.0
WORKERS_SECONDS = 10.0


class NotInstalled(Exception):
    """The contender is not on this machine; the text says what is missing."""


class ServerFailed(Exception):
    """The contender did not start, or did not answer as it should; the text says how."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class ServerProcess:
    """A running contender; a context manager that starts it and ends it.

    Args:
        contender: what to run.
        application: what it serves.
        workers: processes that it is told to run.
        cpus: processors that it may use.
        build: directory in which the C programs were built.
        arguments: further arguments for its command.

    Attributes:
        port: where it listens.
        pid: the process that was started; workers are its descendants.
        answer_length: length of the body of its first answer.

    Raises:
        NotInstalled: on entry, where the program or module is missing.
        ServerFailed: on entry, where it ends or does not answer as expected in two minutes.
    """

    def __init__(
        self,
        contender: Contender,
        application: Application,
        workers: int,
        cpus: Iterable[int],
        build: Path,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.contender = contender
        self.application = application
        self.workers = workers
        self.cpus = set(cpus)
        self.port = free_port()
        self.answer_length = 0
        values = {
            "python": sys.executable,
            "build": str(build),
            "target": application.target,
            "port": str(self.port),
            "workers": str(workers),
            "answer": str(application.floor_answer or 0),
            "posted": str(len(application.request_body or b"") if application.floor_answer else 0),
        }
        self.command = [part.format(**values) for part in contender.command] + list(arguments)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that was started."""
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    def __enter__(self) -> ServerProcess:
        self._check_installed()
        own_cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.cpus)
        try:
            self._process = subprocess.Popen(
                self.command,
                cwd=CHECKOUT,
                env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.sched_setaffinity(0, own_cpus)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def output(self) -> str:
        """Return what the server has printed so far."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace").strip()

    def tree(self) -> list[int]:
        """Return the process numbers of the server and its workers."""
        return process_tree.tree(self.pid)

    def stop(self) -> None:
        """End the server: first by request, after 15 seconds by force; then all that it left."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._output.close()
        self._process = None

    def _check_installed(self) -> None:
        for module in self.contender.modules:
            if importlib.util.find_spec(module) is None:
                raise NotInstalled(f"the module {module} is not installed")
        if not Path(self.command[0]).exists():
            raise NotInstalled(f"{Path(self.command[0]).name} has not been built")

    def _request(self) -> tuple[int, list[str], bytes]:
        """Return status, head lines in lower case and body of the answer to one request."""
        asked = self.application
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        try:
            fields = dict(line.split(": ", 1) for line in asked.headers)
            connection.request(asked.method, asked.path, asked.request_body, fields)
            response = connection.getresponse()
            head = [f"{name.lower()}: {value}" for name, value in response.getheaders()]
            return response.status, head, response.read()
        finally:
            connection.close()

    def _echo(self) -> tuple[int, list[str], bytes]:
        """Open a WebSocket and have a message sent back; as `_request()`, without a head."""
        handshake = (
            f"GET {self.application.path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\n"
            "upgrade: websocket\r\nsec-websocket-version: 13\r\n"
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.port), START_SECONDS) as connection:
            connection.sendall(handshake.encode())
            answer = connection.makefile("rb")
            status = answer.readline()
            while answer.readline().strip():
                pass
            if b" 101 " not in status:
                raise ServerFailed(f"answered the handshake with {status!r}")
            connection.sendall(b"\x81\x82\0\0\0\0hi")
            echo = answer.read(4)
        if echo != b"\x81\x02hi":
            raise ServerFailed(f"answered a message with {echo!r}")
        return 200, [], echo[2:]

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while True:
            ended = self._process.poll()
            if ended is not None:
                raise ServerFailed(f"ended with status {ended}: {self.output()[-2000:]}")
            try:
                is_websocket = self.application.message is not None
                status, head, body = self._echo() if is_websocket else self._request()
                break
            except (OSError, http.client.HTTPException) as error:
                if time.monotonic() > deadline:
                    raise ServerFailed(
                        f"did not answer in {START_SECONDS:.0f} s: {error}"
                    ) from error
                time.sleep(0.02)
        expected = self.application.body
        if status != 200 or (expected is not None and body != expected.encode()):
            raise ServerFailed(f"answered {self.application.path} with {status} {body[:200]!r}")
        missing = [line for line in self.application.answer_headers if line not in head]
        if missing:
            raise ServerFailed(f"answered {self.application.path} without {missing[0]!r}: {head}")
        self.answer_length = len(body)
        if self.workers > 1 and expected is None:
            self._wait_for_workers()

    def _wait_for_workers(self) -> None:
        """Wait until each worker has answered, so that none comes too late for the connections.

        Goes on without the missing ones after ten seconds: how connections spread is measured.
        """
        deadline = time.monotonic() + WORKERS_SECONDS
        seen: set[str] = set()
        while len(seen) < self.workers and time.monotonic() < deadline:
            burst = []
            for _ in range(4 * self.workers):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("GET", self.application.path)
                burst.append(connection)
            for connection in burst:
                seen.add(connection.getresponse().read().decode())
                connection.close()
