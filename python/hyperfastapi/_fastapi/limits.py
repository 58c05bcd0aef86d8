"""Limits of request bodies: `max_body_size` of applications, routers and routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import copy
from typing import Any

from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from . import Unknown

try:
    from fastapi import _body_limit
    from starlette.middleware.body_limit import RequestBodyLimitMiddleware

    _KINDS: tuple[Any, ...] = (
        RequestBodyLimitMiddleware,
        getattr(_body_limit, "_BodyLimitExceptionMiddleware", RequestBodyLimitMiddleware),
    )
    _error_of: Callable[[Exception], Exception | None] | None = _body_limit.get_body_limit_error
except (ImportError, AttributeError):  # releases without limits
    _KINDS = ()
    _error_of = None

SCOPE_KEY = "starlette.max_body_size"


def limiters_of(app: Any) -> list[Any]:
    """Return the limiters around an application, outermost first."""
    found: list[Any] = []
    while type(app) in _KINDS:
        found.append(app)
        app = app.app
    return found


def inside(app: Any) -> Any:
    """Return what the limiters around an application call."""
    limiters = limiters_of(app)
    return limiters[-1].app if limiters else app


class Limiter:
    """What limits the bodies of one route's requests.

    Args:
        limiters: FastAPI's own middleware, outermost first.

    Attributes:
        limit: the most bytes of a body.
        guards: what stays as it is while the limit does.

    Raises:
        Unknown: the limit is no plain number.
    """

    def __init__(self, limiters: list[Any]) -> None:
        sizes = [each.max_body_size for each in limiters if hasattr(each, "max_body_size")]
        if not sizes or any(type(size) is not int or size < 0 for size in sizes):
            raise Unknown("its max_body_size is no number of bytes")
        self._limiters = limiters
        self.limit: int = sizes[-1]
        self.guards: list[tuple[Any, str, Any]] = [
            (each, name, getattr(each, name))
            for each in limiters
            for name in ("app", "max_body_size")
            if hasattr(each, name)
        ]

    async def __call__(
        self,
        enter: Callable[[Scope, Receive, Send], Awaitable[None]],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer a request inside of the limiters.

        Args:
            enter: what answers it there.
            scope: the request's.
            receive: the server's, or a middleware's.
            send: the server's, or a middleware's.
        """
        raised: Exception | None = None
        escaped: Exception | None = None

        async def entered(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal raised
            try:
                await enter(scope, receive, send)
            except Exception as exc:
                raised = exc
                raise

        app: ASGIApp = entered
        for each in reversed(self._limiters):
            limiter = copy(each)
            limiter.app = app
            app = limiter

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal escaped
            try:
                await app(scope, receive, send)
            except Exception as exc:
                if exc is not raised:
                    raise
                escaped = exc  # the handlers have been asked

        # What the limiters raise is answered by the handlers around FastAPI's router.
        await wrap_app_handling_exceptions(limited, Request(scope, receive, send))(
            scope, receive, send
        )
        if escaped is not None:
            raise escaped


def limiter_of(app: Any, *around: Any) -> Limiter | None:
    """Return what limits the bodies of requests for an application; None: nothing does.

    Args:
        app: as it is called for a request.
        around: limiters further outside, outermost first.

    Raises:
        Unknown: the limit is no plain number.
    """
    limiters = [*around, *limiters_of(app)]
    return Limiter(limiters) if limiters else None


def limit_of_application(app: Any, stack: list[Any]) -> int | None:
    """Return the limit of an application's own; None: it has none.

    Args:
        app: a FastAPI application.
        stack: its middleware, outermost first.

    Raises:
        Unknown: its stack and its router differ.
    """
    around_router = limiter_of(app.router.middleware_stack)
    around_app = next(
        (limiter_of(each.app) for each in stack if type(each).__name__ == OUTERMOST), None
    )
    outer = None if around_app is None else around_app.limit
    inner = None if around_router is None else around_router.limit
    if outer != inner:
        raise Unknown("the application and its router have limits of bodies that differ")
    return outer


OUTERMOST = "AppBodyLimitMiddleware"
"""The name of the middleware that the limiters of an application are inside of."""


def limit_error(exc: Exception, scope: Scope) -> Exception | None:
    """Return what FastAPI raises in the place of a group of errors of limiters; None: nothing."""
    if _error_of is None or SCOPE_KEY not in scope:
        return None
    return _error_of(exc)
