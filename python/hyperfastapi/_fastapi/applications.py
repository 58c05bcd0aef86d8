"""An application: its class, its middleware stack, what is known to change how it answers."""

from __future__ import annotations

import functools
import json
import warnings
from types import FunctionType
from typing import Any

import fastapi
from fastapi import routing
from fastapi.dependencies import utils
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import JSONResponse, Response

from hyperfastapi import applications

from . import Unknown, limits
from .routes import has_own_routing

# FastAPI's own class, which install() may have put ours in the place of.
FastAPI = applications._original


def is_fastapi(app: Any) -> bool:
    """Tell whether an ASGI application is a FastAPI instance."""
    return isinstance(app, FastAPI)


# What a plan does in the place of these; a tool that has wrapped one wants to see its calls.
_REPLACED = (
    (routing, "solve_dependencies"),
    (routing, "run_endpoint_function"),
    (routing, "serialize_response"),
    (routing, "jsonable_encoder"),
    (routing, "run_in_threadpool"),
    (utils, "solve_dependencies"),
    (utils, "_solve_generator"),
    (utils, "request_params_to_args"),
    (utils, "request_body_to_args"),
    (utils, "run_in_threadpool"),
    (JSONResponse, "render"),
    (Response, "__call__"),
)
_ORIGINALS = tuple(getattr(owner, name) for owner, name in _REPLACED)


def check_replaced() -> None:
    """Raise `Unknown` if a function of FastAPI's that plans stand for has been wrapped."""
    for (owner, name), original in zip(_REPLACED, _ORIGINALS, strict=True):
        current = getattr(owner, name)
        if current is not original or hasattr(current, "__wrapped__"):
            raise Unknown(f"something has replaced {name}()")


BODY_GUARD = (json, "loads", json.loads)
"""What decodes bodies in FastAPI's handler, looked up for each request."""


# What this module has been read from and tested with.
_OLDEST, _NEWEST = (0, 162), (0, 165)


@functools.cache
def check_versions() -> str | None:
    """Say, and warn once, if FastAPI is of a release that this module does not know."""
    version = tuple(int(part) for part in fastapi.__version__.split(".")[:2])
    if _OLDEST <= version <= _NEWEST:
        return None
    problem = f"FastAPI {fastapi.__version__} is not known to this release of hyperfastapi"
    warnings.warn(
        f"{problem}: routes are not compiled, FastAPI's own code serves them; known are"
        f" {_OLDEST[0]}.{_OLDEST[1]} to {_NEWEST[0]}.{_NEWEST[1]}",
        RuntimeWarning,
        stacklevel=2,
    )
    return problem


def check_application(app: FastAPI) -> None:
    """Raise `Unknown` if something decides over requests that this module does not know."""
    problem = check_versions()
    if problem is not None:
        raise Unknown(problem)
    check_replaced()
    if app.debug:
        raise Unknown("debug is on: its pages show how the application was called")
    if has_own_routing(app.router):
        raise Unknown("the router is searched in a way of its own")


def chain_of(stack: Any) -> list[Any]:
    """Return the middleware of a built stack, outermost first, and what they wrap."""
    chain: list[Any] = []
    while stack is not None and not any(each is stack for each in chain):
        chain.append(stack)
        stack = getattr(stack, "app", None)
        if isinstance(stack, FunctionType) or callable(stack) is False:
            break
    return chain


_OUTERMOST = ("ServerErrorMiddleware", "ExceptionTelemetryMiddleware", limits.OUTERMOST)


def user_middleware(app: FastAPI) -> list[Any]:
    """Return the middleware of a built stack that is not FastAPI's own, outermost first."""
    chain = chain_of(app.middleware_stack)
    found: list[Any] = []
    limiters: list[Any] = []
    for each in chain:
        if isinstance(each, ExceptionMiddleware):
            return found
        kind = type(each)
        is_own = kind.__name__ in _OUTERMOST and (
            kind is ServerErrorMiddleware or kind.__module__.startswith("fastapi.")
        )
        if is_own and kind.__name__ == limits.OUTERMOST:
            limiters = limits.limiters_of(each.app)
        if not is_own and not any(each is limiter for limiter in limiters):
            found.append(each)
    raise Unknown("a middleware hides the application that it wraps")


def own_middleware(app: FastAPI) -> list[Any]:
    """Return FastAPI's own middleware outside of the user's, outermost first."""
    users = user_middleware(app)
    found: list[Any] = []
    for each in chain_of(app.middleware_stack):
        if isinstance(each, ExceptionMiddleware):
            break
        if not any(each is user for user in users):
            found.append(each)
    return found


def exception_middleware(stack: Any) -> ExceptionMiddleware | None:
    """Find Starlette's exception middleware in a built stack."""
    for each in chain_of(stack):
        if isinstance(each, ExceptionMiddleware):
            return each
    return None


def has_own_stack(app: FastAPI) -> bool:
    """Tell whether a stack is built in another way than FastAPI's."""
    return "build_middleware_stack" in vars(app) or "__call__" in vars(app)


def is_called_as_fastapi(app: FastAPI) -> bool:
    """Tell whether calling an application does what FastAPI does, and nothing else."""
    call = type(app).__call__
    return call is FastAPI.__call__ or getattr(call, "calls_as_fastapi", False)


def body_limit(app: FastAPI) -> int | None:
    """Return the most bytes of a request's body that an application allows; None: any number.

    Raises:
        Unknown: its stack and its router differ.
    """
    return limits.limit_of_application(app, chain_of(app.middleware_stack))


def telemetry_is_on(app: FastAPI) -> bool:
    """Tell whether FastAPI's telemetry has a provider to report to."""
    telemetry = getattr(app, "_native_telemetry", None)
    return telemetry is not None and bool(telemetry.enabled())


def telemetry_guards(app: FastAPI) -> list[tuple[dict[str, Any], str, Any]]:
    """Return what stays as it is while FastAPI's telemetry has no provider to report to.

    Raises:
        Unknown: this release of OpenTelemetry keeps its providers elsewhere.
    """
    if getattr(app, "_native_telemetry", None) is None:
        return []
    from opentelemetry import trace
    from opentelemetry._logs import _internal as logs
    from opentelemetry.metrics import _internal as metrics

    guards: list[tuple[dict[str, Any], str, Any]] = []
    for module, name in (
        (trace, "_TRACER_PROVIDER"),
        (metrics, "_METER_PROVIDER"),
        (logs, "_LOGGER_PROVIDER"),
    ):
        if name not in vars(module):
            raise Unknown("this release of OpenTelemetry keeps its providers elsewhere")
        guards.append((vars(module), name, vars(module)[name]))
    return guards
