"""What the application did: the exceptions it raised and whether its calls are over.

TestClient raises the application's exceptions and returns only after background tasks and
dependency exits. Across a socket neither is visible, so one of two recorders tells:
`WrappedApp` around the application, or `LoggedExceptions` beside a bare one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Call:
    """One call of the application, for one request or one WebSocket."""

    kind: str
    client_port: int
    exception: BaseException | None = None
    over: threading.Event = field(default_factory=threading.Event)
    sent: list[Message] = field(default_factory=list)


class WrappedApp:
    """An opaque ASGI application around the real one that records every call."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.calls: list[Call] = []
        self.lifespan_exception: BaseException | None = None
        self.lifespan_state: dict[str, Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.lifespan_state = scope.get("state")
            try:
                await self._app(scope, receive, send)
            except BaseException as exception:
                self.lifespan_exception = exception
                raise
            return
        client = scope.get("client") or ("", 0)
        call = Call(scope["type"], client[1])
        self.calls.append(call)

        async def recording_send(message: Message) -> None:
            call.sent.append(message)
            await send(message)

        try:
            is_websocket = call.kind == "websocket"
            await self._app(scope, receive, recording_send if is_websocket else send)
        except BaseException as exception:
            call.exception = exception
            raise
        finally:
            call.over.set()


class LoggedExceptions(logging.Handler):
    """The exceptions that a server reports on its loggers."""

    def __init__(self, logger_names: tuple[str, ...]) -> None:
        super().__init__(level=logging.NOTSET)
        self.seen: list[BaseException] = []
        self._loggers = [logging.getLogger(name) for name in logger_names]
        for logger in self._loggers:
            logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.seen.append(record.exc_info[1])

    def detach(self) -> None:
        for logger in self._loggers:
            logger.removeHandler(self)
