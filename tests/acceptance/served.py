"""The command `hyperfastapi run` for the checks: started, spoken to, stopped."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

from tests.protocols.protocol import SECONDS
from tests.protocols.tls_files import Authority

_RUNNING = r"running on https?://\S+:(\d+) "


class Served:
    """The application of tests/attacks, on a free port of 127.0.0.1.

    Args:
        directory: where certificates go.
        tls: speak TLS.
        flags: further flags of the command.
    """

    def __init__(self, directory: Path, *flags: str, tls: bool = True) -> None:
        self.authority = Authority(directory)
        command = [sys.executable, "-m", "hyperfastapi", "run", "tests.attacks.app:app", *flags]
        if tls:
            cert, key = self.authority.issue("localhost")
            command += ["--tls-cert", str(cert), "--tls-key", str(key)]
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [*command, "--port", "0", "--no-access-log", "--tls-reload-interval", "none"],
            cwd=Path(__file__).resolve().parents[2],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = int(self.wait_for(_RUNNING)[1])

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()

    def wait_for(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Wait for the log to have `count` lines with this in them; returns the last of them."""

        def found() -> list[re.Match[str]]:
            return [match for match in (re.search(pattern, line) for line in self._lines) if match]

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= count, SECONDS):
                raise RuntimeError(f"{pattern!r} was not logged in:\n{''.join(self._lines)}")
            return found()[count - 1]

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
