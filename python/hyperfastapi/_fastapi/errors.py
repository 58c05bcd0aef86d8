"""The errors and exceptions of FastAPI's handler for what a request or a result lacks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi.dependencies import utils
from fastapi.exceptions import (
    RequestValidationError,
    ResponseValidationError,
    WebSocketRequestValidationError,
)
from pydantic_core import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from . import http_middleware
from .limits import limit_error
from .route_info import RouteInfo, endpoint_context
from .telemetry import validation_failed

# Names in it that are not public.
_dependencies: Any = utils


def missing_error(location: tuple[str, ...]) -> list[Any]:
    """Return FastAPI's error for a value that is required."""
    return [_dependencies.get_missing_field_error(loc=location)]


def field_errors(exc: ValidationError, location: tuple[str, ...]) -> Sequence[Any]:
    """Return FastAPI's errors for what pydantic has refused."""
    return [
        {**error, "loc": location + tuple(error.get("loc", ()))}
        for error in exc.errors(include_url=False)
    ]


def request_error(
    errors: list[Any], body: Any, info: RouteInfo, method: str, root_path: str
) -> Exception:
    """Make the exception for invalid parameters."""
    if info.is_websocket:
        return WebSocketRequestValidationError(
            errors, endpoint_ctx=endpoint_context(info, "WS", root_path)
        )
    error = RequestValidationError(
        errors, body=body, endpoint_ctx=endpoint_context(info, method, root_path)
    )
    validation_failed(error)
    return error


def _caused(exc: Exception, cause: BaseException) -> Exception:
    exc.__cause__ = cause
    return exc


def unreadable(cause: Exception, scope: Scope | None = None) -> Exception:
    """Make the exception for a body that could not be read.

    Args:
        cause: why.
        scope: the request's; None: nothing around limits its body.
    """
    error = None if scope is None else limit_error(cause, scope)
    if error is not None:
        return _caused(error, cause)
    return _caused(
        HTTPException(status_code=400, detail="There was an error parsing the body"), cause
    )


def body_error(exc: Exception, info: RouteInfo, method: str, root_path: str) -> Exception:
    """Make the exception for a body that could not be parsed."""
    if isinstance(exc, json.JSONDecodeError):
        error = {
            "type": "json_invalid",
            "loc": ("body", exc.pos),
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": exc.msg},
        }
        context = endpoint_context(info, method, root_path)
        invalid = RequestValidationError([error], body=exc.doc, endpoint_ctx=context)
        validation_failed(invalid)
        return _caused(invalid, exc)
    if isinstance(exc, HTTPException):
        return exc
    return unreadable(exc)


def disconnect_error() -> Exception:
    """Make the exception for a client that has left before its body was complete."""
    return unreadable(ClientDisconnect())


async def read_body(receive: Receive, scope: Scope) -> bytes:
    """Read a body as `Request.body()` does, with the exceptions of FastAPI's handler."""
    try:
        return await Request({"type": "http"}, http_middleware.body_of(receive)).body()
    except HTTPException:
        raise
    except Exception as exc:
        raise unreadable(exc, scope) from exc


def response_error(
    exc: ValidationError, content: Any, info: RouteInfo, method: str, root_path: str
) -> Exception:
    """Make the exception for a result that does not fit the response model."""
    return ResponseValidationError(
        errors=field_errors(exc, ("response",)),
        body=content,
        endpoint_ctx=endpoint_context(info, method, root_path),
    )
