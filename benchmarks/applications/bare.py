"""A bare ASGI application: what is measured is the server alone.

``/pid`` answers with the number of the process that serves it; every other path with one JSON
constant.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]

CONSTANT = b'{"hello":"world"}'


async def app(
    scope: Message,
    _receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer a request; other kinds of connection are refused as an ASGI application should."""
    if scope["type"] != "http":
        raise NotImplementedError(f"this application only knows http, not {scope['type']}")
    body = CONSTANT if scope["path"] != "/pid" else str(os.getpid()).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-length", str(len(body)).encode()),
                (b"content-type", b"application/json"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
