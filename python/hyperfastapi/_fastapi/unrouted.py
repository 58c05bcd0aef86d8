"""What FastAPI answers where no route does: 404, 405, or a redirect to the path with or without its
last slash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import routing
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import Scope

from . import Unknown
from .hooks import Hooks
from .routes import EffectiveRoute, is_websocket_route, routers_of


def _has_own_handle(route: EffectiveRoute) -> bool:
    if route.is_api_route:
        return False
    # FastAPI puts what an inclusion says around any other route in it.
    return (
        route.included_by is not None
        or not isinstance(route.route, Route)
        or isinstance(route.route, routing.APIRoute)
        or type(route.route).handle is not Route.handle
        or "handle" in vars(route.route)
    )


class Unrouted:
    """The answers of one application to requests that no route of it takes.

    Each returns None where a handler of the application's own has to answer.

    Args:
        router: the router that is searched.
        routes: its routes, in the order of the core's router.
        mounts: the indices of mounts without parameters among them.
        hooks: those of the application.
    """

    def __init__(
        self,
        router: routing.APIRouter,
        routes: Sequence[EffectiveRoute],
        mounts: frozenset[int],
        hooks: Hooks,
    ) -> None:
        self.redirects = bool(router.redirect_slashes)
        self._routes = routes
        self._mounts = mounts
        self._hooks = hooks

    def not_found(self) -> Response | None:
        """Answer where no route matches."""
        return self._hooks.default_answer(HTTPException(status_code=404))

    def not_allowed(self, index: int) -> Response | None:
        """Answer for the first route that matches the path, but not with this method."""
        route = self._routes[index]
        if is_websocket_route(route.route) or _has_own_handle(route):
            return None
        headers = {"Allow": ", ".join(route.effective.methods)}
        return self._hooks.default_answer(HTTPException(status_code=405, headers=headers))

    def is_certain(self, index: int, is_opaque: bool) -> bool:
        """Tell whether a route matches that the core's router has not found to match in full.

        Args:
            index: the route's.
            is_opaque: the core's router leaves it to FastAPI.
        """
        if is_opaque:
            return index in self._mounts
        return not is_websocket_route(self._routes[index].route)

    def redirect(self, scope: Scope) -> Response:
        """Redirect to the path that a route matches."""
        path = scope["path"]
        other = path.rstrip("/") if path.endswith("/") else path + "/"
        return RedirectResponse(url=str(URL(scope={**scope, "path": other})))

    def show(self, scope: Scope, index: int | None) -> None:
        """Leave in a scope what FastAPI's router leaves there, for middleware to see.

        Args:
            scope: the request's.
            index: of the route that matches the path, but not with this method; None: none does.
        """
        self._hooks.show_unrouted(scope, None if index is None else self._routes[index])


def check_default(router: routing.APIRouter) -> None:
    """Raise `Unknown` if something else than FastAPI's routes and its 404 may answer.

    Args:
        router: the router that is searched.
    """
    default = router.default
    if getattr(default, "__func__", None) is not Router.not_found:
        raise Unknown("the router has a default of its own")
    if any(each._low_priority_routes for each in routers_of(router)):
        raise Unknown("a frontend answers what no route matches")


def default_guards(router: routing.APIRouter) -> list[tuple[dict[str, Any], str, Any]]:
    """Return what stays as it is while FastAPI's 404 and redirects do."""
    return [(vars(router), name, vars(router)[name]) for name in ("default", "redirect_slashes")]


def default_lists(router: routing.APIRouter) -> list[tuple[list[Any], tuple[Any, ...]]]:
    """Return the lists of routes that are looked at when no other matches, with their items."""
    found = [each._low_priority_routes for each in routers_of(router)]
    return [(each, tuple(each)) for each in found]
