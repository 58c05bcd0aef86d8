"""Which applications may answer with the path of a file in the place of its bytes.

That is ASGI's path send, https://asgi.readthedocs.io/en/latest/extensions.html#path-send.
"""

from __future__ import annotations

import sys
from typing import Any

# Middleware that neither reads nor changes a body.
_TRANSPARENT = {
    "starlette.middleware.cors": "CORSMiddleware",
    "starlette.middleware.httpsredirect": "HTTPSRedirectMiddleware",
    "starlette.middleware.sessions": "SessionMiddleware",
    "starlette.middleware.trustedhost": "TrustedHostMiddleware",
}


def _is_transparent(kind: Any) -> bool:
    return _TRANSPARENT.get(getattr(kind, "__module__", "")) == getattr(kind, "__qualname__", "")


def may_send_paths(app: Any) -> bool:
    """Tell whether no middleware waits for the bytes of a response.

    Starlette answers with a path wherever it is offered: GZipMiddleware would then compress no
    file, and what reads `body_iterator` or the messages of a response would find no bytes.

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
        routes = getattr(one, "routes", None)
        if isinstance(routes, list):
            waiting += [route.app for route in routes if hasattr(route, "app")]
            if not hasattr(one, "user_middleware"):  # a router, not an application
                waiting.append(getattr(one, "middleware_stack", None))
            elif not all(_is_transparent(each.cls) for each in one.user_middleware):
                return False
        elif hasattr(one, "app"):
            if not _is_transparent(type(one)):
                return False
            waiting.append(one.app)
    return True
