"""The two servers, each in a thread of this process."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn

from hyperfastapi.testing import ThreadServer


class LogTap(logging.Handler):
    """Collects what a server logs: the message, and the exception's type and text."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.INFO)
        self.lines: list[tuple[str, str | None]] = []
        self.exceptions: list[BaseException] = []
        self._logger = logging.getLogger(name)

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.ERROR:
            return
        exception = record.exc_info[1] if record.exc_info else None
        self.lines.append((record.getMessage().strip(), repr(exception) if exception else None))
        if exception is not None:
            self.exceptions.append(exception)

    def __enter__(self) -> LogTap:
        self._logger.addHandler(self)
        return self

    def __exit__(self, *exc: object) -> None:
        self._logger.removeHandler(self)


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def run_uvicorn(app: Any, **options: Any) -> Iterator[int]:
    """uvicorn with httptools on a free port, which is yielded."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    settings: dict[str, Any] = {
        "log_config": None,
        "log_level": "info",
        "access_log": False,
        "http": "httptools",
        "ws": "websockets-sansio",
        "loop": "asyncio",
        "lifespan": "off",
        "proxy_headers": False,
        "timeout_graceful_shutdown": 1,
        "ws_per_message_deflate": False,
        **options,
    }
    server = _Uvicorn(uvicorn.Config(app, **settings))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("uvicorn did not start")
        threading.Event().wait(0.005)
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


@contextlib.contextmanager
def run_hyperfastapi(app: Any, **options: Any) -> Iterator[int]:
    """Our server on a free port, which is yielded."""
    options.setdefault("lifespan", "off")
    lifespan = options.pop("lifespan") != "off"
    server = ThreadServer(app, lifespan=lifespan, **options)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


SERVERS = {
    "uvicorn": (run_uvicorn, "uvicorn.error"),
    "hyperfastapi": (run_hyperfastapi, "hyperfastapi.error"),
}
