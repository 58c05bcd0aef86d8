"""The command in a process of its own: its output is awaited line by line, its exit is checked."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

BOUND = 30.0
"""Seconds after which anything awaited is taken for lost. Nothing that works comes near it."""

_RUNNING = r"hyperfastapi running on (?:https?://\S+:(\d+)|unix socket \S+|socket \d+) \(Press CTRL"


class _Lines:
    """What a process writes to one stream, collected by a thread."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._ended = False
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        for line in self._stream:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def text(self) -> str:
        with self._changed:
            return "\n".join(self._lines)

    def matches(self, pattern: str) -> list[re.Match[str]]:
        with self._changed:
            found = (re.search(pattern, line) for line in self._lines)
            return [match for match in found if match]

    def wait_for(self, pattern: str, count: int) -> re.Match[str]:
        def done() -> bool:
            return self._ended or len(self.matches(pattern)) >= count

        with self._changed:
            self._changed.wait_for(done, BOUND)
            found = self.matches(pattern)
        assert len(found) >= count, f"{pattern!r} {len(found)} times of {count} in:\n{self.text()}"
        return found[count - 1]

    def close(self) -> None:
        self._thread.join(BOUND)
        self._stream.close()


class ServedProcess:
    """A server that was started as a program, in a process group of its own.

    Args:
        arguments: what follows the interpreter on its command line.
        directory: where it runs.
        environment: variables besides those of this process; None takes one away.
        pass_fds: descriptors that it inherits.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        directory: Path,
        environment: dict[str, str | None],
        pass_fds: Sequence[int] = (),
    ) -> None:
        variables: dict[str, str] = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("HYPERFASTAPI_")
            and name not in ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "PYTHONPATH")
        }
        variables["PYTHONWARNINGS"] = "error"
        for name, value in environment.items():
            variables.pop(name, None)
            if value is not None:
                variables[name] = value
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self._out = _Lines(self._process.stdout)
        self._err = _Lines(self._process.stderr)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """Standard output so far: access lines, and what the application prints."""
        return self._out.text()

    @property
    def log(self) -> str:
        """Standard error so far: the server's log."""
        return self._err.text()

    def wait_for_output(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Wait until standard output has `count` lines that the pattern is found in."""
        return self._out.wait_for(pattern, count)

    def wait_for_log(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Wait until standard error has `count` lines that the pattern is found in."""
        return self._err.wait_for(pattern, count)

    def wait_until_running(self) -> None:
        """Wait for the line that says where the server can be reached."""
        self.wait_for_log(_RUNNING)

    @property
    def port(self) -> int:
        """The TCP port, as the server's log names it."""
        return int(self.wait_for_log(_RUNNING).group(1))

    def worker_pids(self) -> list[int]:
        """The processes that serve or have served, in the order of their start."""
        return [int(match.group(1)) for match in self._err.matches(r"Started server.*\[(\d+)\]")]

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the exit and for the end of both streams; minus the signal's number if one
        ended it."""
        code = self._process.wait(BOUND)
        self._out.close()
        self._err.close()
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit."""
        self.send_signal(number)
        return self.wait()

    def __enter__(self) -> ServedProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The group is this process and its workers, nobody else.
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.wait()


Run = Callable[..., ServedProcess]
"""What the fixtures give: arguments and variables in, a started process out."""
