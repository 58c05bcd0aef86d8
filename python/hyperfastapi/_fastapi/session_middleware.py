"""SessionMiddleware without its coroutines: sessions that no handler looks at cost little.

The cookie is read as Starlette does. What a handler has looked at or changed is written by
Starlette's own code.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Awaitable
from functools import lru_cache, partial
from typing import Any

from itsdangerous import BadSignature, TimestampSigner
from itsdangerous.encoding import base64_decode, bytes_to_int
from starlette.middleware import sessions
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from . import Unknown, stages
from .native_class import check_attributes, is_own_method
from .stage_middleware import Fields, StagedSend

_Session: Any = getattr(sessions, "Session", None)


class SessionSend(StagedSend):
    """`send` inside of a SessionMiddleware.

    Args:
        middleware: whose it is.
        scope: the request's, with its session.
        was_empty: whether the request has come without a session.
        send: to the outside.
    """

    __slots__ = ("scope", "was_empty")

    def __init__(self, middleware: Any, scope: Scope, was_empty: bool, send: Send) -> None:
        super().__init__(middleware, None, [], send)
        self.scope = scope
        self.was_empty = was_empty

    def _is_unused(self) -> bool:
        session: Any = self.scope.get("session")
        return type(session) is _Session and not (session.accessed or session.modified)

    def __call__(self, message: Message) -> Awaitable[None]:
        """Take a message."""
        if message["type"] != "http.response.start":
            return self.send(message)
        if self._is_unused() and "headers" in message:
            message["headers"] = list(message["headers"])
            return self.send(message)
        return self._send_by_starlette(message, self.send)

    def _send_by_starlette(self, message: Message, send: Send) -> Awaitable[None]:
        """Send the start of a response through Starlette's code, which finds this session."""

        async def inside(scope: Scope, _receive: Receive, send_inside: Send) -> None:
            if "session" in self.scope:
                scope["session"] = self.scope["session"]
            else:
                del scope["session"]
            await send_inside(message)

        alone = stages.around(self.middleware, inside)
        fields: Fields = []
        if not self.was_empty:
            # That a session has been there is of interest where it has been emptied.
            name = self.middleware.session_cookie
            empty = self.middleware.signer.sign(b"e30=").decode()
            fields.append((b"cookie", f"{name}={empty}".encode("latin-1")))
        return alone({"type": "http", "headers": fields}, None, send)  # type: ignore[no-any-return]

    def change(self, status: int, headers: Fields, body: bytes) -> tuple[Fields, bytes] | None:
        """Do to a whole response what the middleware does."""
        if self._is_unused():
            return list(headers), body
        message: Message = {"type": "http.response.start", "status": status, "headers": headers}
        call: Any = self._send_by_starlette(message, _nowhere)
        try:
            call.send(None)
        except StopIteration:
            return message["headers"], body
        except Exception:
            return None  # in a message it will be met again, where the middleware meets it
        raise AssertionError


async def _nowhere(_message: Message) -> None:
    pass


def open_session(middleware: Any, scope: Scope) -> bool:
    """Put the session of a request into its scope.

    Args:
        middleware: any SessionMiddleware.
        scope: the request's.

    Returns:
        whether the request has come without one.
    """
    fields = scope["headers"] = list(scope["headers"])
    name = middleware.session_cookie
    wanted = name.encode("latin-1")
    if any(field == b"cookie" and wanted in value for field, value in fields):
        cookies = HTTPConnection(scope).cookies
        if name in cookies:
            try:
                data = middleware.signer.unsign(cookies[name].encode(), max_age=middleware.max_age)
                scope["session"] = _Session(json.loads(b64decode(data)))
                return False
            except BadSignature:
                pass
    scope["session"] = _Session()
    return True


# A session that ends within this time, in seconds, is opened by the middleware itself, as soon as
# the request has come.
_END_OF_SESSION = 600
_TIMESTAMP_MAX = 2**40


def describe(middleware: Any) -> tuple[str, tuple[Any, ...]]:
    """Describe the stage of a middleware; see glue/session_stage.h.

    Raises:
        Unknown: the text says why there is none.
    """
    check_middleware(middleware)
    signer, name = middleware.signer, middleware.session_cookie
    if type(signer) is not TimestampSigner or signer.sep != b".":
        raise Unknown("its signer is not Starlette's")

    @lru_cache(maxsize=128)
    def look(values: tuple[bytes, ...]) -> tuple[bool, int | None]:
        """Tell whether a session can be read, whoever has signed it, and when that was."""
        fields = [(b"cookie", value) for value in values]
        cookie = HTTPConnection({"type": "http", "headers": fields}).cookies.get(name)
        parts = [] if cookie is None else cookie.encode().rsplit(b".", 2)
        if len(parts) < 3:
            return True, None  # it is no session
        try:
            signed = bytes_to_int(base64_decode(parts[1]))
            return type(json.loads(b64decode(parts[0]))) is dict, signed
        except Exception:
            return False, None

    def reads(values: list[bytes]) -> bool:
        can_read, signed = look(tuple(values))
        if not can_read or signed is None or middleware.max_age is None:
            return can_read
        age = signer.get_timestamp() - signed
        is_over = age > middleware.max_age
        lasts = age >= 0 and age + _END_OF_SESSION <= middleware.max_age
        return signed < _TIMESTAMP_MAX and (is_over or lasts)

    opening = partial(open_session, middleware)
    return "session", (name.encode("latin-1"), reads, opening, _Session)


def _is_open(middleware: Any, scope: Scope) -> bool:
    """Tell whether a run has opened the session of a request, and has sent it through the stack."""
    is_pending = getattr(type(middleware), "_is_pending", None)
    return is_pending is not None and is_pending(scope)


def call_middleware(
    middleware: SessionMiddleware, scope: Scope, receive: Receive, send: Send
) -> Awaitable[None]:
    """Run a middleware: in the place of `SessionMiddleware.__call__`."""
    if scope["type"] not in ("http", "websocket"):
        return middleware.app(scope, receive, send)
    if _is_open(middleware, scope):
        was_empty = open_session(middleware, {"type": "http", "headers": scope["headers"]})
    else:
        was_empty = open_session(middleware, scope)
    if scope["type"] == "websocket":
        return middleware.app(scope, receive, send)  # it looks at no message of these
    return middleware.app(scope, receive, SessionSend(middleware, scope, was_empty, send))


def check_middleware(middleware: Any) -> None:
    """Raise `Unknown` if a middleware is not one that is known here."""
    if _Session is None or not is_own_method(SessionMiddleware, "__call__"):
        raise Unknown("this release of Starlette keeps sessions in another way")
    check_attributes(middleware)
    try:
        middleware.session_cookie.encode("latin-1")
        vars(middleware)["signer"], vars(middleware)["max_age"]
    except (AttributeError, KeyError, UnicodeEncodeError) as error:
        raise Unknown(f"its configuration is not as expected: {error}") from None
