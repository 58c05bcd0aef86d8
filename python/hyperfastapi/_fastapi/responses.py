"""Responses as FastAPI's handler makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import routing
from fastapi.encoders import jsonable_encoder
from starlette.responses import Response

_routing: Any = routing


def make_injected_response() -> Response:
    """Make the response that dependencies may set headers, cookies and the status of."""
    response = Response()
    del response.headers["content-length"]
    response.status_code = None  # type: ignore[assignment]
    return response


def json_response(
    content: bytes, status_code: int, background: Any, injected: Response | None
) -> Response:
    """Make a response of JSON bytes, without the body where its status allows none."""
    response = Response(
        content=content,
        media_type="application/json",
        status_code=status_code,
        background=background,
    )
    if not _routing.is_body_allowed_for_status_code(response.status_code):
        response.body = b""
    if injected is not None:
        response.headers.raw.extend(injected.headers.raw)
    return response


def response_maker(state: dict[str, Any]) -> Callable[..., Response]:
    """Return what makes a response of a class that is not FastAPI's default.

    Args:
        state: the handler's variables.

    Returns:
        `(validated result, injected response or None, background or None) -> response`.
    """
    field = state["response_field"]
    status_code = state["status_code"]
    response_class = state["actual_response_class"]
    options = {
        "include": state["response_model_include"],
        "exclude": state["response_model_exclude"],
        "by_alias": state["response_model_by_alias"],
        "exclude_unset": state["response_model_exclude_unset"],
        "exclude_defaults": state["response_model_exclude_defaults"],
        "exclude_none": state["response_model_exclude_none"],
    }

    def make(value: Any, injected: Response | None, background: Any) -> Response:
        arguments: dict[str, Any] = {"background": background}
        own = injected.status_code if injected is not None else None
        current = status_code if status_code else own
        if current is not None:
            arguments["status_code"] = current
        if own:
            arguments["status_code"] = own
        content = jsonable_encoder(value) if field is None else field.serialize(value, **options)
        response: Response = response_class(content, **arguments)
        if not _routing.is_body_allowed_for_status_code(response.status_code):
            response.body = b""
        if injected is not None:
            response.headers.raw.extend(injected.headers.raw)
        return response

    return make
