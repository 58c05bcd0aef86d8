"""Ready-made middleware that is native where it stands, among others that are not.

CORS, GZip, TrustedHost and HTTPSRedirect get another `__call__`, which does what Starlette's does
without its coroutines and header objects, and gives a whole response on as one. Whatever is rare (a
preflight request, a refusal, a stream that is compressed) is done by Starlette's own code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, cast

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Message, Receive, Scope, Send

from hyperfastapi import _core

from . import Unknown, stages
from .native_class import is_native, replace_call, step_aside
from .whole_send import WholeSend, wrapped_by

Fields = list[tuple[bytes, bytes]]


class Native:
    """What stands for one middleware.

    Args:
        middleware: any of the kinds that are known here.

    Raises:
        Unknown: its configuration is not as expected, or its code not Starlette's.
    """

    def __init__(self, middleware: Any) -> None:
        self._middleware = middleware
        self._read()

    def _read(self) -> None:
        middleware = self._middleware
        self._values = dict(vars(middleware))
        self._lists = stages.stage_lists(middleware)
        self._stage: _core.Stage | None = None  # as long as what follows raises
        self._stage = _core.Stage(*stages.stage_of(middleware))

    def current(self) -> _core.Stage | None:
        """Return the stage of the middleware as it is configured now; None: it is no stage."""
        if vars(self._middleware) != self._values or any(
            tuple(found) != items for found, items in self._lists
        ):
            try:
                self._read()
            except Unknown:
                return None
        return self._stage


class Pieces(NamedTuple):
    """The body of a response as BaseHTTPMiddleware sends it.

    Attributes:
        body: the first piece, which is not sent when it is empty.
        last: the last one.
        turn_before: whether the loop has a turn first, as Starlette's stream gives it one.
        turn_behind: whether the loop has one between both.
    """

    body: bytes
    last: bytes
    turn_before: bool
    turn_behind: bool


class StagedSend(WholeSend):
    """What a middleware gives to what is inside of it as `send`.

    Args:
        middleware: whose it is.
        stage: what the middleware does.
        fields: the request's.
        send: to the outside.
    """

    __slots__ = ("fields", "middleware", "send", "stage")

    def __init__(self, middleware: Any, stage: Any, fields: Fields, send: Send) -> None:
        self.middleware = middleware
        self.stage = stage
        self.fields = fields
        self.send = send

    def whole(
        self, status: int, headers: Fields, body: bytes, sender: Any, is_relayed: bool = False
    ) -> bool:
        """Take a response that is complete; see `WholeSend`."""
        send = self.send
        if not isinstance(send, WholeSend) or wrapped_by(self.middleware) is not sender:
            return False
        made = self.change(status, headers, body)
        return made is not None and send.whole(status, *made, self.middleware, is_relayed)

    def takes_streams(self) -> bool:
        """Tell whether a response that ASGI would have in pieces may be given as a whole."""
        return isinstance(self.send, WholeSend) and self.send.takes_streams()

    async def sent(self) -> None:
        """Wait until the response has been sent."""
        assert isinstance(self.send, WholeSend)
        await self.send.sent()

    def change(self, status: int, headers: Fields, body: bytes) -> tuple[Fields, bytes] | None:
        """Do to a whole response what the middleware does.

        Args:
            status: the response's.
            headers: the response's.
            body: the response's.

        Returns:
            headers and body; None: it has to come in messages.
        """
        raise NotImplementedError

    async def send_in_pieces(self, status: int, headers: Fields, pieces: Pieces) -> None:
        """Send a response as BaseHTTPMiddleware does.

        Args:
            status: the response's.
            headers: the response's.
            pieces: the response's body.
        """
        made = self.change(status, headers, b"")
        if made is None:
            await _send_messages(self, status, headers, pieces)
        else:
            await send_in_pieces(self.send, status, made[0], pieces)


async def send_in_pieces(send: Send, status: int, headers: Fields, pieces: Pieces) -> None:
    """Send a response as BaseHTTPMiddleware does.

    Args:
        send: takes it.
        status: the response's.
        headers: the response's.
        pieces: the response's body.
    """
    if isinstance(send, StagedSend):
        await send.send_in_pieces(status, headers, pieces)
    else:
        await _send_messages(send, status, headers, pieces)


async def _send_messages(send: Send, status: int, headers: Fields, pieces: Pieces) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if pieces.turn_before:
        await asyncio.sleep(0)
    if pieces.body:
        await send({"type": "http.response.body", "body": pieces.body, "more_body": True})
        if pieces.turn_behind:
            await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": pieces.last, "more_body": False})


# --- CORS ----------------------------------------------------------------------------------------


class CorsSend(StagedSend):
    """`send` inside of a CORSMiddleware."""

    __slots__ = ()

    def __call__(self, message: Message) -> Awaitable[None]:
        """Take a message."""
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            try:
                message["headers"] = self.stage.head(self.fields, message["headers"])
            except Exception:
                fields = Headers(raw=self.fields)
                return self.middleware.send(message, send=self.send, request_headers=fields)  # type: ignore[no-any-return]
        return self.send(message)

    def change(self, status: int, headers: Fields, body: bytes) -> tuple[Fields, bytes] | None:
        """Do to a whole response what the middleware does."""
        try:
            return self.stage.head(self.fields, headers), body
        except Exception:
            return None


def _call_cors(
    middleware: CORSMiddleware, scope: Scope, receive: Receive, send: Send
) -> Awaitable[None]:
    if scope["type"] != "http":
        return middleware.app(scope, receive, send)
    stage = _native_of(middleware).current()
    if stage is None or scope["method"] == "OPTIONS":
        step_aside(middleware)
        return CORSMiddleware.__call__(middleware, scope, receive, send)
    fields = scope["headers"] = list(scope["headers"])
    return middleware.app(scope, receive, CorsSend(middleware, stage, fields, send))


# --- GZip ----------------------------------------------------------------------------------------


class GzipSend(StagedSend):
    """`send` inside of a GZipMiddleware."""

    __slots__ = ("_in_messages",)

    def __init__(self, middleware: Any, stage: Any, fields: Fields, send: Send) -> None:
        super().__init__(middleware, stage, list(fields), send)
        self._in_messages: Send | None = None

    def __call__(self, message: Message) -> Awaitable[None]:
        """Take a message."""
        if self._in_messages is None:
            step_aside(self.middleware)
            scope = {"type": "http", "headers": self.fields}
            self._in_messages = _send_inside(self.middleware, scope, self.send)
        return self._in_messages(message)

    def takes_streams(self) -> bool:
        """Tell that pieces are compressed each by itself."""
        return False

    def _compress(self, status: int, headers: Fields, body: bytes, *, in_pieces: bool) -> Any:
        try:
            return self.stage.compress(self.fields, status, headers, body, in_pieces)
        except Exception:
            return None

    def change(self, status: int, headers: Fields, body: bytes) -> tuple[Fields, bytes] | None:
        """Do to a whole response what the middleware does."""
        made = self._compress(status, headers, body, in_pieces=False)
        return None if made is None else made[:2]

    async def send_in_pieces(self, status: int, headers: Fields, pieces: Pieces) -> None:
        """Send a response as BaseHTTPMiddleware does."""
        made: Any = (headers, pieces.body, pieces.last)
        if pieces.body:
            made = None
            if not pieces.last:  # else another GZipMiddleware is inside
                made = self._compress(status, headers, pieces.body, in_pieces=True)
        if made is None:
            await _send_messages(self, status, headers, pieces)
        else:
            compressed = pieces._replace(body=made[1], last=made[2])
            await send_in_pieces(self.send, status, made[0], compressed)


def _call_gzip(
    middleware: GZipMiddleware, scope: Scope, receive: Receive, send: Send
) -> Awaitable[None]:
    if scope["type"] != "http":
        return middleware.app(scope, receive, send)
    stage = _native_of(middleware).current()
    if stage is None:
        step_aside(middleware)
        return GZipMiddleware.__call__(middleware, scope, receive, send)
    fields = scope["headers"] = list(scope["headers"])
    return middleware.app(scope, receive, GzipSend(middleware, stage, fields, send))


def _send_inside(middleware: Any, scope: Scope, send: Send) -> Send:
    """Return what Starlette's middleware gives to what is inside of it as `send`."""
    found: list[Send] = []

    async def keep(_scope: Scope, _receive: Receive, send_inside: Send) -> None:
        found.append(send_inside)

    call = stages.around(middleware, keep)(scope, None, send)
    try:
        call.send(None)
    except StopIteration:
        return found.pop()  # it refers to `keep`
    raise AssertionError


# --- TrustedHost, HTTPSRedirect ------------------------------------------------------------------


def _call_host(
    middleware: TrustedHostMiddleware, scope: Scope, receive: Receive, send: Send
) -> Awaitable[None]:
    if middleware.allow_any or scope["type"] not in ("http", "websocket"):
        return middleware.app(scope, receive, send)
    stage = _native_of(middleware).current()
    if stage is None or not stage.lets_through(scope["headers"]):
        step_aside(middleware)
        return TrustedHostMiddleware.__call__(middleware, scope, receive, send)
    scope["headers"] = list(scope["headers"])
    return middleware.app(scope, receive, send)


def _call_https(
    middleware: HTTPSRedirectMiddleware, scope: Scope, receive: Receive, send: Send
) -> Awaitable[None]:
    if scope["type"] in ("http", "websocket") and scope["scheme"] in ("http", "ws"):
        step_aside(middleware)
        return HTTPSRedirectMiddleware.__call__(middleware, scope, receive, send)
    return middleware.app(scope, receive, send)


# --- All kinds -----------------------------------------------------------------------------------

_CALLS: dict[type, Callable[..., Awaitable[None]]] = {
    CORSMiddleware: _call_cors,
    GZipMiddleware: _call_gzip,
    TrustedHostMiddleware: _call_host,
    HTTPSRedirectMiddleware: _call_https,
}
_HAND_ON = (TrustedHostMiddleware, HTTPSRedirectMiddleware)


def _native_of(middleware: Any) -> Native:
    native: Native = type(middleware)._native
    return native


def check_middleware(middleware: Any) -> None:
    """Raise `Unknown` if a middleware cannot be native where it stands."""
    if stages.is_session(middleware):
        from . import session_middleware  # it needs itsdangerous, which is there now

        session_middleware.check_middleware(middleware)
    else:
        stages.stage_of(middleware)


def make_native(middleware: Any) -> None:
    """Let a middleware be native where it stands.

    Args:
        middleware: any.

    Raises:
        Unknown: it cannot be; the text says why.
    """
    check_middleware(middleware)
    if is_native(middleware):
        return
    if stages.is_session(middleware):
        from . import session_middleware

        replace_call(middleware, session_middleware.call_middleware)
        return
    kind = type(middleware)
    replace_call(middleware, _CALLS[kind], _native=Native(middleware), _hands_on=kind in _HAND_ON)


def bind(middleware: Any, core: _core.Application) -> None:
    """Tell a native middleware whose compiled routes are inside of it."""
    if is_native(middleware) and stages.is_session(middleware):
        cast(Any, type(middleware))._is_pending = core.is_pending
