"""`@app.middleware("http")` and `BaseHTTPMiddleware` without a task group and memory streams.

The middleware's dispatch function is the application's own and gets a real request. What it calls
as `call_next` runs what is inside in a task of its own, as Starlette does, and takes a response
that is there as a whole from it at once. A response that comes in messages (a stream, a file,
whatever middleware in between sends) goes through a memory stream of AnyIO's, as in Starlette, with
the same turns of both sides. What the application can see keeps its order.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from types import coroutine
from typing import Any, NoReturn

import anyio
from anyio import CancelScope
from anyio._backends import _asyncio as backend
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectSendStream
from starlette import _utils
from starlette.middleware import base
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from . import Unknown
from .cancel_scopes import TASK_STATES, scope_of
from .native_class import is_native, own_class, replace_call, step_aside
from .stage_middleware import Pieces, send_in_pieces
from .whole_send import WholeSend, wrapped_by

_base: Any = base
_backend: Any = backend
_make_group: Any = getattr(_utils, "create_collapsing_task_group", None)
_call: Any = BaseHTTPMiddleware.__call__
_CachedRequest: Any = getattr(base, "_CachedRequest", None)
_StreamingResponse: Any = getattr(base, "_StreamingResponse", None)
_send_streaming: Any = vars(_StreamingResponse).get("__call__") if _StreamingResponse else None

_TASK_NAME = (
    "starlette.middleware.base.BaseHTTPMiddleware.__call__.<locals>.call_next.<locals>.coro"
)
_KNOWN_VARIABLES = {
    "app_exc", "exception_already_raised", "recv_stream", "response_sent", "send_stream",
    "task_group", "wrapped_receive",
}  # fmt: skip
_SCOPE_ATTRIBUTES = {"_tasks", "_child_scopes", "_parent_scope", "_host_task"}
# What a request is made of: older releases of Starlette give it no `send` there.
_request_takes = len(inspect.signature(_CachedRequest).parameters) if _CachedRequest else 0
_starts_eagerly = sys.version_info >= (3, 12)
# Whether the sending side of a memory stream lets the loop take a turn before it looks.
_send_code: Any = getattr(MemoryObjectSendStream.send, "__code__", None)
_send_yields = _send_code is not None and "checkpoint" in _send_code.co_names


def _known_response() -> dict[str, Any] | None:
    """Return the attributes of the response that `call_next` gives; None: others than expected."""
    if _StreamingResponse is None:
        return None
    attributes = vars(_StreamingResponse(status_code=200, content=None, info=None))
    known = {"info", "body_iterator", "status_code", "media_type", "background", "raw_headers"}
    return dict(attributes) if set(attributes) == known else None


_RESPONSE = _known_response()


@functools.cache
def _has_known_scopes() -> bool:
    scope = backend.CancelScope()
    try:
        state = _backend.TaskState(None, scope)
    except (AttributeError, TypeError):
        return False
    return (
        state.cancel_scope is scope
        and TASK_STATES is not None
        and all(hasattr(scope, name) for name in _SCOPE_ATTRIBUTES)
    )


def is_http_middleware(middleware: Any) -> bool:
    """Tell whether a middleware is a `BaseHTTPMiddleware`."""
    return isinstance(middleware, BaseHTTPMiddleware)


def check_middleware(middleware: Any) -> None:
    """Raise `Unknown` if a middleware is not one that `Passage` can stand for."""
    kind = own_class(middleware)
    if kind.__call__ is not _call or "__call__" in vars(middleware):
        raise Unknown("its __call__ is not Starlette's")
    if (
        type(kind) is not type
        or getattr(kind.__init_subclass__, "__func__", None) is not None
        or "__slots__" in vars(kind)
    ):
        raise Unknown("its class may have no subclasses")
    if (
        BaseHTTPMiddleware.__call__ is not _call
        or hasattr(_call, "__wrapped__")
        or not hasattr(_call, "__code__")
        or not set(_call.__code__.co_cellvars) >= _KNOWN_VARIABLES
        or _make_group is None
        or _CachedRequest is None
        or _RESPONSE is None
        or vars(_StreamingResponse).get("__call__") is not _send_streaming
    ):
        raise Unknown("BaseHTTPMiddleware.__call__ is not the one that is known")
    if _send_code is None:
        raise Unknown("this release of AnyIO has other memory streams")
    if not _has_known_scopes():
        raise Unknown("this release of AnyIO keeps its scopes elsewhere")


def make_native(middleware: BaseHTTPMiddleware) -> None:
    """Let a middleware run natively from now on.

    Raises:
        Unknown: it cannot; the text says why.
    """
    check_middleware(middleware)
    if not is_native(middleware):
        replace_call(middleware, call_middleware)


def _can_pass(scope: Scope) -> bool:
    """Tell whether nothing around a request can cancel what runs inside by AnyIO's scopes."""
    if scope["type"] != "http":
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and scope_of(task) is None


def _is_alone() -> bool:
    """Tell whether the server itself runs this task: no middleware further out waits for it."""
    task = asyncio.current_task()
    return task is not None and not hasattr(task.get_coro(), "cr_frame")


async def call_middleware(
    middleware: BaseHTTPMiddleware, scope: Scope, receive: Receive, send: Send
) -> None:
    """Run a middleware: in the place of `BaseHTTPMiddleware.__call__`."""
    kind: Any = type(middleware).__mro__[1]
    if kind.__call__ is not _call or not _can_pass(scope):
        if scope["type"] == "http":
            step_aside(middleware)
        await kind.__call__(middleware, scope, receive, send)
        return
    passage = Passage(middleware, scope, receive, send)
    failure: BaseException | None = None
    try:
        response = await middleware.dispatch_func(passage.request, passage.call_next)
        await passage.respond(response)
        if not passage.is_ended or len(passage.children) > 1:
            await passage.wait_for_children()
    except BaseException as exc:
        failure = exc
    passage.iterator = passage.streamed = None  # their frames refer to the passage
    if failure is None:
        failure = passage.crash
    if failure is not None:
        try:
            await passage.fail(failure)
        finally:
            failure = None
            passage.close()
    if passage.streams is not None:
        passage.close()
    if passage.failure is not None and not passage.is_raised:
        raise passage.failure


@coroutine
def _without_checkpoint(call: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Await a call that lets the loop take a turn at first, without that turn."""
    try:
        waits_for = call.send(None)
        if waits_for is None:
            waits_for = call.send(None)
    except StopIteration as end:
        return end.value
    return (yield from _rest(call, waits_for))


def _rest(call: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that has been stepped, and waits."""
    try:
        while True:
            try:
                value = yield waits_for
            except BaseException as exc:
                waits_for = call.throw(exc)
            else:
                waits_for = call.send(value)
    except StopIteration as end:
        return end.value


_go_on: Any = coroutine(_rest)


async def _whole_body(passage: Passage) -> AsyncGenerator[bytes, None]:
    passage.is_open = True
    if passage.body:
        yield passage.body


class Passage(WholeSend):
    """One request on its way through one middleware; what is inside has it for its `send`.

    Args:
        middleware: whose call it is.
        scope: the request's.
        receive: from outside.
        send: to the outside.
    """

    __slots__ = (
        "body",
        "children",
        "crash",
        "event",
        "failure",
        "headers",
        "inner_of",
        "is_cut",
        "is_ended",
        "is_open",
        "is_raised",
        "is_read_quickly",
        "is_relayed",
        "is_sent",
        "iterator",
        "middleware",
        "outside",
        "receivers",
        "request",
        "scope",
        "status",
        "streamed",
        "streams",
        "waiter",
    )

    def __init__(
        self, middleware: BaseHTTPMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.middleware = middleware
        self.scope = scope
        self.outside = send
        self.request: Any = _CachedRequest(*(scope, receive, send)[:_request_takes])
        owner = getattr(receive, "__self__", None)
        self.inner_of: Passage | None = owner if type(owner) is Passage else None
        self.is_read_quickly = False
        self.children: list[asyncio.Task[None]] = []
        self.receivers: list[asyncio.Task[Any]] = []
        self.failure: Exception | None = None
        self.crash: BaseException | None = None
        self.is_raised = False
        self.is_ended = True
        self.is_sent = False
        self.event: anyio.Event | None = None
        self.waiter: asyncio.Future[Any] | None = None
        self.streams: tuple[Any, Any] | None = None
        self.status: int | None = None
        self.iterator: AsyncGenerator[bytes, None] | None = None
        self.is_open = False
        self.is_cut = False
        self.streamed: AsyncGenerator[Any, None] | None = None

    # --- What is inside ------------------------------------------------------------------------

    def whole(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        sender: Any,
        is_relayed: bool = False,
    ) -> bool:
        """Take a response that is complete; see `WholeSend`."""
        if self.status is not None or self.streams is not None:
            return False
        if wrapped_by(self.middleware) is not sender:
            return False
        if self.is_sent:
            return True  # nobody waits for it any more
        self.status = status
        self.headers = headers
        self.body = body
        self.is_relayed = is_relayed
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)
        return True

    def takes_streams(self) -> bool:
        """Tell whether a response that ASGI would have in pieces may be given as a whole."""
        return True

    async def sent(self) -> None:
        """Wait until the response of the middleware has been sent."""
        if not self.is_sent:
            await self._sent_event().wait()

    def _sent_event(self) -> anyio.Event:
        if self.event is None:
            self.event = anyio.Event()
        return self.event

    async def __call__(self, message: Message) -> None:
        """Take a message, as Starlette's `send` inside a middleware does."""
        if self.status is not None:
            await self.sent()
            return
        if self.streams is None:
            self.streams = anyio.create_memory_object_stream()
            if self.is_sent:
                self.streams[1].close()
            if self.waiter is not None and not self.waiter.done():
                if _send_yields:
                    await checkpoint()
                if not self.waiter.done():
                    self.waiter.set_result(message)
                    return
        try:
            await self.streams[0].send(message)
        except anyio.BrokenResourceError:
            return
        if message["type"] == "http.response.pathsend" or (
            message["type"] == "http.response.body" and not message.get("more_body", False)
        ):
            await self.sent()

    async def receive(self) -> Message:
        """Give the next event of the request, or tell that the response has been sent."""
        if self.is_sent:
            return {"type": "http.disconnect"}
        if self.is_read_quickly:
            return await self._receive_quickly()
        message: Message = {}
        async with anyio.create_task_group() as group:

            async def end_with(call: Callable[[], Awaitable[Any]]) -> Any:
                result = await call()
                group.cancel_scope.cancel()
                return result

            group.start_soon(end_with, self._sent_event().wait)
            message = await end_with(self.request.wrapped_receive)
        return message if not self.is_over() else {"type": "http.disconnect"}

    def is_over(self) -> bool:
        """Whether the response of the middleware has been sent."""
        return self.is_sent

    async def receive_body(self) -> Message:
        """Give the next event to a compiled route that reads its body and does nothing beside."""
        chain = [self]
        while chain[-1].inner_of is not None:
            chain.append(chain[-1].inner_of)
        for passage in chain:
            passage.is_read_quickly = True
        try:
            return await self.receive()
        finally:
            for passage in chain:
                passage.is_read_quickly = False

    async def _receive_quickly(self) -> Message:
        receiving = self.request.wrapped_receive()
        failure: Exception | None = None
        message: Message = {}
        try:
            waits_for = receiving.send(None)
        except StopIteration as end:
            message = end.value
        except Exception as exc:
            failure = exc
        else:
            try:
                message = await self._receive_or_sent(receiving, waits_for)
            except Exception as exc:
                failure = exc
        if failure is not None:
            await _fail_in_group(failure)
        return {"type": "http.disconnect"} if self.is_sent else message

    async def _receive_or_sent(self, receiving: Any, waits_for: Any) -> Message:
        task = asyncio.current_task()
        assert task is not None
        self.receivers.append(task)
        try:
            message: Message = await _go_on(receiving, waits_for)
        except CancelledError as exc:
            if task in self.receivers or exc.args != (self._cancellation(),):
                raise
            message = {}
        finally:
            if task in self.receivers:
                self.receivers.remove(task)
            elif sys.version_info >= (3, 11):
                task.uncancel()
        return message

    def _cancellation(self) -> str:
        return f"Cancelled via cancel scope {id(self):x}"

    def set_sent(self) -> None:
        """The response of the middleware has been sent."""
        self.is_sent = True
        if self.event is not None:
            self.event.set()
        receivers, self.receivers = self.receivers, []
        for task in receivers:
            task.cancel(self._cancellation())

    async def _run_inside(self) -> None:
        try:
            await self.middleware.app(self.scope, self.receive, self)
        except Exception as exc:
            self.failure = exc
        except CancelledError:
            raise
        except BaseException as exc:
            self.crash = exc
            if isinstance(exc, (KeyboardInterrupt, SystemExit, GeneratorExit)):
                raise  # the event loop's
        finally:
            self.is_ended = True
            if self.streams is not None:
                self.streams[0].close()
            if self.waiter is not None and not self.waiter.done():
                self.waiter.set_result(None)

    # --- What the dispatch function calls ------------------------------------------------------

    async def call_next(self, request: Request) -> Response:
        """Run what is inside, and return its response."""
        if self.children:
            return await self._call_again()
        self.is_ended = False
        loop: Any = asyncio.get_running_loop()
        running = self._run_inside()
        if (
            _starts_eagerly
            and not getattr(loop, "_ready", True)
            and loop.get_task_factory() is None
        ):
            # Nothing else of the request's waits for its turn: what is inside has the next one.
            options: dict[str, Any] = {"eager_start": True}
            self.children.append(asyncio.Task(running, loop=loop, name=_TASK_NAME, **options))
        else:
            self.children.append(loop.create_task(running, name=_TASK_NAME))
            await asyncio.sleep(0)
        message: Message | None = None
        has_waited = self.status is None and self.streams is None and not self.is_ended
        if has_waited:
            self.waiter = loop.create_future()
            message = await self.waiter
            self.waiter = None
        if self.status is not None:
            return self._whole_response(self.status)
        if self.streams is not None:
            return await self._response_of_messages(self.streams[1], message)
        streams = anyio.create_memory_object_stream[Message]()
        with streams[1], streams[0]:
            return await self._response_of_none(*streams, has_waited=has_waited)

    def _whole_response(self, status: int) -> Response:
        self.iterator = _whole_body(self)
        response: Response = _StreamingResponse.__new__(_StreamingResponse)
        attributes = vars(response)
        attributes.update(_RESPONSE or {})
        attributes["body_iterator"] = self.iterator
        attributes["status_code"] = status
        attributes["raw_headers"] = self.headers
        return response

    async def _response_of_none(
        self, sending: Any, receiving: Any, *, has_waited: bool
    ) -> Response:
        """Raise what is raised where no response comes, as a stream's end makes it."""
        call = receiving.receive()
        try:
            if has_waited:
                call.send(None)
                call.send(None)
            sending.close()
            await _without_checkpoint(call)
        except anyio.EndOfStream:
            self._raise_no_response()
        raise AssertionError

    def _raise_no_response(self) -> NoReturn:
        failure = self.failure
        if failure is not None:
            self.is_raised = True
            raise failure from failure.__cause__ or failure.__context__
        raise RuntimeError("No response returned.")

    async def _response_of_messages(self, receiving: Any, message: Message | None) -> Response:
        info = None
        try:
            if message is None:
                message = await _without_checkpoint(receiving.receive())
            while message["type"] in ("http.response.debug", "http.response.early_hint"):
                if message["type"] == "http.response.debug":
                    info = message["info"]
                else:
                    await self.outside(message)
                message = await receiving.receive()
        except anyio.EndOfStream:
            self._raise_no_response()
        if message is None or message["type"] != "http.response.start":
            raise AssertionError

        async def body_stream() -> AsyncGenerator[Any, None]:
            async for message in receiving:
                if message["type"] == "http.response.pathsend":
                    yield message
                    break
                if message["type"] != "http.response.body":
                    raise AssertionError(f"Unexpected message: {message}")
                body = message.get("body", b"")
                if body:
                    yield body
                if not message.get("more_body", False):
                    break
            else:
                self.is_cut = self.failure is not None

        self.streamed = body_stream()
        response: Response = _StreamingResponse(
            status_code=message["status"], content=self.streamed, info=info
        )
        response.raw_headers = message.get("headers", [])
        return response

    async def _call_again(self) -> Response:
        """Run what is inside once more, where Starlette's streams would be by now."""
        if self.streams is None:
            self.streams = anyio.create_memory_object_stream()
            if self.status is not None and not self.is_open:
                # The body of the first response, which nobody has taken, comes first.
                body = {"type": "http.response.body", "body": self.body}
                waiting = self.streams[0].send(body)
                waiting.send(None)
                if _send_yields:
                    waiting.send(None)
            elif self.status is None and self.is_ended:
                self.streams[0].close()
        self.status = None
        self.waiter = None
        loop = asyncio.get_running_loop()
        self.is_ended = False
        self.children.append(loop.create_task(self._run_inside(), name=_TASK_NAME))
        await asyncio.sleep(0)
        return await self._response_of_messages(self.streams[1], None)

    # --- The middleware's response ------------------------------------------------------------

    async def respond(self, response: Any) -> None:
        """Send what the dispatch function has returned."""
        iterator = self.iterator
        if (
            iterator is not None
            and type(response) is _StreamingResponse
            and response.body_iterator is iterator
            and not self.is_open
            and iterator.ag_frame is not None
            and response.info is None
        ):
            await self._pass_on(response)
        elif type(response) is _StreamingResponse and response.body_iterator is self.streamed:
            await response(self.scope, self.request.wrapped_receive, self._send_unless_cut)
        else:
            await response(self.scope, self.request.wrapped_receive, self.outside)
        self.set_sent()
        if self.streams is not None:
            self.streams[1].close()

    async def _send_unless_cut(self, message: Message) -> None:
        """Send a message of the streamed response, but not the end of one that has failed inside.

        Starlette ends it as if it were complete, and raises what has failed afterwards.
        """
        is_end = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not (is_end and self.is_cut):
            await self.outside(message)

    async def _pass_on(self, response: Any) -> None:
        """Send a whole response as its own `__call__` would."""
        send, background = self.outside, response.background
        if (
            isinstance(send, WholeSend)
            and send.takes_streams()
            and send.whole(
                response.status_code, response.raw_headers, self.body, self.middleware, True
            )
        ):
            if background or not self.is_ended:
                await send.sent()
        else:
            takes_turns = not _is_alone()
            pieces = Pieces(self.body, b"", takes_turns, takes_turns and self.is_relayed)
            await send_in_pieces(send, response.status_code, response.raw_headers, pieces)
        if background:
            await background()

    async def wait_for_children(self) -> None:
        """Wait until all that was called is through."""
        living = [child for child in self.children if not child.done()]
        if living:
            await asyncio.wait(living)

    async def fail(self, failure: BaseException) -> None:
        """Raise what has ended the middleware, as it leaves Starlette's task group."""
        living = [child for child in self.children if not child.done()]
        async with _make_group() as group:
            for child in living:
                _adopt(child, group.cancel_scope)
                group.start_soon(_outlast, child, group.cancel_scope)
            if self.crash is not None and self.crash is not failure:
                group.start_soon(_fail, self.crash)
            raise failure

    def close(self) -> None:
        """Close the streams, as the end of Starlette's call does."""
        if self.streams is not None:
            self.streams[1].close()
            self.streams[0].close()


def body_of(receive: Receive) -> Receive:
    """Return what gives a compiled route its body: `receive` itself, or a shorter way."""
    owner = getattr(receive, "__self__", None)
    return owner.receive_body if type(owner) is Passage else receive


async def _fail(failure: BaseException) -> None:
    raise failure


async def _fail_in_group(failure: Exception) -> None:
    """Raise an exception as it leaves the task group in which Starlette receives."""
    async with anyio.create_task_group():
        raise failure


def _adopt(task: asyncio.Task[Any], scope: Any) -> None:
    """Put a task that runs into a scope, as if a task group had started it there."""
    root = scope_of(task)
    if root is None:
        TASK_STATES[task] = _backend.TaskState(id(scope._host_task), scope)
        scope._tasks.add(task)
        return
    while root._parent_scope is not None:
        root = root._parent_scope
    root._parent_scope = scope
    scope._child_scopes.add(root)


async def _outlast(task: asyncio.Task[Any], scope: Any) -> None:
    """Wait for a task that has been adopted, whatever is cancelled."""
    with CancelScope(shield=True):
        await asyncio.wait([task])
    scope._tasks.discard(task)
    TASK_STATES.pop(task, None)
