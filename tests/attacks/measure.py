"""One attack beside a well-behaved client: what that client and the server's memory saw of it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from tests.protocols.http2_client import Http2Connection

from .attack import Attack

CHECKOUT = Path(__file__).resolve().parents[2]
CONNECTIONS = 16
GROWTH_MAX = 64 * 1024 * 1024
"""Bytes that the server's memory may grow by."""
RATE = 100.0
"""Requests a second of the well-behaved client."""


@dataclasses.dataclass
class Result:
    """What came of one attack.

    Attributes:
        attack: its name.
        connections: how many the attacker has made.
        errors: what went wrong for the well-behaved client.
        seconds: how long each of its requests took.
        busy: how much processor time the server's thread used meanwhile, in seconds: what a
            request had to wait for the server's other work. The rest of its time the machine had
            other things to do.
        growth: of the server's memory, in bytes, at its greatest.
        counters: the server's, those that are not zero.
    """

    attack: str
    connections: int = 0
    errors: list[str] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)
    busy: list[float] = dataclasses.field(default_factory=list)
    growth: int = 0
    counters: dict[str, int] = dataclasses.field(default_factory=dict)


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed; 0 without any."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class _Server:
    """The process of `tests.attacks.server`."""

    def __init__(self) -> None:
        # AddressSanitizer would keep far more than the server does of what it frees.
        options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=4"
        self._process = _start(
            "tests.attacks.server",
            stdin=subprocess.PIPE,
            env={**os.environ, "ASAN_OPTIONS": options},
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in: IO[str] = self._process.stdin
        self._out: IO[str] = self._process.stdout
        hello: dict[str, int] = json.loads(self._out.readline())
        self.port = hello["port"]
        self._schedule = f"/proc/{self._process.pid}/task/{hello['thread']}/schedstat"

    def busy(self) -> float:
        """Processor time of the thread that serves, in seconds; 0 where Linux does not tell."""
        try:
            with open(self._schedule) as file:
                return int(file.read().split()[0]) / 1e9
        except FileNotFoundError:
            return 0.0

    def resident(self) -> int:
        """Memory in use, in bytes."""
        statm = Path(f"/proc/{self._process.pid}/statm")
        if statm.exists():
            return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        command = ["ps", "-o", "rss=", "-p", str(self._process.pid)]
        return int(subprocess.check_output(command)) * 1024

    def counters(self) -> dict[str, int]:
        self._in.write("\n")
        self._in.flush()
        counters: dict[str, int] = json.loads(self._out.readline())
        return {name: count for name, count in counters.items() if count}

    def stop(self) -> None:
        self._in.close()
        try:
            self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()
            self._out.close()


def _start(module: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def _ask(connection: Http2Connection, result: Result) -> None:
    answer = connection.get()
    if (answer.status, answer.body, answer.is_whole) != (200, b"served", True):
        result.errors.append(repr(answer))


def measure(attack: Attack, seconds: float) -> Result:
    """Attack a server of its own for a while, and ask it all the time."""
    result = Result(attack.name)
    server = _Server()
    try:
        with Http2Connection(server.port) as beside:
            for _ in range(100):
                _ask(beside, result)
            before = server.resident()
            attacker = _start(
                "tests.attacks.attacker", attack.name, str(server.port), str(CONNECTIONS),
                str(seconds),
            )  # fmt: skip
            due = time.monotonic()
            while attacker.poll() is None:
                due = max(due + 1 / RATE, time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))
                busy, began = server.busy(), time.monotonic()
                try:
                    _ask(beside, result)
                except Exception as error:
                    result.errors.append(repr(error))
                    break
                result.seconds.append(time.monotonic() - began)
                result.busy.append(server.busy() - busy)
                result.growth = max(result.growth, server.resident() - before)
            output, _ = attacker.communicate()
            if attacker.returncode != 0:
                result.errors.append(f"the attacker has ended with {attacker.returncode}")
            else:
                result.connections = int(output)
            result.counters = server.counters()
    finally:
        server.stop()
    return result
