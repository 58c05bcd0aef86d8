"""Which applications may answer with the path of a file in the place of its bytes.

That is ASGI's path send, https://asgi.readthedocs.io/en/latest/extensions.html#path-send.
"""

from __future__ import annotations

import sys
from types import FunctionType, MethodType
from typing import Any

# Middleware that neither reads nor changes a body.
_TRANSPARENT = {
    "starlette.middleware.cors": "CORSMiddleware",
    "starlette.middleware.httpsredirect": "HTTPSRedirectMiddleware",
    "starlette.middleware.sessions": "SessionMiddleware",
    "starlette.middleware.trustedhost": "TrustedHostMiddleware",
}


# Where the code is that answers without a look at the bytes of a file.
_ANSWERING = frozenset(
    {
        "fastapi.applications",
        "fastapi.routing",
        "starlette.applications",
        "starlette.endpoints",
        "starlette.routing",
        "starlette.staticfiles",
    }
)


def _is_transparent(kind: Any) -> bool:
    return _TRANSPARENT.get(getattr(kind, "__module__", "")) == getattr(kind, "__qualname__", "")


def _is_known(function: Any) -> bool:
    """Tell whether a function or method is one of those that need no bytes of files."""
    if getattr(function, "calls_as_fastapi", False):
        return True
    function = getattr(function, "__func__", function)
    return getattr(function, "__globals__", {}).get("__name__") in _ANSWERING


def _answers(app: Any) -> bool:
    """Tell whether what is run by a call of an application is known."""
    if isinstance(app, type):  # an endpoint: the call makes an instance, which is awaited
        return _is_known(getattr(app, "__await__", None))
    if isinstance(app, (FunctionType, MethodType)):
        return _is_known(app)
    return _is_known(type(app).__call__) if callable(app) else False


def _builds_own_stack(app: Any) -> bool:
    if "build_middleware_stack" in vars(app):
        return True
    build = type(app).build_middleware_stack
    return not (_is_known(build) or build.__module__ == "hyperfastapi.applications")


def _called_by(routes: list[Any]) -> list[Any] | None:
    """Return the applications of routes, those of included routers too; None: not all are known."""
    found: list[Any] = []
    seen: set[int] = set()
    waiting = list(routes)
    while waiting:
        route = waiting.pop()
        if id(route) in seen:
            continue
        seen.add(id(route))
        if not _is_known(getattr(type(route), "handle", None)):
            return None
        included = getattr(route, "original_router", None)
        if included is not None:
            waiting += included.routes
        elif hasattr(route, "app"):
            found.append(route.app)
    return found


def may_send_paths(app: Any) -> bool:
    """Tell whether no middleware waits for the bytes of a response.

    Starlette answers with a path wherever it is offered: GZipMiddleware would then compress no
    file, and what reads `body_iterator` or the messages of a response would find no bytes. What is
    not known to be an application of Starlette's or FastAPI's may be such middleware.

    Args:
        app: the application that is served; middleware of any kind may be around or inside of it.
    """
    if "starlette.applications" not in sys.modules:
        return True
    seen: set[int] = set()
    waiting = [app]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if _is_transparent(type(one)):
            waiting.append(one.app)
            continue
        if not _answers(one):
            return False
        if hasattr(one, "user_middleware"):  # an application
            if _builds_own_stack(one) or not all(
                _is_transparent(each.cls) for each in one.user_middleware
            ):
                return False
            waiting.append(one.router)
        elif isinstance(getattr(one, "routes", None), list):  # a router
            called = _called_by(one.routes)
            if called is None:
                return False
            waiting += [one.middleware_stack, one.default, *called]
    return True
