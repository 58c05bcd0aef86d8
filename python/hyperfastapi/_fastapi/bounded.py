"""A handler that may end early, while it runs: see hyperfastapi.cancellation."""

from __future__ import annotations

import asyncio
import math
from asyncio import CancelledError
from typing import Any

from fastapi import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive

from hyperfastapi.cancellation import Bounds

from .cancel_scopes import scope_of

CLIENT_GONE = 499
"""The status that is noted for a request whose client did not wait for an answer."""


GONE_MESSAGE = "Cancelled by hyperfastapi: the client has gone"
LATE_MESSAGE = "Cancelled by hyperfastapi: the time is up"

_AGAIN_SECONDS = 0.02
_COUNTS = hasattr(asyncio.Task, "uncancel")  # from Python 3.11 on


def _is_shielded(task: asyncio.Task[Any]) -> bool:
    """Tell whether a task is inside of a cancel scope of AnyIO's that shields it."""
    scope = scope_of(task)
    while scope is not None:
        if scope.shield:
            return True
        scope = getattr(scope, "_parent_scope", None)
    return False


class ClientGone(ClientDisconnect):
    """Ends the handler of a client that has gone; dependencies that yield see it."""


def gone_response() -> Response:
    """Make what is answered to a client that has gone: nothing that anybody would read."""
    return Response(status_code=CLIENT_GONE)


def begin_bounds(bounds: Bounds, receive: Receive | None) -> Bounded:
    """Begin a handler that may end early, in its task.

    Args:
        bounds: the route's.
        receive: what tells that the client has gone; None: somebody calls `leave()`.
    """
    return Bounded(bounds, receive)


class Bounded:
    """The dependencies and the endpoint of one request, in its task.

    A cancel scope of AnyIO's would not do: those of dependencies that yield outlive the endpoint.

    Args:
        bounds: the route's.
        receive: what tells that the client has gone; None: somebody calls `leave()`.
    """

    def __init__(self, bounds: Bounds, receive: Receive | None) -> None:
        self._loop = asyncio.get_running_loop()
        task: Any = asyncio.current_task()
        self._task = task
        self._cancelling = task.cancelling() if _COUNTS else 0
        self._end_of_time = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        self._has_gone = False
        self._is_due = False
        self._is_cancelled = False
        self._is_open = True
        if bounds.time_limit is not None:
            self._end_of_time = self._loop.time() + bounds.time_limit
            self._timer = self._loop.call_at(self._end_of_time, self._cancel)
        if receive is not None:
            self._listener = self._loop.create_task(self._listen(receive))

    async def _listen(self, receive: Receive) -> None:
        while self._is_open:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._lose_client()
                return

    def leave(self) -> None:
        """Note that the client has gone. For callers outside of the loop's own calls."""
        self._loop.call_soon(self._lose_client)

    def _lose_client(self) -> None:
        if self._is_open and not self._is_due:
            self._has_gone = True
            self._cancel()

    def _cancel(self) -> None:
        self._is_due = True
        if not self._is_open or self._is_cancelled:
            return
        if _is_shielded(self._task):
            self._timer = self._loop.call_later(_AGAIN_SECONDS, self._cancel)
            return
        self._is_cancelled = True
        self._task.cancel(GONE_MESSAGE if self._has_gone else LATE_MESSAGE)

    def end(self, exc: BaseException | None) -> BaseException | None:
        """End it, in the same task.

        Args:
            exc: what it has raised; None: it is through.

        Returns:
            What is to be raised instead of that; None: it stays as it is.
        """
        self.drop()
        left = self._task.uncancel() if self._is_cancelled and _COUNTS else self._cancelling
        if exc is not None and not (
            isinstance(exc, CancelledError) and self._is_cancelled and left <= self._cancelling
        ):
            return None
        if self._has_gone:
            return ClientGone()
        if self._is_due or self._loop.time() >= self._end_of_time:
            return HTTPException(504)
        return None

    def drop(self) -> None:
        """Let it be: its task does not go on."""
        self._is_open = False
        for each in (self._timer, self._listener):
            if each is not None:
                each.cancel()
