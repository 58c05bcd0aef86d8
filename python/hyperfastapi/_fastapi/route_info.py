"""What the functions that a run calls have to know of its route."""

from __future__ import annotations

from typing import Any

from fastapi import routing
from fastapi.dependencies.models import Dependant

from .applications import FastAPI
from .routes import EffectiveRoute, form_limits_of, is_plain_route, is_websocket_route

_routing: Any = routing


class RouteInfo:
    """One compiled route, for the functions that a run of its plan calls.

    Args:
        app: the application.
        router: the router that is searched.
        route: the effective route.
        state: the handler's variables.
        cache_keys: FastAPI's keys of the dependencies' values, in the order of the plan's places.
    """

    __slots__ = (
        "app",
        "cache_keys",
        "dependant",
        "embeds",
        "form_limits",
        "is_coroutine",
        "is_plain",
        "is_websocket",
        "provider",
        "route",
        "router",
    )

    def __init__(
        self,
        app: FastAPI,
        router: routing.APIRouter,
        route: EffectiveRoute,
        state: dict[str, Any],
        cache_keys: tuple[Any, ...],
    ) -> None:
        self.app = app
        self.router = router
        self.route = route
        self.dependant: Dependant = state["dependant"]
        self.embeds = bool(state["embed_body_fields"])
        self.provider = state["dependency_overrides_provider"]
        self.cache_keys = cache_keys
        self.form_limits = form_limits_of(router, route.inclusions, state)
        self.is_coroutine = bool(state.get("is_coroutine"))
        self.is_plain = is_plain_route(route.route)
        self.is_websocket = is_websocket_route(route.route)


def endpoint_context(info: RouteInfo, method: str, root_path: str) -> Any:
    """Return what FastAPI's errors say of a route."""
    dependant = info.dependant
    context = _routing._extract_endpoint_context(dependant.call)
    if dependant.path:
        context["path"] = f"{method} {root_path.rstrip('/')}{dependant.path}"
    return context
