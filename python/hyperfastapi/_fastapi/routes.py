"""The routes of an application, as the scan of its router meets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import routing
from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute

from .limits import Limiter, limiters_of
from .limits import limiter_of as limiter_of_app

# Names in it that are not public.
_routing: Any = routing


class EffectiveRoute:
    """One route as the router's scan meets it, perhaps by way of an included router.

    Attributes:
        route: the route that was declared.
        context: what inclusion has made of it; None for a route of the router itself, or one that
            is not FastAPI's.
        selected: what FastAPI calls the effective context where it selects this route, or None.
        included_by: the innermost inclusion, or None.
        inclusions: all of them, outermost first.
        follows_inclusion: FastAPI's scan has passed an included router before this route.
    """

    __slots__ = ("context", "follows_inclusion", "included_by", "inclusions", "route", "selected")

    def __init__(
        self,
        route: BaseRoute,
        context: Any,
        inclusions: tuple[Any, ...],
        *,
        follows_inclusion: bool,
        selected: Any = None,
    ) -> None:
        self.route = route
        self.selected = context if selected is None else selected
        self.context = context
        self.included_by = inclusions[-1] if inclusions else None
        self.inclusions = inclusions
        self.follows_inclusion = follows_inclusion

    @property
    def effective(self) -> Any:
        """What has the path, methods and endpoint that count."""
        return self.context if self.context is not None else self.route

    @property
    def is_api_route(self) -> bool:
        """Whether FastAPI's own route class decides on matching and handling."""
        kind = type(self.route)
        return (
            isinstance(self.route, routing.APIRoute)
            and kind.matches is routing.APIRoute.matches
            and kind.handle is routing.APIRoute.handle
            and "matches" not in vars(self.route)
            and "handle" not in vars(self.route)
        )


INCLUSION = getattr(routing, "_IncludedRouter", ())
"""What stands for an included router among the routes."""


def _from_inclusion(inclusions: tuple[Any, ...]) -> Iterator[EffectiveRoute]:
    inclusion = inclusions[-1]
    if has_own_routing(inclusion.original_router):
        yield EffectiveRoute(inclusion, None, inclusions, follows_inclusion=True)
        return
    for candidate in inclusion.effective_candidates():
        if isinstance(candidate, INCLUSION):
            yield from _from_inclusion((*inclusions, candidate))
        elif isinstance(candidate.original_route, routing.APIRoute):
            yield EffectiveRoute(
                candidate.original_route, candidate, inclusions, follows_inclusion=True
            )
        else:
            route = candidate.starlette_route or candidate.original_route
            yield EffectiveRoute(
                route, None, inclusions, follows_inclusion=True, selected=candidate
            )


def effective_routes(router: routing.APIRouter) -> Iterator[EffectiveRoute]:
    """Walk a router's routes in the order of its scan, included routers unfolded."""
    follows = False
    for route in router.routes:
        if isinstance(route, INCLUSION):
            follows = True
            yield from _from_inclusion((route,))
        else:
            yield EffectiveRoute(route, None, (), follows_inclusion=follows)


def form_limits_of(
    router: routing.APIRouter, inclusions: tuple[Any, ...], state: Mapping[str, Any]
) -> tuple[dict[str, int], ...]:
    """Return what limits a route's forms, each overriding those before it.

    Args:
        router: the application's.
        inclusions: those that lead to the route, outermost first.
        state: the variables of its handler.

    Returns:
        The routers' limits, and last the route's.
    """
    found = [getattr(owner, "form_limits", None) for owner in _limiting(router, inclusions)]
    found.append(state.get("form_limits"))
    return tuple({} if each is None else each for each in found)


def form_limit_guards(
    router: routing.APIRouter, route: EffectiveRoute
) -> list[tuple[Any, str, Any]]:
    """Return what has to stay the same object for `form_limits_of()` to hold."""
    return [
        (owner, "form_limits", owner.form_limits)
        for owner in _limiting(router, route.inclusions)
        if hasattr(owner, "form_limits")
    ]


def limiter_of(route: EffectiveRoute) -> Limiter | None:
    """Return what limits the bodies of a route's requests; None: nothing of its own does.

    Raises:
        Unknown: the limit is no plain number.
    """
    around: list[Any] = []
    if route.inclusions and not route.is_api_route:
        context = route.inclusions[-1].include_context
        limit = getattr(context, "max_body_size", None)
        if limit is not None:
            around = limiters_of(_routing.wrap_app_with_body_limit(None, limit))
    return limiter_of_app(route.effective.app, *around)


def _limiting(router: routing.APIRouter, inclusions: tuple[Any, ...]) -> list[Any]:
    return [router, *(each.include_context for each in inclusions)]


def routers_of(router: routing.APIRouter) -> list[routing.APIRouter]:
    """Return a router and all that are included in it, each once."""
    found: list[routing.APIRouter] = []
    waiting = [router]
    while waiting:
        current = waiting.pop()
        if any(each is current for each in found):
            continue
        found.append(current)
        waiting.extend(
            route.original_router for route in current.routes if isinstance(route, INCLUSION)
        )
    return found


def is_exact(route: BaseRoute, kind: type[BaseRoute]) -> bool:
    """Tell whether a route matches as Starlette's class does."""
    return (
        isinstance(route, kind)
        and type(route).matches is kind.matches
        and "matches" not in vars(route)
    )


def is_mount(route: BaseRoute) -> bool:
    """Tell whether a route is a plain mount."""
    return is_exact(route, Mount)


def mounted_app(route: BaseRoute) -> Any:
    """Return what a plain mount calls; None: it is none."""
    return route.app if isinstance(route, Mount) and is_mount(route) else None


def is_plain_route(route: BaseRoute) -> bool:
    """Tell whether a route is Starlette's own, with a path and methods."""
    return is_exact(route, Route)


def has_own_handle(route: BaseRoute) -> bool:
    """Tell whether a plain route answers in another way than Starlette's class."""
    return type(route).handle is not Route.handle or "handle" in vars(route)


def is_websocket_route(route: BaseRoute) -> bool:
    """Tell whether a route never matches an HTTP request."""
    if type(route) is WebSocketRoute:
        return True
    return type(route) is routing.APIWebSocketRoute


def is_host(route: BaseRoute) -> bool:
    """Tell whether a route selects by the Host header."""
    return isinstance(route, Host)


def kind_of(route: BaseRoute) -> str:
    """Say what a route that is not FastAPI's own is."""
    if is_mount(route):
        return "the application that is mounted there answers"
    if type(route) is WebSocketRoute:
        return "it is a route of Starlette's"
    return f"{type(route).__name__} matches or answers in a way of its own"


def has_own_routing(router: routing.APIRouter) -> bool:
    """Tell whether a router is searched in another way than FastAPI's."""
    kind = type(router)
    known = routing.APIRouter
    names = ("app", "matches", "handle", "__call__")
    return any(getattr(kind, name) is not getattr(known, name) for name in names) or any(
        name in vars(router) for name in ("app", "matches", "handle")
    )
