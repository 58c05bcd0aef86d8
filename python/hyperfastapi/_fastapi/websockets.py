"""WebSocket routes, and Starlette's WebSocket class."""

from __future__ import annotations

import json
from types import FunctionType
from typing import Any

from fastapi import routing
from starlette.routing import BaseRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from . import Unknown
from .handlers import closure, inner_code

METHOD = " websocket"
"""Stands for a method in the core's router; no request can have it."""


_SESSION = inner_code(routing.websocket_session, "app")
_HANDLER = inner_code(routing.get_websocket_app, "app")


def is_api_websocket_route(route: BaseRoute) -> bool:
    """Tell whether FastAPI's own class of WebSocket routes decides on matching and handling."""
    return (
        type(route) is routing.APIWebSocketRoute
        and "matches" not in vars(route)
        and "handle" not in vars(route)
    )


def websocket_state(app: Any) -> dict[str, Any]:
    """Read what FastAPI's handler of a WebSocket route would run with.

    Args:
        app: the route's `app`, as it is called for a connection.

    Returns:
        The variables of `fastapi.routing.get_websocket_app`, by name.

    Raises:
        Unknown: the application or the handler in it is not FastAPI's own.
    """
    if not isinstance(app, FunctionType) or app.__code__ is not _SESSION:
        raise Unknown("something wraps the application of the route")
    handler = closure(app).get("func")
    if not isinstance(handler, FunctionType) or handler.__code__ is not _HANDLER:
        raise Unknown("the route has a handler of its own")
    return closure(handler)


class Channel:
    """What the core needs of Starlette's class to do its work; see glue/websocket_channel.h.

    Attributes:
        functions: the methods that are done natively, in the core's order.
        replaced: all functions of the class that these stand for, by name.
    """

    connecting = WebSocketState.CONNECTING
    connected = WebSocketState.CONNECTED
    disconnected = WebSocketState.DISCONNECTED
    disconnect = WebSocketDisconnect
    json = json
    dumps_kwnames = ("separators", "ensure_ascii")
    separators = (",", ":")

    def __init__(self, functions: tuple[Any, ...], replaced: dict[str, Any]) -> None:
        self.functions = functions
        self.replaced = replaced


# What a native method does in the place of these.
_NATIVE = (
    "receive_text", "receive_bytes", "receive_json", "send_text", "send_bytes", "send_json",
    "accept", "close",
)  # fmt: skip
_REPLACED = (*_NATIVE, "receive", "send", "_raise_on_disconnect", "__getattribute__")
_FILE = WebSocket.__init__.__code__.co_filename


def _is_starlettes(name: str) -> bool:
    method = getattr(WebSocket, name)
    if name == "__getattribute__":
        return method is object.__getattribute__
    return (
        isinstance(method, FunctionType)
        and method.__code__.co_filename == _FILE
        and method.__code__.co_name == name
    )


def channel() -> Channel | None:
    """Return what native methods stand for; None if something has replaced one of those."""
    if not all(map(_is_starlettes, _REPLACED)):
        return None
    functions = {name: getattr(WebSocket, name) for name in _REPLACED}
    return Channel(tuple(functions[name] for name in _NATIVE), functions)
