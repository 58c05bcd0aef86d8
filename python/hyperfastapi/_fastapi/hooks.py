"""The objects and functions of FastAPI's and Starlette's that runs of a plan call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from copy import copy
from typing import Any, cast
from uuid import UUID

import anyio.to_thread
from fastapi.background import BackgroundTasks
from fastapi.encoders import jsonable_encoder
from fastapi.exception_handlers import (
    http_exception_handler,
    request_validation_exception_handler,
)
from fastapi.routing import APIRouter
from fastapi.security.oauth2 import SecurityScopes
from fastapi.sse import ServerSentEvent
from pydantic import BaseModel
from pydantic_core import ValidationError
from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from . import (
    bounded,
    errors,
    exit_stacks,
    forms,
    parameters,
    responses,
    sending,
    telemetry,
)
from .applications import FastAPI, own_middleware
from .route_info import RouteInfo
from .routes import INCLUSION, EffectiveRoute, form_limits_of
from .whole_send import WholeSend

_DEFAULT_HANDLERS = (http_exception_handler, request_validation_exception_handler)


def run_in_thread(call: Callable[[], None]) -> Awaitable[None]:
    """Run a callable in AnyIO's thread pool."""
    return anyio.to_thread.run_sync(call)


class Hooks:
    """The objects and functions that runs of one application use; see glue/application.h.

    Args:
        app: the application.
        middleware: the exception middleware in its stack.
        started: the message that stands for a response that has been started natively.
    """

    missing_error = staticmethod(errors.missing_error)
    field_errors = staticmethod(errors.field_errors)
    default_of = staticmethod(parameters.default_of)
    delegated = staticmethod(parameters.delegated)
    body_items = staticmethod(parameters.body_items)
    request_error = staticmethod(errors.request_error)
    body_error = staticmethod(errors.body_error)
    disconnect_error = staticmethod(errors.disconnect_error)
    response_error = staticmethod(errors.response_error)
    is_json = staticmethod(parameters.is_json)
    jsonable_encoder = staticmethod(jsonable_encoder)
    make_injected_response = staticmethod(responses.make_injected_response)
    json_response = staticmethod(responses.json_response)
    background_tasks = BackgroundTasks
    security_scopes = staticmethod(lambda scopes: SecurityScopes(scopes=scopes))
    make_uuid = UUID
    read_body = staticmethod(errors.read_body)
    run_in_thread = staticmethod(run_in_thread)
    unwind = staticmethod(exit_stacks.unwind)
    enter = staticmethod(exit_stacks.enter)
    exit_stack = staticmethod(exit_stacks.exit_stack)
    stack_of = staticmethod(exit_stacks.stack_of)
    show_exits = staticmethod(exit_stacks.show_exits)
    shown_stack = exit_stacks.ShownStack
    whole_send = WholeSend
    leave = staticmethod(exit_stacks.leave)
    no_response = staticmethod(exit_stacks.no_response)
    not_awaited = staticmethod(exit_stacks.not_awaited)
    shield = staticmethod(exit_stacks.shield)
    send_by_server = staticmethod(sending.send_by_server)
    is_in_scope = staticmethod(sending.is_in_scope)
    solve = staticmethod(parameters.solve)
    trace = staticmethod(telemetry.trace)
    begin_bounds = staticmethod(bounded.begin_bounds)
    client_gone = bounded.ClientGone
    gone_response = staticmethod(bounded.gone_response)
    form_error = staticmethod(forms.form_error)
    form_charset = staticmethod(forms.form_charset)
    form_limits = staticmethod(forms.form_limits)
    put_form_limits = staticmethod(forms.apply_limits)
    form_values = staticmethod(forms.form_values)
    spooled_file = forms.spooled_file
    fill_file = staticmethod(forms.fill_file)
    make_upload = staticmethod(forms.make_upload)
    make_form = staticmethod(forms.make_form)
    is_empty_file = staticmethod(forms.is_empty_file)
    read_form = staticmethod(forms.read_form)
    close_form = staticmethod(forms.close_form)
    response_type = Response
    response_call = staticmethod(Response.__call__)
    validation_error = ValidationError
    base_model = BaseModel
    server_sent_event = ServerSentEvent

    def __init__(self, app: FastAPI, middleware: ExceptionMiddleware, started: Message) -> None:
        self._app = app
        self.middleware = middleware
        self._started = started

    def make_request(
        self,
        info: RouteInfo | None,
        scope: Scope,
        receive: Receive,
        send: Send,
        body: bytes | None,
        parsed: Any,
        is_parsed: bool,
        form: Any,
        is_form_read: bool,
    ) -> Request | WebSocket:
        """Make what a route's handler has; its scope is as FastAPI's router leaves it."""
        if info is None:
            self.show_unrouted(scope, None)
        elif info.is_websocket:
            return WebSocket(scope, receive, send)
        request = Request(scope, receive, send)
        if body is not None:
            request._body = body
            request._stream_consumed = True
            if is_parsed:
                request._json = parsed
        if form is not None:
            request._form = form
            request._stream_consumed = is_form_read
        return request

    def describe_route(self, info: RouteInfo) -> tuple[Any, ...]:
        """Describe what a scope gets of a route, for the core to put there; see glue/run_show.c."""
        route = info.route
        middleware = self.middleware
        inclusion = None if route.selected is None else (route.included_by, route.selected)
        return (
            self._app,
            (middleware._exception_handlers, middleware._status_handlers),
            info.router,
            route.effective,
            None if info.is_plain else route.route,
            inclusion,
            route.follows_inclusion,
            info.form_limits[:-1],
        )

    def show_unrouted(self, scope: Scope, route: EffectiveRoute | None) -> None:
        """Leave in a scope what FastAPI's router leaves there when no route takes a request.

        Args:
            scope: the request's.
            route: that which matches the path, but not with this method; None: no route does.
        """
        router = self._app.router
        if route is None:
            follows = any(isinstance(each, INCLUSION) for each in router.routes)
            limits = form_limits_of(router, (), {})[:-1]
            self._show_application(scope, router, limits, follows_inclusion=follows)
            return
        follows = route.follows_inclusion
        limits = form_limits_of(router, route.inclusions, {})[:-1]
        self._show_application(scope, router, limits, follows_inclusion=follows)
        _, child_scope = route.effective.matches(scope)
        scope.update(child_scope)
        if route.context is not None:
            scope["route"] = route.route
            self._show_inclusion(scope, route)

    def _show_application(
        self,
        scope: Scope,
        router: APIRouter,
        limits: Sequence[dict[str, int]],
        *,
        follows_inclusion: bool,
    ) -> None:
        scope.setdefault("app", self._app)  # middleware may have put another there
        self._show_handlers(scope)
        scope["fastapi_middleware_astack"] = AsyncExitStack()
        scope.setdefault("router", router)
        forms.apply_limits(scope, limits)
        if follows_inclusion:
            scope.setdefault("fastapi", {})

    def _show_handlers(self, scope: Scope) -> None:
        middleware = self.middleware
        scope["starlette.exception_handlers"] = (
            middleware._exception_handlers,
            middleware._status_handlers,
        )

    @staticmethod
    def _show_inclusion(scope: Scope, route: EffectiveRoute) -> None:
        scope["fastapi"]["included_router"] = route.included_by
        scope["fastapi"]["effective_route_context"] = route.selected

    def default_answer(self, exc: Exception) -> Response | None:
        """Answer an exception, if it is FastAPI's own handlers that would.

        They look at the exception alone, and never wait.
        """
        middleware = self.middleware
        handler = None
        if isinstance(exc, HTTPException):
            handler = middleware._status_handlers.get(exc.status_code)
        if handler is None:
            handlers = middleware._exception_handlers
            handler = next((handlers[kind] for kind in type(exc).__mro__ if kind in handlers), None)
        if not any(handler is each for each in _DEFAULT_HANDLERS):
            return None
        try:
            response = parameters.result_of(cast(Any, handler)(None, exc))
        except Exception:
            return None  # it fails again where it belongs, with `exc` as its context
        exc.__traceback__ = None
        return cast(Response, response)

    async def answer(
        self,
        exc: Exception,
        request: Request,
        scope: Scope,
        receive: Receive,
        send: Send,
        started: int,
    ) -> None:
        """Raise a run's exception where FastAPI's handlers are, which answer it.

        Args:
            exc: the exception.
            request: the route's.
            scope: the request's.
            receive: the server's, or a middleware's.
            send: the server's, or a middleware's.
            started: 0: no response has been started; 1: one was, and `send` takes the message that
                says so; 2: one was, and `send` has seen it.
        """
        marker = self._started

        async def raise_again(_scope: Scope, _receive: Receive, send: Send) -> None:
            if started:
                await send(marker)
            raise exc

        send = self.send_others(send) if started == 2 else send
        await self._inside(raise_again, request, scope, receive, send)

    def send_others(self, send: Send) -> Send:
        """Return a `send` that swallows the message that says that a response was started."""
        marker = self._started

        async def send_others(message: Message) -> None:
            if message is not marker:
                await send(message)

        return send_others

    async def respond(
        self, response: ASGIApp, request: Request, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send a run's response from where FastAPI's route would, with its handlers around.

        Args:
            response: what the endpoint has returned.
            request: the route's.
            scope: the request's.
            receive: the server's, or a middleware's.
            send: the server's, or a middleware's.
        """
        if "fastapi_inner_astack" in scope:
            response = exit_stacks.inside_request(response)
        await self._inside(response, request, scope, receive, send)

    async def _inside(
        self, app: ASGIApp, request: Request, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._show_handlers(scope)
        inner: ASGIApp = wrap_app_handling_exceptions(app, request)
        middle = exit_stacks.inside_middleware(inner)
        kind = WebSocket if scope["type"] == "websocket" else Request
        outer = wrap_app_handling_exceptions(middle, kind(scope, receive, send))
        await outer(scope, receive, send)

    async def bare_stack(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application's stack as it would be without middleware of the user's."""
        scope["app"] = self._app
        stack: ASGIApp = self.middleware
        for each in reversed(own_middleware(self._app)):
            outer = copy(each)
            outer.app = stack
            stack = outer
        await stack(scope, receive, send)
