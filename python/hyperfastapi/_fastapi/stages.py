"""Middleware that is native: what the core does in its place."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from starlette.datastructures import MutableHeaders
from starlette.middleware import gzip
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response
from starlette.types import Message, Scope

from hyperfastapi import _core

from . import Unknown
from .native_class import check_attributes, is_own_method, own_class

Answer = Callable[[Scope], Response | None]
"""Gives a middleware's own response to a request; None: it lets it through."""

Stage = tuple[str, tuple[Any, ...], Answer]
"""What the core does in a middleware's place: its name and configuration, see glue/*_stage.h, and
what the middleware answers itself."""

STAGES_MAX = 8
"""As many as the core takes of one application: see glue/response_stage.h."""

_STAGE_METHODS = (
    (CORSMiddleware, "__call__"),
    (CORSMiddleware, "send"),
    (CORSMiddleware, "simple_response"),
    (CORSMiddleware, "preflight_response"),
    (CORSMiddleware, "is_allowed_origin"),
    (CORSMiddleware, "allow_explicit_origin"),
    (GZipMiddleware, "__call__"),
    (gzip.IdentityResponder, "__call__"),
    (gzip.IdentityResponder, "send_with_compression"),
    (gzip.IdentityResponder, "apply_compression"),
    (gzip.GZipResponder, "__init__"),
    (gzip.GZipResponder, "apply_compression"),
    (TrustedHostMiddleware, "__call__"),
    (HTTPSRedirectMiddleware, "__call__"),
)
_STAGE_ORIGINALS = tuple(vars(owner).get(name) for owner, name in _STAGE_METHODS)


def _joins_all_of_vary() -> bool:
    headers = MutableHeaders(raw=[(b"vary", b"a"), (b"vary", b"b")])
    headers.add_vary_header("c")
    return headers.raw == [(b"vary", b"a, b, c")]


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


def _check_collection(name: str, collection: Any) -> None:
    """Raise `Unknown` unless a change of a collection would be noticed."""
    if type(collection) not in (list, tuple, frozenset):
        raise Unknown(
            f"{name} is a {type(collection).__name__}, whose changes are not seen: a list or a"
            " tuple is native"
        )


class _Inside(Exception):
    """A middleware has let a request through."""


def _inside(*_: Any) -> NoReturn:
    raise _Inside


def _no_answer(_: Scope) -> None:
    return None


async def _no_body() -> Message:
    raise _Inside


def around(middleware: Any, app: Callable[..., Any]) -> Any:
    """Return a middleware with the same configuration, and Starlette's own code, around `app`."""
    kind = own_class(middleware)
    alone: Any = object.__new__(kind)
    vars(alone).update(vars(middleware), app=app)
    return alone


def answer_of(middleware: Any) -> Answer:
    """Return what has a middleware answer a request by its own code, with nothing inside of it.

    Args:
        middleware: one that answers without waiting for anything.
    """
    alone = around(middleware, _inside)

    def answer(scope: Scope) -> Response | None:
        messages: list[Message] = []

        async def send(message: Message) -> None:
            messages.append(message)

        call = alone(scope, _no_body, send)
        try:
            call.send(None)
        except StopIteration:
            pass
        except _Inside:
            return None
        else:
            call.close()
            return None
        start, end = messages
        response = Response(end["body"], start["status"])
        response.raw_headers = start["headers"]
        return response

    return answer


def _cors_stage(middleware: CORSMiddleware) -> tuple[str, tuple[Any, ...]]:
    _check_collection("allow_origins", middleware.allow_origins)
    simple = tuple(
        (_bytes(name.lower()), _bytes(value)) for name, value in middleware.simple_headers.items()
    )
    origins = tuple(_bytes(origin) for origin in middleware.allow_origins)
    regex = middleware.allow_origin_regex
    fullmatch = None if regex is None else regex.fullmatch
    return "cors", (
        simple,
        origins,
        fullmatch,
        middleware.allow_all_origins,
        middleware.allow_credentials,
    )


def _size(limit: float) -> int:
    """Return the least number of bytes that is no less than a limit, which may be infinite."""
    return max(0, math.ceil(min(limit, sys.maxsize)))


def _gzip_stage(middleware: GZipMiddleware) -> tuple[str, tuple[Any, ...]]:
    if not _joins_all_of_vary():
        raise Unknown("this release of Starlette has other rules for Vary")
    if middleware.minimum_size < 1:
        raise Unknown("GZipMiddleware compresses empty bodies")
    if not _core.build["zlib"]:
        raise Unknown("this build has no zlib")
    level = middleware.compresslevel
    if type(level) is not int or not -1 <= level <= 9:
        raise Unknown(f"zlib has no compression level {level!r}")
    excluded: list[bytes] = []
    for each in middleware.exclude_content_types:
        if each.endswith(("/", "+")):
            raise Unknown(f"it excludes {each!r}, which is no media type")
        if each.endswith("/*") and "/" not in each[:-2]:
            excluded += [_bytes(each[:-1]), _bytes(each[:-2])]
        else:
            excluded.append(_bytes(each))
        if each == "application/grpc":
            excluded.append(b"application/grpc+")
    return "gzip", (
        tuple(excluded),
        _size(middleware.minimum_size),
        _size(middleware.thread_minimum_size),
        level,
    )


def _host_stage(middleware: TrustedHostMiddleware) -> tuple[str, tuple[Any, ...]]:
    if TrustedHostMiddleware(_inside, ["A.org"]).allowed_hosts != ["a.org"]:
        raise Unknown("this release of Starlette tells hosts by their case")
    _check_collection("allowed_hosts", middleware.allowed_hosts)
    patterns = tuple(_bytes(pattern) for pattern in middleware.allowed_hosts)
    return "host", (patterns, middleware.allow_any)


def _https_stage(_: HTTPSRedirectMiddleware) -> tuple[str, tuple[Any, ...]]:
    return "https", ()


_DESCRIPTIONS: dict[type, Callable[[Any], tuple[str, tuple[Any, ...]]]] = {
    CORSMiddleware: _cors_stage,
    GZipMiddleware: _gzip_stage,
    TrustedHostMiddleware: _host_stage,
    HTTPSRedirectMiddleware: _https_stage,
}


def is_session(middleware: Any) -> bool:
    """Tell whether a middleware is a SessionMiddleware, without importing what that needs."""
    kind = own_class(middleware)
    name = (kind.__module__, kind.__name__)
    return name == ("starlette.middleware.sessions", "SessionMiddleware")


def _describe_session(middleware: Any) -> tuple[str, tuple[Any, ...]]:
    from . import session_middleware  # it needs itsdangerous, which is there now

    return session_middleware.describe(middleware)


def stage_of(middleware: Any) -> Stage:
    """Describe a middleware that the core can stand for.

    Raises:
        Unknown: it cannot; the text says why.
    """
    for (owner, name), original in zip(_STAGE_METHODS, _STAGE_ORIGINALS, strict=True):
        if vars(owner).get(name) is not original or not is_own_method(owner, name):
            raise Unknown(f"{owner.__name__}.{name} is not Starlette's")
    check_attributes(middleware)
    describe = _DESCRIPTIONS.get(own_class(middleware))
    if is_session(middleware):
        describe = _describe_session
    if describe is None:
        raise Unknown("it runs as it is, around compiled routes")
    try:
        answer = _no_answer if describe is _describe_session else answer_of(middleware)
        return *describe(middleware), answer
    except (AttributeError, TypeError, ValueError) as error:
        raise Unknown(f"its configuration is not as expected: {error}") from None


def stage_guards(middleware: Any) -> list[tuple[dict[str, Any], str, Any]]:
    """Return what stays as it is while a middleware's configuration does."""
    return [(vars(middleware), name, value) for name, value in vars(middleware).items()]


def stage_lists(middleware: Any) -> list[tuple[list[Any], tuple[Any, ...]]]:
    """Return the lists of a middleware's configuration, with their items."""
    return [(value, tuple(value)) for value in vars(middleware).values() if type(value) is list]
