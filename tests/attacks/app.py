"""The application that is attacked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with a word; at /flood with more than anybody takes, at /sleep never."""
    if scope["path"] == "/sleep":
        await _disconnect(receive)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/flood":
        gone = asyncio.ensure_future(_disconnect(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": bytes(16384), "more_body": True})
            await asyncio.sleep(0)
        return
    await send({"type": "http.response.body", "body": b"served"})
