"""What FastAPI makes of endpoints that yield: JSON lines, server-sent events, pieces of any kind.

FastAPI does it in the middle of its handler, which compiled routes do not run; so here it is again,
step by step, with FastAPI's own functions.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
from anyio.abc import ObjectReceiveStream
from fastapi import routing
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import ResponseValidationError
from fastapi.sse import KEEPALIVE_COMMENT, ServerSentEvent, format_sse_event
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from . import Unknown
from .route_info import RouteInfo, endpoint_context

# Names in it that are not public.
_routing: Any = routing

MakeResponse = Callable[[Any, Response | None, Any, str, str], Response]
"""(generator, injected response, background, method, root path) -> the response."""

MakeEvents = Callable[
    [Any, Response | None, Any, str, str, Request | None], Response | Awaitable[Response]
]
"""The same for server-sent events: awaited with a request, on whose exit stack they live then;
without one at once, to be sent by our server."""


class Events(StreamingResponse):
    """Server-sent events that our server is to send; see sending.py.

    Attributes:
        serialize: makes the bytes of an event of what the endpoint yields.
    """

    serialize: Callable[[Any], bytes]


def ping_interval() -> float:
    """Return the seconds of silence after which FastAPI sends a ping."""
    return float(_routing._PING_INTERVAL)


async def asynchronous_pieces(items: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yield pieces, and let other tasks have a turn behind each."""
    async for item in items:
        yield item
        await anyio.sleep(0)


async def asynchronous_lines(
    items: AsyncIterator[Any], serialize: Callable[[Any], bytes]
) -> AsyncIterator[bytes]:
    """Yield the line of each item, and let other tasks have a turn behind each."""
    async for item in items:
        yield serialize(item)
        await anyio.sleep(0)


def synchronous_lines(items: Iterator[Any], serialize: Callable[[Any], bytes]) -> Iterator[bytes]:
    """Yield the line of each item."""
    for item in items:
        yield serialize(item)


class Stream:
    """How one route streams.

    Args:
        state: the variables of the route's handler.
        info: the route's.

    Raises:
        KeyError: the handler has not the variables that are known.
    """

    def __init__(self, state: dict[str, Any], info: RouteInfo) -> None:
        self._call = state["dependant"].call
        self._is_async = bool(_routing._is_async_gen_callable(self._call))
        self.item_field = state["stream_item_field"]
        self._status_code = state["status_code"]
        self._response_class = state["actual_response_class"]
        self._info = info
        self._options = {
            "include": state["response_model_include"],
            "exclude": state["response_model_exclude"],
            "by_alias": state["response_model_by_alias"],
            "exclude_unset": state["response_model_exclude_unset"],
            "exclude_defaults": state["response_model_exclude_defaults"],
            "exclude_none": state["response_model_exclude_none"],
        }
        self.is_events = bool(state["is_sse_stream"])
        self.make: MakeResponse | MakeEvents = self._pieces
        if self.is_events:
            self.make = self._events
        elif state["is_json_stream"]:
            self.make = self._lines

    def _arguments(self, injected: Response | None, background: Any) -> dict[str, Any]:
        arguments: dict[str, Any] = {"background": background}
        own = injected.status_code if injected is not None else None
        if self._status_code:
            arguments["status_code"] = self._status_code
        if own:
            arguments["status_code"] = own
        return arguments

    def _serialize(self, data: Any, method: str, root_path: str) -> bytes:
        if not self.item_field:
            data = jsonable_encoder(data)
            return json.dumps(_routing._normalize_non_finite_floats(data)).encode("utf-8")
        value, errors = self.item_field.validate(data, {}, loc=("response",))
        if errors:
            raise ResponseValidationError(
                errors=errors,
                body=data,
                endpoint_ctx=endpoint_context(self._info, method, root_path),
            )
        line: bytes = self.item_field.serialize_json(value, **self._options)
        return line

    def _pieces(
        self, pieces: Any, injected: Response | None, background: Any, method: str, root_path: str
    ) -> Response:
        response: Response = self._response_class(
            content=asynchronous_pieces(pieces) if self._is_async else pieces,
            **self._arguments(injected, background),
        )
        if injected is not None:
            response.headers.raw.extend(injected.headers.raw)
        return response

    def _lines(
        self, items: Any, injected: Response | None, background: Any, method: str, root_path: str
    ) -> Response:
        def serialize(item: Any) -> bytes:
            return self._serialize(item, method, root_path) + b"\n"

        lines: Any = asynchronous_lines if self._is_async else synchronous_lines
        response = StreamingResponse(
            lines(items, serialize),
            media_type="application/jsonl",
            **self._arguments(injected, background),
        )
        if injected is not None:
            response.headers.raw.extend(injected.headers.raw)
        return response

    def _event(self, item: Any, method: str, root_path: str) -> bytes:
        if not isinstance(item, ServerSentEvent):
            return format_sse_event(data_str=self._serialize(item, method, root_path).decode())
        data: str | None = None
        if item.raw_data is not None:
            data = item.raw_data
        elif item.data is not None:
            if hasattr(item.data, "model_dump_json"):
                data = item.data.model_dump_json()
            else:
                data = json.dumps(
                    _routing._normalize_non_finite_floats(jsonable_encoder(item.data))
                )
        return format_sse_event(
            data_str=data, event=item.event, id=item.id, retry=item.retry, comment=item.comment
        )

    def _events(
        self,
        items: Any,
        injected: Response | None,
        background: Any,
        method: str,
        root_path: str,
        request: Request | None,
    ) -> Response | Awaitable[Response]:
        def serialize(item: Any) -> bytes:
            return self._event(item, method, root_path)

        arguments = self._arguments(injected, background)
        if request is not None:
            stack = request.scope["fastapi_inner_astack"]
            return self._events_on(stack, items, serialize, injected, arguments)
        response = Events(
            items.__aiter__() if self._is_async else items,
            media_type="text/event-stream",
            **arguments,
        )
        response.serialize = serialize
        return _as_events(response, injected)

    async def _events_on(
        self,
        stack: AsyncExitStack,
        items: Any,
        serialize: Callable[[Any], bytes],
        injected: Response | None,
        arguments: dict[str, Any],
    ) -> Response:
        iterator = items.__aiter__() if self._is_async else iterate_in_threadpool(items)
        events = await stack.enter_async_context(_produce(iterator, serialize))
        stack.push_async_callback(events.aclose)
        response = StreamingResponse(
            _with_checkpoints(events), media_type="text/event-stream", **arguments
        )
        return _as_events(response, injected)


def _as_events(response: StreamingResponse, injected: Response | None) -> Response:
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    if injected is not None:
        response.headers.raw.extend(injected.headers.raw)
    return response


def of_route(state: dict[str, Any], info: RouteInfo) -> Stream:
    """Return how a route whose endpoint yields answers.

    Args:
        state: the handler's variables.
        info: the route's.

    Raises:
        Unknown: this release of FastAPI streams in another way.
    """
    try:
        return Stream(state, info)
    except KeyError as missing:
        raise Unknown(f"it yields, and its handler has no {missing}") from None


@asynccontextmanager
async def _produce(
    items: AsyncIterator[Any], serialize: Callable[[Any], bytes]
) -> AsyncIterator[ObjectReceiveStream[bytes]]:
    """Run a generator in a task of its own, and pings beside it where it is slow."""
    send_item, receive_item = anyio.create_memory_object_stream[bytes](max_buffer_size=1)
    send_event, receive_event = anyio.create_memory_object_stream[bytes](max_buffer_size=1)

    async def produce() -> None:
        async with send_item:
            async for item in items:
                await send_item.send(serialize(item))

    async def insert_pings() -> None:
        async with send_event, receive_item:
            try:
                while True:
                    try:
                        with anyio.fail_after(_routing._PING_INTERVAL):
                            event = await receive_item.receive()
                        await send_event.send(event)
                    except TimeoutError:
                        await send_event.send(KEEPALIVE_COMMENT)
            except anyio.EndOfStream:
                pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(produce)
        tasks.start_soon(insert_pings)
        yield receive_event
        tasks.cancel_scope.cancel()


async def _with_checkpoints(events: ObjectReceiveStream[bytes]) -> AsyncIterator[bytes]:
    async for event in events:
        yield event
        await anyio.sleep(0)
