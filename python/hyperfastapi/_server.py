"""One worker: an event loop, the C server in it, lifespan, signals and the way out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hyperfastapi import _core
from hyperfastapi._lifespan import Lifespan
from hyperfastapi._loop import Attachment, new_event_loop
from hyperfastapi._pathsend import may_send_paths

if TYPE_CHECKING:
    from hyperfastapi._compiled import CompiledApplication
    from hyperfastapi._config import Config

logger = logging.getLogger("hyperfastapi.error")
access_logger = logging.getLogger("hyperfastapi.access")

EXIT_OK = 0
EXIT_STARTUP_FAILED = 3
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _client(scope: dict[str, Any]) -> str:
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else ""


def _target(scope: dict[str, Any]) -> str:
    path = urllib.parse.quote(scope["path"])
    query: bytes = scope["query_string"]
    return f"{path}?{query.decode('ascii')}" if query else path


def _on_access(scope: dict[str, Any], status: int) -> None:
    access_logger.info(
        '%s - "%s %s HTTP/%s" %d',
        _client(scope),
        scope["method"],
        _target(scope),
        scope["http_version"],
        status,
    )


def _on_websocket(scope: dict[str, Any], outcome: str) -> None:
    logger.info('%s - "WebSocket %s" %s', _client(scope), _target(scope), outcome)


def _on_error(message: str, argument: object, exception: BaseException | None) -> None:
    # A tuple: logging asks an exception for its truth, and one may say that it is false.
    exc_info = None
    if exception is not None:
        exc_info = (type(exception), exception, exception.__traceback__)
    if argument is None:
        logger.error(message, exc_info=exc_info)
    else:
        logger.error(message, argument, exc_info=exc_info)


def _is_fastapi(app: Any) -> bool:
    """Tell whether there is something to compile, without importing FastAPI for it."""
    if "fastapi" not in sys.modules:
        return False
    from hyperfastapi import _compiled

    return _compiled.can_prepare(app)


def _prepare(app: Any) -> CompiledApplication | None:
    if not _is_fastapi(app):
        return None
    from hyperfastapi import _compiled

    return _compiled.prepare(app)


class Server:
    """A server for one application on sockets that listen already.

    Args:
        config: every setting.
        app: the ASGI 3 application.
        fds: listening descriptors, which the server takes over.
        shared: other processes accept from the same descriptors.
    """

    def __init__(
        self, config: Config, app: Any, fds: Sequence[int], *, shared: bool = False
    ) -> None:
        self.config = config
        self.started = threading.Event()
        self.startup_failed = False
        self._app = app
        self._fds = list(fds)
        self._shared = shared
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stop_requested = False
        self._force = False
        self._core: _core.Server | None = None
        self._compiled: CompiledApplication | None = None

    def request_stop(self, *, force: bool = False) -> None:
        """Ask the server to finish what it is doing and stop; from any thread.

        Args:
            force: do not wait for requests in progress.
        """
        self._stop_requested = True
        self._force = self._force or force
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(stop.set)

    def pending(self) -> int:
        """Count the requests and WebSockets whose application has not returned yet."""
        core = self._core
        return core.pending if core is not None else 0

    def requests(self) -> int:
        """Count the requests that the application was given so far."""
        core = self._core
        return core.requests if core is not None else 0

    async def serve(self, on_started: Callable[[], None] | None = None) -> int:
        """Serve until `request_stop()`; lifespan start-up and shutdown included.

        Args:
            on_started: called once connections are accepted.

        Returns:
            0, or 3 when the application's start-up has failed.
        """
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        if self._stop_requested:
            self._stop.set()
        if self.config.lifespan != "off":
            self._compiled = _prepare(self._app)
        lifespan = Lifespan(self._app, self.config.lifespan)
        await lifespan.startup()
        if lifespan.failed:
            self.startup_failed = True
            return EXIT_STARTUP_FAILED
        core = self._core = self._new_core()
        certificates = None
        if self.config.tls_cert:
            from hyperfastapi._tls import Certificates

            certificates = Certificates(self.config, core)
        self._serve_compiled()
        attachment = Attachment(core, lifespan.state)
        try:
            while self._fds:
                core.listen(self._fds[0], self._shared)
                self._fds.pop(0)
            if certificates is not None:
                certificates.start()
            self.started.set()
            if on_started is not None:
                on_started()
            await self._until_stop(core)
            await self._drain(core)
        finally:
            if certificates is not None:
                certificates.stop()
            self._log_counts()
            core.close()
            attachment.detach()
        if not self._force:
            await lifespan.shutdown()
        return EXIT_OK

    def _log_counts(self) -> None:
        if self._compiled is None or not logger.isEnabledFor(logging.DEBUG):
            return
        compiled, bridged = self._compiled.counts()
        logger.debug("%d requests answered by compiled routes", compiled)
        for reason, count in sorted(bridged.items()):
            logger.debug("%d requests left to FastAPI: %s", count, reason)
        for name, count in sorted(self._compiled.stepped_aside().items()):
            logger.debug("%d requests left by native middleware to %s itself", count, name)

    def _serve_compiled(self) -> None:
        """Let the core answer what is compiled, unless the application is called under a path."""
        if self._core is not None and self._compiled is not None and not self.config.root_path:
            self._core.serve(self._compiled.core)

    def _call(self, *channels: Any) -> Any:
        """Call the application, and build its stack first where no lifespan has."""
        if self._compiled is None:
            self._compiled = _prepare(self._app)
            self._serve_compiled()
        return self._app(*channels)

    def _new_core(self) -> _core.Server:
        config = self.config
        compiles_late = config.lifespan == "off" and _is_fastapi(self._app)
        access = config.access_log and access_logger.isEnabledFor(logging.INFO)
        return _core.Server(
            self._call if compiles_late else self._app,
            config.as_mapping(),
            root_path=config.root_path,
            uds=config.uds,
            fields=b"".join(
                name + b": " + value + b"\r\n" for name, value in config.encoded_headers
            ),
            date=config.date_header,
            on_access=_on_access if access and access_logger.hasHandlers() else None,
            on_websocket=_on_websocket if logger.isEnabledFor(logging.INFO) else None,
            on_error=_on_error,
            trust=",".join(config.forwarded_allow_ips) if config.proxy_headers else None,
            proxy_trust=",".join(config.proxy_protocol_allow_ips) or None,
            pathsend=may_send_paths(self._app),
        )

    async def _until_stop(self, core: _core.Server) -> None:
        assert self._stop is not None
        most = self.config.limit_max_requests
        if most is None:
            await self._stop.wait()
            return
        while not self._stop.is_set() and core.requests < most:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 0.1)
        if core.requests >= most:
            logger.warning("Maximum request limit of %d exceeded. Terminating process.", most)

    async def _drain(self, core: _core.Server) -> None:
        """Let requests in progress finish, within the configured time."""
        logger.info("Shutting down")
        core.drain()
        loop = asyncio.get_running_loop()
        bound = self.config.timeout_graceful_shutdown
        deadline = None if bound is None else loop.time() + bound
        waiting = False
        while core.connections or core.pending:
            if self._force:
                break
            if deadline is not None and loop.time() >= deadline:
                break
            if core.pending and not waiting:
                logger.info("Waiting for background tasks to complete. (CTRL+C to force quit)")
                waiting = True
            await asyncio.sleep(0.01)
        core.flush()
        await self._cancel(core)

    async def _cancel(self, core: _core.Server) -> None:
        tasks = core.tasks()
        if not tasks:
            return
        logger.error("Cancel %s running task(s), timeout graceful shutdown exceeded", len(tasks))
        for task in tasks:
            task.cancel("Task cancelled, timeout graceful shutdown exceeded")
        # A task may take its time, or refuse: then the process ends without it.
        await asyncio.wait(tasks, timeout=1)


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, server: Server) -> Iterator[list[int]]:
    """Stop the server at SIGINT and SIGTERM; a second one ends it at once.

    The loop's own handlers are used: a signal that comes just before the loop waits wakes it, too.

    Yields:
        The signals that came, for the caller to raise again.
    """
    captured: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield captured
        return

    def handle(number: int) -> None:
        # A supervised process may get the same signal twice, from a service manager that signals
        # every process and from its parent: the parent alone knows what was meant.
        server.request_stop(force=bool(captured) and not server.config.supervised)
        captured.append(number)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        loop.add_signal_handler(number, handle, number)
    try:
        yield captured
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def serve(
    config: Config,
    app: Any,
    fds: Sequence[int],
    *,
    on_started: Callable[[], None] | None = None,
    shared: bool = False,
    parent_alive: int | None = None,
) -> int:
    """Serve an application in a loop of its own until a signal comes.

    Args:
        config: every setting.
        app: the ASGI 3 application.
        fds: listening descriptors, which the server takes over.
        on_started: called once connections are accepted.
        shared: other processes accept from the same descriptors.
        parent_alive: the read end of a pipe whose other end only the parent process holds: when it
            ends, so does the server.

    Returns:
        An exit code: 0, or 3 when the application's start-up has failed. A signal that ended the
        server is raised again before returning, so that the exit status tells of it.
    """
    server = Server(config, app, fds, shared=shared)
    loop = new_event_loop(config.loop)
    code = EXIT_OK
    captured: list[int] = []
    try:
        asyncio.set_event_loop(loop)
        if parent_alive is not None:
            loop.add_reader(parent_alive, _on_parent_gone, loop, server, parent_alive)
        with _signals(loop, server) as captured:
            code = loop.run_until_complete(server.serve(on_started))
    finally:
        _close(loop)
    for number in reversed(captured):
        signal.raise_signal(number)
    return code


def _on_parent_gone(loop: asyncio.AbstractEventLoop, server: Server, fd: int) -> None:
    loop.remove_reader(fd)
    server.request_stop()


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """End what is left in the loop, as `asyncio.run()` does."""
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=1))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
