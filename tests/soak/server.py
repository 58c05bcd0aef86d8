"""Runs the server that is soaked, and watches what it prints."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from collections import Counter, deque
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
APPLICATION = "tests.soak.app:app"
START_SECONDS = 30.0
KEPT_LINES = 60

# Signs of a defect, whatever else a server prints about errors raised on purpose.
DEFECTS = (
    "AddressSanitizer",
    "LeakSanitizer",
    "ThreadSanitizer",
    "runtime error:",
    "Fatal Python error",
    "Segmentation fault",
    "Assertion",
    "was never awaited",
    "Task was destroyed",
    "exception was never retrieved",
    "SystemError",
    "MemoryError",
)


class Server:
    """A server process, from its command to its end.

    Args:
        command: a command line; ``{python}``, ``{app}`` and ``{port}`` are filled in.
        port: where it shall listen.

    Attributes:
        defects: how often a sign of a defect was printed, by sign.
        lines: the last lines that it printed.
    """

    def __init__(self, command: str, port: int) -> None:
        self.port = port
        self.arguments = [
            part.format(python=sys.executable, app=APPLICATION, port=port)
            for part in shlex.split(command)
        ]
        self.defects: Counter[str] = Counter()
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process that was started."""
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """The exit status, negative for a signal, or None while the server runs."""
        assert self._process is not None, "the server has not been started"
        return self._process.returncode

    async def start(self) -> None:
        """Start the server, and wait until it accepts connections.

        Raises:
            RuntimeError: it ended, or accepts none within 30 seconds; with what it printed.
        """
        self._process = await asyncio.create_subprocess_exec(
            *self.arguments,
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._watcher = asyncio.create_task(self._watch())
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            except OSError as error:
                if self.ended is not None or loop.time() > deadline:
                    await self.stop(5)
                    printed = "\n".join(self.lines)
                    raise RuntimeError(
                        f"{shlex.join(self.arguments)} does not listen on port {self.port}; "
                        f"it printed:\n{printed}"
                    ) from error
                await asyncio.sleep(0.05)

    async def stop(self, seconds: float) -> int | None:
        """Ask the server to end, and return its exit status, or None where it had to be killed.

        Args:
            seconds: how long to wait for it.
        """
        process = self._process
        assert process is not None, "the server has not been started"
        status: int | None = None
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(asyncio.TimeoutError):
            status = await asyncio.wait_for(process.wait(), seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if self._watcher is not None:
            await self._watcher
        return status

    async def _watch(self) -> None:
        assert self._process is not None
        output = self._process.stdout
        assert output is not None
        rest = b""
        while data := await output.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[-10_000:]
            for line in lines:
                text = line.decode(errors="replace")
                self.lines.append(text)
                for sign in DEFECTS:
                    if sign in text:
                        self.defects[f"{sign}: {text[:200]}"] += 1
