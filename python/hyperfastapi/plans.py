"""Which routes are compiled, which are left to FastAPI's own code and why, and how often.

    from hyperfastapi import plans

    for route in plans.explain(app).routes:
        print(route.path, route.reason or "native")
    print(plans.counters(app).compiled)

`hyperfastapi explain main:app` prints the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Counters", "Explanation", "Part", "explain", "counters"]


@dataclass(frozen=True, slots=True)
class Part:
    """A route, mount or middleware of an application.

    Attributes:
        kind: ``"route"``, ``"websocket"``, ``"mount"`` or ``"middleware"``.
        path: the path template of a route or mount; empty for middleware.
        methods: the methods of a route, sorted; empty: any, or not by method.
        name: of the endpoint or class.
        reason: why it is left to FastAPI's own code; None: it runs natively.
    """

    kind: str
    path: str
    methods: tuple[str, ...]
    name: str
    reason: str | None

    @property
    def is_native(self) -> bool:
        """Whether it runs natively."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of an application.

    Attributes:
        middleware: in the order in which they see a request.
        routes: in the order in which FastAPI looks through them, included routers unfolded.
        is_whole: nothing but compiled routes stands between our server and the endpoints; otherwise
            requests pass the application's middleware first.
    """

    middleware: tuple[Part, ...]
    routes: tuple[Part, ...]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Counters:
    """Requests of one application in this process.

    Attributes:
        compiled: those that a plan has answered: neither FastAPI's `solve_dependencies` nor its
            request handler has run.
        bridged: those that were left to FastAPI's own code, by reason.
        stepped_aside: those that native middleware has left to the code of its class, which may
            have happened at each of several layers, by the class's name: preflight requests and
            refusals inside of other middleware, streams that are compressed, and calls inside a
            cancel scope of AnyIO's.
    """

    compiled: int
    bridged: Mapping[str, int]
    stepped_aside: Mapping[str, int] = field(default_factory=dict)


def _compiled_of(app: Any) -> Any:
    from . import _compiled

    return _compiled.prepare(app)


def _kind(verdict: Any) -> str:
    if verdict.is_mount:
        return "mount"
    return "websocket" if verdict.is_websocket else "route"


def explain(app: Any) -> Explanation:
    """Tell what is native.

    The application's middleware stack is built, as its first request would do.

    Args:
        app: a FastAPI application.

    Raises:
        TypeError: it is no FastAPI application, or its middleware hides its router.
    """
    compiled = _compiled_of(app)
    if compiled is None:
        raise TypeError(
            f"{app!r} has nothing to compile: it is no FastAPI application, or a middleware of its"
            " own hides the router; it is served through its ASGI interface"
        )
    routes = tuple(
        Part(
            kind=_kind(each),
            path=each.path,
            methods=each.methods,
            name=each.name,
            reason=each.reason,
        )
        for each in compiled.verdicts()
    )
    middleware = tuple(
        Part("middleware", "", (), name, reason) for name, reason in compiled.middleware()
    )
    return Explanation(middleware, routes, compiled.is_whole)


def counters(app: Any) -> Counters:
    """Count what plans have answered, and what not.

    Args:
        app: a FastAPI application; any other has zero compiled requests.
    """
    from . import _compiled

    compiled = _compiled.of(app)
    if compiled is None:
        return Counters(0, {})
    count, bridged = compiled.counts()
    return Counters(count, dict(bridged), dict(compiled.stepped_aside()))


def describe(app: Any) -> str:
    """Describe as text what `explain()` tells.

    Args:
        app: a FastAPI application.

    Raises:
        TypeError: as `explain()`.
    """
    explanation = explain(app)
    parts = (*explanation.middleware, *explanation.routes)
    rows = [
        (
            part.kind,
            ",".join(part.methods) or "-",
            part.path or "-",
            part.name,
            "native" if part.is_native else f"FastAPI: {part.reason}",
        )
        for part in parts
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    lines = [
        "  ".join([*(row[i].ljust(widths[i]) for i in range(4)), row[4]]).rstrip() for row in rows
    ]
    native = sum(part.is_native for part in explanation.routes)
    way = "from the server" if explanation.is_whole else "inside the application's middleware"
    lines.append(f"{native} of {len(explanation.routes)} routes are compiled, entered {way}.")
    return "\n".join(lines)
