"""Runs an application in process, told and asked as a server would, and nothing more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from .outcome import Outcome, described, http1
from .requests import Request, Socket, Step, Together
from .sides import Side

Application = Any


class _Exchange:
    """One request: `receive` and `send` of it, and the messages sent."""

    def __init__(self, request: Request) -> None:
        pieces = request.body or (b"",)
        self._events = [
            {"type": "http.request", "body": piece, "more_body": index + 1 < len(pieces)}
            for index, piece in enumerate(pieces)
        ]
        self._complete = asyncio.Event()
        self.messages: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if self._events and not self._complete.is_set():
            return self._events.pop(0)
        await self._complete.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._complete.set()


class _Connection:
    """One WebSocket: `receive` and `send` of it, and what the client saw."""

    def __init__(self, step: Socket) -> None:
        self._events: list[dict[str, Any]] = [{"type": "websocket.connect"}]
        for message in step.messages:
            kind = "text" if isinstance(message, str) else "bytes"
            self._events.append({"type": "websocket.receive", kind: message})
        if step.closes:
            self._events.append({"type": "websocket.disconnect", "code": 1000, "reason": ""})
        self._closed = asyncio.Event()
        self._code = 1006
        self.seen: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        if self._events:
            return self._events.pop(0)
        await self._closed.wait()
        return {"type": "websocket.disconnect", "code": self._code, "reason": ""}

    async def send(self, message: dict[str, Any]) -> None:
        kind = message["type"].removeprefix("websocket.")
        if kind == "accept":
            self.seen.append(("accept", message.get("subprotocol")))
        elif kind == "send":
            text = message.get("text")
            self.seen.append(text if text is not None else message["bytes"])
        elif kind == "close":
            refused = not self.seen
            self._code = message.get("code", 1000)
            self.seen.append(("refused", 403) if refused else ("close", self._code))
            self._closed.set()
        elif kind == "http.response.start":
            self.seen.append(("refused", message["status"]))
        elif kind == "http.response.body" and not message.get("more_body", False):
            self._closed.set()


async def _run(app: Application, scope: dict[str, Any], exchange: Any) -> BaseException | None:
    # A task for each request, in the server's context: what it sets is gone with it.
    task = asyncio.create_task(app(scope, exchange.receive, exchange.send))
    await asyncio.wait([task])
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception()


@contextlib.asynccontextmanager
async def _lifespan(app: Application, state: dict[str, Any]) -> AsyncIterator[None]:
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    task = asyncio.create_task(app(scope, events.get, answers.put))
    for event in ("startup", "shutdown"):
        await events.put({"type": f"lifespan.{event}"})
        answer = await answers.get()
        assert answer["type"] == f"lifespan.{event}.complete", answer
        if event == "startup":
            yield
    await task


async def _request(app: Application, step: Request, scope: dict[str, Any]) -> Outcome:
    exchange = _Exchange(step)
    exception = await _run(app, scope, exchange)
    return Outcome(http1(step.method, exchange.messages), described(exception))


async def _socket(app: Application, step: Socket, scope: dict[str, Any]) -> Outcome:
    connection = _Connection(step)
    exception = await _run(app, scope, connection)
    return Outcome(repr(connection.seen).encode(), described(exception))


async def _drive(
    side: Side, app: Application, steps: tuple[Step, ...], lifespan: bool, root_path: str
) -> list[Outcome]:
    state: dict[str, Any] = {}
    outcomes: list[Outcome] = []

    async def take(step: Step) -> list[Outcome]:
        if isinstance(step, Request):
            return [await _request(app, step, step.scope(root_path, state))]
        if isinstance(step, Socket):
            return [await _socket(app, step, step.scope(root_path, state))]
        if isinstance(step, Together):
            running = [_request(app, r, r.scope(root_path, state)) for r in step.requests]
            return list(await asyncio.gather(*running))
        step(app)
        return [Outcome()]

    async with contextlib.AsyncExitStack() as stack:
        if lifespan:
            await stack.enter_async_context(_lifespan(app, state))
        outcomes.append(Outcome(notes=side.take_notes()))
        for step in steps:
            taken = await take(step)
            taken[0].notes = side.take_notes()
            outcomes += taken
    outcomes.append(Outcome(notes=side.take_notes()))
    return outcomes


def run(
    side: Side, app: Application, steps: tuple[Step, ...], *, lifespan: bool, root_path: str
) -> list[Outcome]:
    """Start the application, take the steps, shut it down.

    Returns:
        the outcome of the start, of each step and of the end.
    """
    loop = asyncio.new_event_loop()
    try:
        outcomes = loop.run_until_complete(_drive(side, app, steps, lifespan, root_path))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    return outcomes
