"""FastAPI's own telemetry of a request: the spans and data that its handler makes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from starlette.requests import Request
from starlette.types import Scope

from .dependants import is_generator
from .route_info import RouteInfo

try:
    from fastapi.telemetry import _api
except ImportError:  # releases without telemetry
    _api = None  # type: ignore[assignment]

SCOPE_KEY = "fastapi.telemetry"
_NAMES = (
    "_operation", "_route_selected", "_run_sync_endpoint", "_validation_failed",
    "get_telemetry_data",
)  # fmt: skip
_telemetry: Any = _api if all(hasattr(_api, name) for name in _NAMES) else None

SCOPES_OF_OTHERS = () if _telemetry is not None else (SCOPE_KEY,)
"""Keys of a scope that something unknown works with: such a request is FastAPI's."""


def validation_failed(exc: Exception) -> None:
    """Report an error of validation, if anybody wants to know."""
    if _telemetry is not None:
        _telemetry._validation_failed(exc)


def trace(info: RouteInfo, scope: Scope) -> Traced | None:
    """Report the route of a request that telemetry follows.

    Args:
        info: the route's.
        scope: the request's.

    Returns:
        What is to be told of its handler; None: nothing.
    """
    _telemetry._route_selected(scope=scope, path=getattr(info.route.effective, "path_format", None))
    return None if info.is_plain else Traced(info)


def _traced_coroutine(call: Callable[..., Any]) -> Callable[..., Any]:
    async def traced(**values: Any) -> Any:
        with _telemetry._operation(name="endpoint", function=call):
            return await call(**values)

    return traced


def _traced_function(call: Callable[..., Any]) -> Callable[..., Any]:
    def traced(**values: Any) -> Any:
        return _telemetry._run_sync_endpoint(function=call, arguments=values)

    return traced


class Traced:
    """The handler of one request, in the order of what it does.

    Args:
        info: the route's.

    Attributes:
        endpoint: what is called in the endpoint's place.
    """

    def __init__(self, info: RouteInfo) -> None:
        call: Any = info.dependant.call
        self._call = call
        self._data = _telemetry.get_telemetry_data()
        self._operation: AbstractContextManager[None] | None = None
        self.endpoint = call
        if not is_generator(call):
            make = _traced_coroutine if info.is_coroutine else _traced_function
            self.endpoint = make(call)

    def show(self, request: Request) -> None:
        """Tell of the request."""
        if self._data is not None:
            self._data.request = request

    def begin(self, request: Request, body: Any) -> None:
        """Begin with the dependencies.

        Args:
            request: the route's.
            body: what FastAPI calls the body, or None.
        """
        self.show(request)
        if self._data is not None:
            self._data.body = body
        self._enter("dependencies")

    def solve(self, values: dict[str, Any], errors: list[Any]) -> None:
        """End with the dependencies; the endpoint is next.

        Args:
            values: the endpoint's arguments.
            errors: of validation.
        """
        if self._data is not None:
            self._data.values = values
            self._data.errors = errors
        self.end(None)

    def serialize(self) -> None:
        """Begin with the response."""
        self._enter("serialization")

    def end(self, exc: BaseException | None) -> None:
        """End what has been begun.

        Args:
            exc: what it has raised, or None.
        """
        operation, self._operation = self._operation, None
        if operation is not None:
            operation.__exit__(
                None if exc is None else type(exc), exc, None if exc is None else exc.__traceback__
            )

    def _enter(self, name: str) -> None:
        operation = _telemetry._operation(name=name, function=self._call)
        operation.__enter__()
        self._operation = operation
