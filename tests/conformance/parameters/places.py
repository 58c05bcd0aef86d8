"""Where a parameter can come from, and a request that carries it there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Cookie, Header, Path, Query

from ..requests import Request, get

PLACES = ("path", "query", "header", "cookie")
_DECLARATIONS: dict[str, Callable[..., Any]] = {
    "path": Path,
    "query": Query,
    "header": Header,
    "cookie": Cookie,
}


def declared(place: str, annotation: Any, **options: Any) -> Any:
    """`annotation` as a parameter from `place`."""
    return Annotated[annotation, _DECLARATIONS[place](**options)]


def echo(place: str, annotation: Any, *default: Any, **options: Any) -> Callable[[Any], Any]:
    """An application with one parameter, `value`, in an `async def` (/async) and a `def` (/sync).

    Args:
        place: path, query, header or cookie.
        annotation: the parameter's type.
        default: its default, if it has one.
        options: of `Path()`, `Query()`, `Header()` or `Cookie()`.
    """
    parameter = declared(place, annotation, **options)

    def make(side: Any) -> Any:
        app = side.FastAPI()

        async def endpoint(value):
            side.log(type(value).__name__, repr(value))

        def sync(value):
            side.log(type(value).__name__, repr(value))

        for name, function in (("async", endpoint), ("sync", sync)):
            function.__annotations__["value"] = parameter
            function.__defaults__ = default
            app.get(f"/{name}/{{value}}" if place == "path" else f"/{name}")(function)
        return app

    return make


def asking(place: str, *values: str) -> list[Request]:
    """Requests for `echo`: one for each value, to the `async def`, and the first to the `def`."""
    asked = [("async", value) for value in values] + [("sync", values[0])]
    return [_carrying(place, path, value) for path, value in asked]


def _carrying(place: str, path: str, value: str) -> Request:
    if place == "path":
        return get(f"/{path}/{quote(value, safe='')}")
    if place == "query":
        return get(f"/{path}?value={quote(value, safe='')}")
    if place == "header":
        return get(f"/{path}", b"value: " + value.encode())
    return get(f"/{path}", b"cookie: value=" + value.encode())
