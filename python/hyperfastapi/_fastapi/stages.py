"""Middleware that is native: what the core does in its place."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware import gzip
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from . import Unknown

Stage = tuple[str, tuple[Any, ...]]
"""What the core does in a middleware's place: its name and configuration; see glue/*_stage.h."""

_STAGE_METHODS = (
    (CORSMiddleware, "__call__"),
    (CORSMiddleware, "send"),
    (CORSMiddleware, "simple_response"),
    (CORSMiddleware, "is_allowed_origin"),
    (CORSMiddleware, "allow_explicit_origin"),
    (GZipMiddleware, "__call__"),
    (gzip.IdentityResponder, "__call__"),
    (gzip.IdentityResponder, "send_with_compression"),
    (gzip.IdentityResponder, "apply_compression"),
    (gzip.GZipResponder, "__init__"),
    (gzip.GZipResponder, "apply_compression"),
    (TrustedHostMiddleware, "__call__"),
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


def _cors_stage(middleware: CORSMiddleware) -> Stage:
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


def _gzip_stage(middleware: GZipMiddleware) -> Stage:
    if not _joins_all_of_vary():
        raise Unknown("this release of Starlette has other rules for Vary")
    if middleware.minimum_size < 1:
        raise Unknown("GZipMiddleware compresses empty bodies")
    excluded: list[bytes] = []
    for each in middleware.exclude_content_types:
        if each.endswith("/*"):
            excluded += [_bytes(each[:-1]), _bytes(each[:-2])]
        else:
            excluded.append(_bytes(each))
        if each == "application/grpc":
            excluded.append(b"application/grpc+")
    return "gzip", (
        tuple(excluded),
        middleware.minimum_size,
        middleware.thread_minimum_size,
        middleware.compresslevel,
    )


def _host_stage(middleware: TrustedHostMiddleware) -> Stage:
    _check_collection("allowed_hosts", middleware.allowed_hosts)
    patterns = tuple(_bytes(pattern) for pattern in middleware.allowed_hosts)
    return "host", (patterns, middleware.allow_any)


def stage_of(middleware: Any) -> Stage:
    """Describe a middleware that the core can stand for.

    Raises:
        Unknown: it cannot; the text says why.
    """
    for (owner, name), original in zip(_STAGE_METHODS, _STAGE_ORIGINALS, strict=True):
        if original is None or vars(owner).get(name) is not original:
            raise Unknown(f"{owner.__name__}.{name} is not Starlette's")
    kind = type(middleware)
    try:
        if kind is CORSMiddleware:
            return _cors_stage(middleware)
        if kind is GZipMiddleware:
            return _gzip_stage(middleware)
        if kind is TrustedHostMiddleware:
            return _host_stage(middleware)
    except (AttributeError, TypeError, UnicodeEncodeError) as error:
        raise Unknown(f"its configuration is not as expected: {error}") from None
    raise Unknown("it runs as it is, around compiled routes")


def stage_guards(middleware: Any) -> list[tuple[dict[str, Any], str, Any]]:
    """Return what stays as it is while a middleware's configuration does."""
    return [(vars(middleware), name, value) for name, value in vars(middleware).items()]


def stage_lists(middleware: Any) -> list[tuple[list[Any], tuple[Any, ...]]]:
    """Return the lists of a middleware's configuration, with their items."""
    return [(value, tuple(value)) for value in vars(middleware).values() if type(value) is list]
