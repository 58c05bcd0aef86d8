"""How FastAPI enters and leaves dependencies that yield, for runs that cannot do it all in C.

A run keeps the context managers of what has yielded itself and leaves them in C (glue/run_exits.h).
Where the application's code can see the request, they are on FastAPI's own exit stacks in its
scope; and exceptions are thrown into an exit stack in any case.
"""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import anyio.to_thread
from anyio import CancelScope, CapacityLimiter
from fastapi import routing
from fastapi.concurrency import contextmanager_in_threadpool
from fastapi.dependencies import utils as _dependencies
from fastapi.exceptions import FastAPIError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from .bounded import GONE_MESSAGE, LATE_MESSAGE

dependencies: Any = _dependencies

NONE, SYNC, ASYNC = range(3)
"""What calling a dependency gives; see enum hfa_entry in glue/plan.h."""

_INNER, _FUNCTION, _MIDDLEWARE = (
    "fastapi_inner_astack",
    "fastapi_function_astack",
    "fastapi_middleware_astack",
)

Exits = list[tuple[Any, bool]]
"""Context managers that have been entered, in that order, and whether they are asynchronous."""


# --- When a route is compiled ------------------------------------------------------------------


def entry_of(call: Any, concurrency: Any) -> tuple[int, Callable[..., Any]]:
    """Tell how a dependency is called.

    Args:
        call: its callable.
        concurrency: its limit of concurrency, or None.

    Returns:
        What the call gives (`NONE`, `SYNC` or `ASYNC`), and what is to be called.
    """
    is_async = dependencies._is_async_gen_callable(call)
    if not is_async and not dependencies._is_gen_callable(call):
        return NONE, call if concurrency is None else _limited(call, concurrency)
    make: Any = asynccontextmanager(call) if is_async else contextmanager(call)
    if concurrency is None:
        return (ASYNC if is_async else SYNC), make

    def make_limited(**values: Any) -> Any:
        manager: Any = make(**values) if is_async else contextmanager_in_threadpool(make(**values))
        return dependencies._contextmanager_with_concurrency_limit(
            manager, concurrency.get_semaphore()
        )

    return ASYNC, make_limited


def _limited(call: Any, concurrency: Any) -> Callable[..., Awaitable[Any]]:
    is_coroutine = dependencies._is_coroutine_callable(call)

    async def limited(**values: Any) -> Any:
        async with concurrency.get_semaphore():
            if is_coroutine:
                return await call(**values)
            return await run_in_threadpool(call, **values)

    return limited


def is_plain_generator(call: Any) -> bool:
    """Tell whether calling a generator function runs nothing yet."""
    return isinstance(call, FunctionType) and bool(call.__code__.co_flags & inspect.CO_GENERATOR)


# --- While a request is answered ---------------------------------------------------------------


class _InThread:
    """Leaves a context manager as FastAPI does: in a thread that no limit holds up.

    Args:
        manager: it has been entered.
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    async def leave(self, *details: Any) -> bool:
        """Leave it; the arguments are those of `__exit__`."""
        with CancelScope(shield=True):
            swallowed = await anyio.to_thread.run_sync(
                partial(self._manager.__exit__, *details), limiter=CapacityLimiter(1)
            )
        return bool(swallowed)


class ShownStack(AsyncExitStack):
    """An exit stack in a scope, mostly for nobody: what it is made of is made once it is used."""

    __init__ = object.__init__

    def __getattr__(self, name: str) -> Any:
        if name != "_exit_callbacks":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        callbacks: deque[Any] = deque()
        self._exit_callbacks = callbacks
        return callbacks


ShownStack.__name__ = ShownStack.__qualname__ = AsyncExitStack.__name__


def _has_exits(stack: AsyncExitStack) -> bool:
    return bool(vars(stack).get("_exit_callbacks"))


def _push(stack: AsyncExitStack, exits: Exits) -> AsyncExitStack:
    for manager, is_async in exits:
        stack.push_async_exit(manager if is_async else _InThread(manager).leave)
    return stack


def stack_of(exits: Exits) -> AsyncExitStack:
    """Return an exit stack that leaves what a run has entered."""
    return _push(AsyncExitStack(), exits)


def show_exits(scope: Scope, early: Exits, late: Exits) -> None:
    """Put what a run has entered on the exit stacks of its scope, which are new.

    Args:
        scope: the request's.
        early: of the function.
        late: of the request.
    """
    _push(scope[_FUNCTION], early)
    _push(scope[_INNER], late)


def exit_stack(stack: AsyncExitStack) -> AsyncExitStack | None:
    """Return the exit stack of the function or of the request, if anything is on it."""
    return stack if _has_exits(stack) else None


def unwind(stack: AsyncExitStack | None) -> Awaitable[None] | None:
    """Leave the exit stack around FastAPI's route, if there is one with anything on it."""
    return leave(stack, None) if stack is not None and _has_exits(stack) else None


async def leave(stack: AsyncExitStack, exc: BaseException | None) -> None:
    """Leave an exit stack, as the end of its block or with an exception that is raised there."""
    async with stack:
        if exc is not None:
            raise exc


_takes_request = "request" in inspect.signature(dependencies._solve_generator).parameters


def enter(
    dependant: Any, request: Request, values: dict[str, Any], is_early: bool
) -> Awaitable[Any]:
    """Enter a dependency that yields by FastAPI's own function.

    Args:
        dependant: the dependency, overrides applied.
        request: the route's.
        values: arguments of the dependency.
        is_early: whether it is left before the response is sent.
    """
    options = {"request": request} if _takes_request else {}
    entering: Awaitable[Any] = dependencies._solve_generator(
        dependant=dependant,
        stack=request.scope[_FUNCTION if is_early else _INNER],
        sub_values=values,
        **options,
    )
    return entering


def _constants(code: CodeType) -> Iterator[Any]:
    for constant in code.co_consts:
        yield constant
        if isinstance(constant, CodeType):
            yield from _constants(constant)


_NOT_AWAITED = next(
    (
        constant
        for constant in _constants(routing.request_response.__code__)
        if isinstance(constant, str) and constant.startswith("Response not awaited")
    ),
    "Response not awaited",
)


def not_awaited() -> Exception:
    """Make FastAPI's error for an exception that a dependency of the request has swallowed."""
    return FastAPIError(_NOT_AWAITED)


def _unbound() -> Any:
    response: Any
    return response  # noqa: F821


def no_response() -> Exception:
    """Make what FastAPI runs into after a dependency of the function has swallowed an exception."""
    try:
        _unbound()
    except UnboundLocalError as error:
        return error.with_traceback(None)
    raise AssertionError


def shield(exc: BaseException) -> CancelScope | None:
    """Wait for a worker thread in spite of a cancellation, where AnyIO would.

    Args:
        exc: what has been raised in the task that waits.

    Returns:
        A shielding scope of the current task, entered; None: the wait ends, as it does for
        cancellations of asyncio's own, but those of a handler that may end early.
    """
    text = exc.args[0] if isinstance(exc, CancelledError) and exc.args else None
    if not isinstance(text, str) or not text.startswith(
        ("Cancelled by cancel scope ", "Cancelled via cancel scope ", GONE_MESSAGE, LATE_MESSAGE)
    ):
        return None
    scope = CancelScope(shield=True)
    scope.__enter__()
    return scope


def inside_request(response: ASGIApp) -> ASGIApp:
    """Return an application that sends a response and leaves the request's exit stack."""

    async def send_and_leave(scope: Scope, receive: Receive, send: Send) -> None:
        is_awaited = False
        async with scope[_INNER]:
            await response(scope, receive, send)
            is_awaited = True
        if not is_awaited:
            raise not_awaited()

    return send_and_leave


def inside_middleware(app: ASGIApp) -> ASGIApp:
    """Return an application around which the exit stack of FastAPI's middleware is left."""

    async def call_and_leave(scope: Scope, receive: Receive, send: Send) -> None:
        async with scope[_MIDDLEWARE]:
            await app(scope, receive, send)

    return call_and_leave
