"""The live handler of a route: what FastAPI would run, whatever was declared."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import CodeType, FunctionType
from typing import Any, cast

from fastapi import routing
from fastapi.datastructures import DefaultPlaceholder
from starlette import routing as plain_routing
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from . import Unknown, limits


def inner_code(function: Callable[..., Any], name: str) -> CodeType | None:
    """Return the code of a function that another one makes; None: it makes no such function."""
    for constant in cast(FunctionType, function).__code__.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == name:
            return constant
    return None


_REQUEST_RESPONSE = inner_code(routing.request_response, "app")
_PLAIN_RESPONSE = inner_code(plain_routing.request_response, "app")
_REQUEST_HANDLER = inner_code(routing.get_request_handler, "app")


def closure(function: FunctionType) -> dict[str, Any]:
    """Return the variables that a function has from around it, by name."""
    cells = function.__closure__ or ()
    return {
        name: cell.cell_contents
        for name, cell in zip(function.__code__.co_freevars, cells, strict=True)
    }


def handler_state(app: Any) -> dict[str, Any]:
    """Read what FastAPI's handler of a route would run with, whatever was declared.

    Args:
        app: the route's `app`, as it is called for a request.

    Returns:
        The variables of `fastapi.routing.get_request_handler`, by name.

    Raises:
        Unknown: the application or the handler in it is not FastAPI's own.
    """
    app = limits.inside(app)
    if not isinstance(app, FunctionType) or app.__code__ is not _REQUEST_RESPONSE:
        raise Unknown("something wraps the application of the route")
    handler = closure(app).get("f")
    if not isinstance(handler, FunctionType) or handler.__code__ is not _REQUEST_HANDLER:
        raise Unknown("the route has a handler of its own")
    return closure(handler)


def plain_endpoint(route: Any) -> tuple[Callable[..., Any], bool]:
    """Read what a route of Starlette's own kind would call with the Request.

    Args:
        route: a `starlette.routing.Route`.

    Returns:
        The callable, and whether it is awaited in the event loop, not called in a thread.

    Raises:
        Unknown: the application of the route is not the one that Starlette makes of a function.
    """
    app = limits.inside(route.app)
    if not isinstance(app, FunctionType) or app.__code__ is not _PLAIN_RESPONSE:
        if app is route.endpoint:
            raise Unknown("its endpoint is an ASGI application")
        raise Unknown("something wraps the application of the route")
    endpoint = closure(app)["f"]
    is_threaded = type(endpoint) is partial and endpoint.func is run_in_threadpool
    if is_threaded and len(endpoint.args) == 1 and not endpoint.keywords:
        return endpoint.args[0], False
    return endpoint, True


def is_default_json(state: dict[str, Any]) -> bool:
    """Tell whether a handler answers with FastAPI's default response class."""
    return (
        isinstance(state["response_class"], DefaultPlaceholder)
        or state["response_class"] is JSONResponse
    ) and state["actual_response_class"] is JSONResponse


def dumps_models(state: dict[str, Any]) -> bool:
    """Tell whether pydantic makes a handler's JSON."""
    return state["response_field"] is not None and isinstance(
        state["response_class"], DefaultPlaceholder
    )
