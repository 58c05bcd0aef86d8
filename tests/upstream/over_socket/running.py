"""A started server with the application under test, and what is known about the application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from typing import Any

import httpx2 as httpx

from . import usage
from .recorder import ASGIApp, Call, LoggedExceptions, WrappedApp
from .servers import ServerFactory

SETTLE_SECONDS = 3.0  # bound on waiting for the application side of an answered request


def _without_traceback(record: logging.LogRecord) -> bool:
    """Let no traceback be formatted in the server's thread.

    Formatting parses source lines, and CPython before 3.12 fails when two threads parse at once
    (gh-106905): pytest's own report of an excused failure would.
    """
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = repr(record.exc_info[1])
    return True


class RunningServer:
    """One server, its application's recorder, and the HTTP connections to it."""

    def __init__(
        self,
        factory: ServerFactory,
        app: ASGIApp,
        *,
        bare: bool,
        lifespan: bool,
        root_path: str,
        http2: bool,
    ) -> None:
        """Start a server for `app` on an ephemeral loopback port.

        Raises:
            BaseException: what the application's lifespan raised, if it did; else what
                the handle raised because the server did not start.
        """
        self._http2 = http2
        self._wrapped = None if bare else WrappedApp(app)
        self._logged = LoggedExceptions(factory.error_loggers) if bare else None
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        self.port: int = sock.getsockname()[1]
        self._handle = factory(
            self._wrapped or app, sock=sock, lifespan=lifespan, root_path=root_path
        )
        for name in factory.error_loggers:
            logging.getLogger(name).addFilter(_without_traceback)
        usage.counts[usage.SERVERS] += 1
        try:
            self._handle.start()
        except BaseException as failure:
            if self._logged is not None:
                self._logged.detach()
            raise (self.lifespan_exception() or failure) from None
        self.http = self._connect()

    def _connect(self) -> httpx.HTTPTransport:
        return httpx.HTTPTransport(retries=0, http1=not self._http2, http2=self._http2)

    def stop(self, wait: bool = True) -> None:
        self.http.close()
        self._handle.stop(wait=wait)
        if self._logged is not None:
            self._logged.detach()

    def reconnect(self) -> None:
        """Use new connections: after an exception a server may close the one it came from."""
        old, self.http = self.http, self._connect()
        old.close()

    @property
    def is_bare(self) -> bool:
        return self._wrapped is None

    @property
    def lifespan_state(self) -> dict[str, Any]:
        """The lifespan's state, as far as it can be seen from outside."""
        return (self._wrapped.lifespan_state if self._wrapped else None) or {}

    def lifespan_exception(self) -> BaseException | None:
        if self._wrapped is not None:
            return self._wrapped.lifespan_exception
        if self._logged is not None and self._logged.seen:
            return self._logged.seen[-1]
        return None

    def mark(self) -> int:
        """A point in the application's record; `settle` looks at what came after it."""
        if self._wrapped is not None:
            return len(self._wrapped.calls)
        return len(self._logged.seen) if self._logged is not None else 0

    def calls_since(self, mark: int, kind: str, client_port: int | None = None) -> list[Call]:
        """The recorded calls of a kind, of one connection or of all; none if bare."""
        calls = self._wrapped.calls[mark:] if self._wrapped is not None else []
        return [
            call for call in calls if call.kind == kind and client_port in (None, call.client_port)
        ]

    def settle(self, mark: int, kind: str, client_port: int | None = None) -> BaseException | None:
        """Wait until the application is done with what came after `mark`.

        Returns:
            The first exception that it raised, taken off the record. A cancellation is none:
            the server cancels what a test left open, and TestClient does not raise that either.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        raised: list[BaseException] = []
        if self._logged is not None:
            while self._handle.pending() and time.monotonic() < deadline:
                time.sleep(0.001)
            raised = self._logged.seen[mark:]
            del self._logged.seen[mark:]
        for call in self.calls_since(mark, kind, client_port):
            call.over.wait(max(0.0, deadline - time.monotonic()))
            if call.exception is not None:
                raised.append(call.exception)
                call.exception = None
        with contextlib.suppress(StopIteration):
            return next(e for e in raised if not isinstance(e, asyncio.CancelledError))
        return None
