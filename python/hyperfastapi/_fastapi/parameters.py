"""Parameters and dependencies that FastAPI's own functions have to see to."""

from __future__ import annotations

import functools
from collections.abc import Coroutine, Mapping
from copy import deepcopy
from typing import Any, cast

from fastapi.dependencies import utils
from fastapi.dependencies.models import Dependant
from pydantic_core import PydanticUndefined
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response

from .dependants import ModelField
from .route_info import RouteInfo

# Names in it that are not public.
_dependencies: Any = utils


def default_of(field: ModelField) -> Any:
    """Return a field's default for one request."""
    return deepcopy(field.default)


_PATH, _QUERY, _HEADER, _COOKIE = range(4)


def delegated(fields: list[ModelField], source: int, material: Any) -> tuple[dict[str, Any], Any]:
    """Extract parameters with FastAPI's own function.

    Args:
        fields: those of one source.
        source: 0 path, 1 query, 2 header, 3 cookie.
        material: path parameters, the query string, or the raw headers.
    """
    received: Mapping[str, Any] = material
    if source == _QUERY:
        received = QueryParams(material)
    elif source == _HEADER:
        received = Headers(raw=material)
    elif source == _COOKIE:
        received = Request({"type": "http", "headers": material}).cookies
    extracted: tuple[dict[str, Any], Any] = _dependencies.request_params_to_args(fields, received)
    return extracted


def result_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run what never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("a function that should not wait has waited")


def body_items(dependant: Dependant, body: Any, has_body: bool) -> tuple[dict[str, Any], Any]:
    """Extract the keys of a body that is no JSON object, with FastAPI's own function."""
    return cast(
        "tuple[dict[str, Any], Any]",
        result_of(
            _dependencies.request_body_to_args(
                body_fields=dependant.body_params,
                received_body=body if has_body else PydanticUndefined,
                embed_body_fields=True,
            )
        ),
    )


@functools.lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Tell whether FastAPI parses a body of this type as JSON."""
    import email.message

    message = email.message.Message()
    message["content-type"] = content_type
    if message.get_content_maintype() != "application":
        return False
    subtype = message.get_content_subtype()
    return subtype == "json" or subtype.endswith("+json")


async def solve(
    info: RouteInfo,
    request: Request,
    body: Any,
    has_body: bool,
    called: dict[int, Any],
    background: Any,
    response: Response | None,
) -> tuple[dict[str, Any], list[Any], Any, Response]:
    """Solve with FastAPI's own function what a plan has begun.

    A request's own code has changed `dependency_overrides` meanwhile.

    Args:
        info: the route's.
        request: the route's.
        body: as FastAPI's handler has it.
        has_body: whether there is one.
        called: values of the dependencies that have been called, by their places in the plan.
        background: tasks that these have added, or None.
        response: what these may have set headers of, or None.
    """
    solved = await _dependencies.solve_dependencies(
        request=request,
        dependant=info.dependant,
        body=body if has_body else PydanticUndefined,
        background_tasks=background,
        response=response,
        dependency_overrides_provider=info.provider,
        dependency_cache={info.cache_keys[slot]: value for slot, value in called.items()},
        async_exit_stack=request.scope["fastapi_inner_astack"],
        embed_body_fields=info.embeds,
    )
    return solved.values, solved.errors, solved.background_tasks, solved.response
