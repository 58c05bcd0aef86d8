"""Streaming and file responses on our own server, without what other servers need for them.

Starlette's classes listen for the client's departure in a task group around each response, look at
files in worker threads and read them piece by piece. Here the server tells of the departure, and
sends files itself. Whatever is not Starlette's own code is called as it is.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from types import AsyncGeneratorType, FrameType, FunctionType, GeneratorType
from typing import Any, Protocol, cast

import anyio
from anyio import CancelScope
from fastapi.sse import KEEPALIVE_COMMENT
from starlette import _utils, responses
from starlette.concurrency import iterate_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import (
    FileResponse,
    MalformedRangeHeader,
    PlainTextResponse,
    RangeNotSatisfiable,
    Response,
    StreamingResponse,
)
from starlette.types import Message, Receive, Scope, Send

from .cancel_scopes import TASK_STATES, scope_of
from .streams import (
    Events,
    asynchronous_lines,
    asynchronous_pieces,
    ping_interval,
    synchronous_lines,
)


class Pump(Awaitable[None], Protocol):
    """Sends the items of a stream.

    Attributes:
        silence: seconds since the last item came.
        is_full: an item waits until the client has taken some of those before it.
    """

    silence: float
    is_full: bool


class Run(Protocol):
    """A request of our server on its way."""

    def watch(self, on_gone: Callable[[], object] | None, /) -> None:
        """Have a function called once when the client has gone, or no longer.

        Args:
            on_gone: what is called, at once if the client has gone already; None: nothing.
        """

    def pump(
        self,
        source: AsyncIterator[Any] | Iterator[Any],
        is_sync: bool,
        kind: int,
        takes_turns: bool,
        holds: bool,
        serialize: Callable[[Any], Any],
        /,
    ) -> Pump:
        """Have the items of a stream sent, each by itself.

        Args:
            source: what they are taken from.
            is_sync: whether it is stepped in worker threads; otherwise it is asynchronous.
            kind: what they are: pieces, lines of JSON or server-sent events.
            takes_turns: whether other tasks have a turn behind each.
            holds: whether those that are there at once may leave together.
            serialize: makes the bytes of those that the core does not write.
        """


# Names in it that are not public.
_responses: Any = responses

_make_group: Any = getattr(_utils, "create_collapsing_task_group", None)

_STREAM_METHODS = ("__call__", "listen_for_disconnect")
_FILE_METHODS = (
    "__call__",
    "_handle_simple",
    "_handle_single_range",
    "_handle_multiple_ranges",
    "generate_multipart",
    "_open_file",
    "_should_use_range",
    "_parse_range_header",
    "set_stat_headers",
)


def _code_of(kind: type, names: tuple[str, ...]) -> tuple[Any, ...]:
    found = (getattr(kind, name, None) for name in names)
    return tuple(getattr(each, "__func__", each) for each in found)


_STREAM_CODE = _code_of(StreamingResponse, _STREAM_METHODS)
_FILE_CODE = _code_of(FileResponse, _FILE_METHODS)


def is_in_scope() -> bool:
    """Tell whether the current task is inside a cancel scope of AnyIO's, or may be."""
    if TASK_STATES is None:
        return True
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return task is not None and scope_of(task) is not None


def send_by_server(
    response: Response, scope: Scope, receive: Receive, send: Send, run: Run, listens: bool
) -> Awaitable[None]:
    """Send a response that is not in one piece.

    Args:
        response: what an endpoint has returned.
        scope: the request's.
        receive: the server's.
        send: the server's.
        run: the request's.
        listens: whether nobody has to `receive()` while a stream is sent.
    """
    kind = type(response)
    if kind is Events:
        return _send_events(response, send, run)  # type: ignore[arg-type]
    if listens and _make_group is not None and _code_of(kind, _STREAM_METHODS) == _STREAM_CODE:
        return _send_stream(response, send, run)  # type: ignore[arg-type]
    if _code_of(kind, _FILE_METHODS) == _FILE_CODE:
        return _send_file(response, scope, receive, send)  # type: ignore[arg-type]
    return response(scope, receive, send)


_ITERATE = cast(FunctionType, iterate_in_threadpool).__code__


def _sync_iterable(body: Any) -> Iterable[Any] | None:
    """Return what Starlette would iterate over in AnyIO's threads; None: it does not."""
    if type(body) is not AsyncGeneratorType or body.ag_code is not _ITERATE or not body.ag_frame:
        return None
    names = body.ag_frame.f_locals
    return None if "as_iterator" in names else cast("Iterable[Any]", names["iterator"])


_STREAM_ITSELF = StreamingResponse.stream_response
_PIECES, _LINES, _EVENTS = range(3)


class _Source:
    """What a stream takes its items from, and what is to be done with them.

    Args:
        response: the stream.

    Attributes:
        items: an iterator.
        is_sync: its steps are for worker threads; otherwise it is asynchronous.
        kind: what an item is; the numbers are those of glue/stream_item.h.
        takes_turns: whether other tasks have a turn behind each item.
        serialize: makes the bytes of an item that the core does not write.
    """

    def __init__(self, response: StreamingResponse) -> None:
        self.kind = _PIECES
        self.takes_turns = False
        self.serialize: Callable[[Any], Any] = lambda piece: piece.encode(response.charset)
        body: Any = response.body_iterator
        iterable: Any = _sync_iterable(body)
        self.is_sync = iterable is not None
        if iterable is not None:
            if (items := _argument(iterable, synchronous_lines, "items")) is not None:
                self._take_lines(iterable.gi_frame)
                iterable = items
            self.items = iter(iterable)
            return
        if (items := _argument(body, asynchronous_pieces, "items")) is not None:
            self.takes_turns = True
            body = items
        elif (items := _argument(body, asynchronous_lines, "items")) is not None:
            self.takes_turns = True
            self._take_lines(body.ag_frame)
            body = items
        self.items = body.__aiter__()

    def _take_lines(self, frame: FrameType) -> None:
        self.kind = _LINES
        self.serialize = frame.f_locals["serialize"]


def _argument(body: Any, function: Any, name: str) -> Any:
    """Return an argument that a generator of a function was made with, if it has not begun."""
    if type(body) is AsyncGeneratorType:
        code, frame = body.ag_code, body.ag_frame
    elif type(body) is GeneratorType:
        code, frame = body.gi_code, body.gi_frame
    else:
        return None
    if code is not function.__code__ or frame is None or "item" in frame.f_locals:
        return None
    return frame.f_locals[name]


async def _stream_by_core(response: StreamingResponse, send: Send, run: Run) -> None:
    """Do what StreamingResponse.stream_response() does."""
    headers = response.raw_headers
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    source = _Source(response)
    # Where a length is declared, each piece is checked against it before the next one is made.
    holds = all(name.lower() != b"content-length" for name, _ in headers)
    await run.pump(
        source.items, source.is_sync, source.kind, source.takes_turns, holds, source.serialize
    )
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_stream(response: StreamingResponse, send: Send, run: Run) -> None:
    gone = CancelScope()
    loop = asyncio.get_running_loop()
    is_plain = getattr(type(response), "stream_response", None) is _STREAM_ITSELF

    async def stream() -> None:
        with gone:
            if is_plain:
                await _stream_by_core(response, send, run)
            else:
                await response.stream_response(send)

    task = loop.create_task(stream(), name=_TASK_NAME)
    run.watch(partial(loop.call_soon, gone.cancel))
    cancelled = _cancellations()
    failure: Exception | None = None
    try:
        await task
    except asyncio.CancelledError:
        # What the generator has let through itself stays inside of Starlette's task group.
        if cancelled is None or not task.cancelled() or _cancellations() != cancelled:
            raise
    except Exception as exc:
        failure = exc
    finally:
        run.watch(None)
    if failure is not None:
        await _fail_in(_make_group, failure)
    if response.background is not None:
        await response.background()


def _cancellations() -> int | None:
    """Count what has been asked of the current task; None: that is not known, as in Python 3.10."""
    task = asyncio.current_task()
    cancelling = getattr(task, "cancelling", None)
    return None if cancelling is None else cast("int", cancelling())


async def _fail_in(make_group: Callable[[], Any], failure: Exception) -> None:
    """Raise an exception as it comes out of a task group, contexts and all.

    Args:
        make_group: makes a group such as Starlette or FastAPI has around what has failed.
        failure: the exception.
    """

    async def fail() -> None:
        raise failure

    async with make_group() as tasks:
        tasks.start_soon(fail)
        await anyio.sleep_forever()


_TASK_NAME = "starlette.responses.StreamingResponse.__call__.<locals>.wrap"


class _Pings:
    """Sends a ping whenever a stream of events has been silent for a while.

    Args:
        loop: the event loop.
        send: the server's.
        pump: what sends the events.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Send, pump: Pump) -> None:
        self._loop = loop
        self._send = send
        self._pump = pump
        self._task: asyncio.Task[None] | None = None
        self._last = loop.time()
        self._handle = loop.call_later(ping_interval(), self._look)

    def _look(self) -> None:
        silence = min(self._pump.silence, self._loop.time() - self._last)
        rest = ping_interval() - silence
        if rest <= 0:
            if not self._pump.is_full:
                self._task = self._loop.create_task(self._ping())
            self._last = self._loop.time()
            rest = ping_interval()
        self._handle = self._loop.call_later(rest, self._look)

    async def _ping(self) -> None:
        await self._send(
            {"type": "http.response.body", "body": KEEPALIVE_COMMENT, "more_body": True}
        )

    async def stop(self) -> None:
        """Send no more of them; one that is on its way is waited for."""
        self._handle.cancel()
        if self._task is not None:
            await self._task


async def _send_events(response: Events, send: Send, run: Run) -> None:
    failure: Exception | None = None
    try:
        await _produce_events(response, send, run)
    except Exception as exc:
        failure = exc
    if failure is not None:
        await _fail_in(anyio.create_task_group, failure)


async def _produce_events(response: Events, send: Send, run: Run) -> None:
    loop = asyncio.get_running_loop()
    iterable = _sync_iterable(response.body_iterator)
    items: Any = response.body_iterator.__aiter__() if iterable is None else iter(iterable)
    is_over = loop.create_future()
    scope = CancelScope()

    def end(*_: Any) -> None:
        if not is_over.done():
            is_over.set_result(None)

    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )
    pump = run.pump(items, iterable is not None, _EVENTS, True, True, response.serialize)
    pings = _Pings(loop, send, pump)

    async def produce() -> None:
        with scope:
            await pump

    task = loop.create_task(produce(), name=_PRODUCER_NAME)
    task.add_done_callback(end)
    run.watch(end)
    try:
        await is_over
        await pings.stop()
        if task.done():
            await task
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        if response.background is not None:
            await response.background()
    finally:
        run.watch(None)
        scope.cancel()
        await pings.stop()
        with CancelScope(shield=True):
            await asyncio.wait([task])
    await task


_PRODUCER_NAME = (
    "fastapi.routing.get_request_handler.<locals>.app.<locals>._sse_producer_cm.<locals>._producer"
)


# Older releases of Starlette answer a range of any method.
_code: Any = getattr(FileResponse.__call__, "__code__", None)
_RANGES_ARE_READ_ONLY = ("GET", "HEAD") in getattr(_code, "co_consts", ())


async def _send_file(response: FileResponse, scope: Scope, receive: Receive, send: Send) -> None:
    status = response.stat_result
    if status is None:
        try:
            status = os.stat(response.path)
            response.set_stat_headers(status)
        except FileNotFoundError:
            raise RuntimeError(f"File at path {response.path} does not exist.")  # noqa: B904
        if not stat.S_ISREG(status.st_mode):
            raise RuntimeError(f"File at path {response.path} is not a file.")
    method = scope["method"].upper()
    is_head = method == "HEAD"
    headers = Headers(scope=scope)
    wanted, condition = headers.get("range"), headers.get("if-range")
    ranges: list[tuple[int, int]] = []
    if (
        response.status_code == 200
        and wanted is not None
        and (not _RANGES_ARE_READ_ONLY or method in ("GET", "HEAD"))
        and (condition is None or response._should_use_range(condition))
    ):
        try:
            ranges = response._parse_range_header(wanted, status.st_size)
        except MalformedRangeHeader as exc:
            await PlainTextResponse(exc.content, status_code=400)(scope, receive, send)
            return
        except RangeNotSatisfiable as exc:
            refusal = {"Content-Range": f"bytes */{exc.max_size}"}
            await PlainTextResponse(status_code=416, headers=refusal)(scope, receive, send)
            return
    if not ranges:
        await response._handle_simple(send, is_head, send_pathsend=True)
    elif len(ranges) == 1:
        await _send_range(response, send, *ranges[0], status.st_size, is_head)
    else:
        await _send_ranges(response, send, ranges, status.st_size, is_head)
    if response.background is not None:
        await response.background()


def _body(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def _part(descriptor: int, start: int, end: int, *, more: bool) -> Message:
    return {
        "type": "http.response.zerocopysend",
        "file": descriptor,
        "offset": start,
        "count": end - start,
        "more_body": more,
    }


async def _send_range(
    response: FileResponse, send: Send, start: int, end: int, file_size: int, is_head: bool
) -> None:
    headers = MutableHeaders(raw=list(response.raw_headers))
    headers["content-range"] = f"bytes {start}-{end - 1}/{file_size}"
    headers["content-length"] = str(end - start)
    await send({"type": "http.response.start", "status": 206, "headers": headers.raw})
    if is_head:
        await send(_body(b"", more=False))
        return
    descriptor = os.open(response.path, os.O_RDONLY)
    try:
        await send(_part(descriptor, start, end, more=False))
    finally:
        os.close(descriptor)


# Smaller parts of a file are read, and leave together: no descriptor waits for each of them.
_READ_MAX = 64 * 1024


async def _send_ranges(
    response: FileResponse,
    send: Send,
    ranges: list[tuple[int, int]],
    file_size: int,
    is_head: bool,
) -> None:
    """Send several ranges of a file (RFC 9110 14.6), as many as Starlette lets through."""
    boundary = _responses.token_hex(13)
    content_length, header_of = response.generate_multipart(
        ranges, boundary, file_size, response.headers["content-type"]
    )
    headers = MutableHeaders(raw=list(response.raw_headers))
    headers["content-type"] = f"multipart/byteranges; boundary={boundary}"
    headers["content-length"] = str(content_length)
    await send({"type": "http.response.start", "status": 206, "headers": headers.raw})
    if is_head:
        await send(_body(b"", more=False))
        return
    descriptor = os.open(response.path, os.O_RDONLY)
    waiting = bytearray()
    try:
        for start, end in ranges:
            waiting += header_of(start, end)
            if end - start <= _READ_MAX:
                piece = os.pread(descriptor, end - start, start)
                if len(piece) < end - start:
                    raise RuntimeError(f"File at path {response.path} is shorter than expected.")
                waiting += piece
            else:
                await send(_body(bytes(waiting), more=True))
                waiting.clear()
                await send(_part(descriptor, start, end, more=True))
            waiting += b"\r\n"
            if len(waiting) > _READ_MAX:
                await send(_body(bytes(waiting), more=True))
                waiting.clear()
    finally:
        os.close(descriptor)
    await send(_body(bytes(waiting) + f"--{boundary}--".encode("latin-1"), more=False))
