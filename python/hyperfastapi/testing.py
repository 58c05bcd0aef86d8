"""A server in a thread, for tests that need a real socket.

with ThreadServer(app) as server:
    httpx.get(server.url + "/items")
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from types import TracebackType
from typing import Any

from hyperfastapi._config import Config
from hyperfastapi._loop import new_event_loop
from hyperfastapi._server import Server


class ThreadServer:
    """Serves an ASGI application from a thread of this process.

    Args:
        app: the application object.
        sock: a bound TCP socket, whose descriptor the server takes over; without one the server
            binds a free port of 127.0.0.1.
        lifespan: run the application's start-up and shutdown.
        root_path: the prefix that a proxy in front would have stripped.
        settings: any other setting of `hyperfastapi run`, by its name.

    Attributes:
        error_loggers: names of the loggers that get an application's uncaught exceptions.
    """

    error_loggers = ("hyperfastapi.error",)

    def __init__(
        self,
        app: Any,
        sock: socket.socket | None = None,
        *,
        lifespan: bool = True,
        root_path: str = "",
        **settings: Any,
    ) -> None:
        if sock is None:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", 0))
        self.host, self.port = sock.getsockname()[:2]
        sock.setblocking(False)
        sock.listen(settings.get("backlog", 2048))
        settings.setdefault("access_log", False)
        settings.setdefault("proxy_headers", False)
        settings.setdefault("timeout_graceful_shutdown", 1)
        config = Config(root_path=root_path, lifespan="on" if lifespan else "off", **settings)
        self._fd = sock.detach()
        self._server = Server(config, app, [self._fd])
        self._thread = threading.Thread(target=self._run, daemon=True, name="hyperfastapi")
        self._ended = threading.Event()
        self._failure: BaseException | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``, without a slash at its end."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Start, and return once connections are accepted.

        Raises:
            RuntimeError: the application's start-up has failed.
        """
        self._thread.start()
        while not self._server.started.wait(0.01):
            if self._ended.is_set():
                if not self._server.started.is_set():
                    os.close(self._fd)
                    raise RuntimeError("the application did not start") from self._failure
                return

    def stop(self, wait: bool = True) -> None:
        """Stop gracefully.

        Args:
            wait: return only when the server has stopped, lifespan shutdown included.
        """
        self._server.request_stop()
        if wait and self._thread.is_alive():
            self._thread.join(10)

    def pending(self) -> int:
        """Count the requests whose application has not returned, background tasks included."""
        return self._server.pending()

    def __enter__(self) -> ThreadServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        loop = new_event_loop(self._server.config.loop)
        try:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(self._server.serve())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        except BaseException as failure:
            self._failure = failure
        finally:
            asyncio.set_event_loop(None)
            loop.close()
            self._ended.set()
