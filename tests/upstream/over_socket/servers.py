"""The servers that a suite can be run over, each in a thread of the test process."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal, Protocol

import uvicorn


class ServerHandle(Protocol):
    """One server for one application. The handle owns the socket that it is given."""

    def start(self) -> None:
        """Return once connections are accepted; raise if start-up failed."""

    def stop(self, wait: bool = True) -> None:
        """Stop gracefully, running the lifespan shutdown if there is one."""

    def pending(self) -> int:
        """Count the requests whose application side is not over (background tasks included)."""


class ServerFactory(Protocol):
    """Makes a handle; `error_loggers` names the loggers that get uncaught exceptions."""

    error_loggers: tuple[str, ...]

    def __call__(
        self, app: Any, *, sock: socket.socket, lifespan: bool, root_path: str
    ) -> ServerHandle: ...


class _QuickServer(uvicorn.Server):
    """uvicorn without signal handlers, noticing `should_exit` at once rather than in 100 ms."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        while not self.should_exit:
            await asyncio.sleep(0.01)


class UvicornThread:
    """uvicorn on its httptools parser."""

    error_loggers: tuple[str, ...] = ("uvicorn.error",)
    http: Literal["httptools", "h11"] = "httptools"

    def __init__(self, app: Any, *, sock: socket.socket, lifespan: bool, root_path: str) -> None:
        self._sock = sock
        self._failure: BaseException | None = None
        self._server = _QuickServer(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="error",
                access_log=False,
                lifespan="on" if lifespan else "off",
                http=self.http,
                interface="asgi3",
                root_path=root_path,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=1,
                ws_ping_interval=None,
                ws_per_message_deflate=False,
            )
        )
        self._thread = threading.Thread(target=self._run, daemon=True, name="uvicorn")

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._sock])
        except BaseException as failure:  # SystemExit is how uvicorn reports a failed start-up
            self._failure = failure

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                self._sock.close()
                raise RuntimeError(f"server did not start: {self._failure!r}")
            time.sleep(0.001)

    def stop(self, wait: bool = True) -> None:
        self._server.should_exit = True
        if wait:
            self._thread.join(10)

    def pending(self) -> int:
        return len(self._server.server_state.tasks)


class UvicornH11Thread(UvicornThread):
    """uvicorn on its h11 parser: a second opinion on what a server cannot pass."""

    http = "h11"


_FACTORIES: dict[str, Any] = {"uvicorn": UvicornThread, "uvicorn-h11": UvicornH11Thread}
_IMPORT_NAMES = {"hyper": "hyperfastapi.testing:ThreadServer"}


def load_factory(name: str) -> ServerFactory:
    """The factory called `name`: one of the names above or "module:attribute"."""
    if name in _FACTORIES:
        return _FACTORIES[name]  # type: ignore[no-any-return]
    module, _, attribute = _IMPORT_NAMES.get(name, name).partition(":")
    return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
