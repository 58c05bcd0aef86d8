"""An application that shows what its server does; each path is one behaviour.

It prints a line when it starts something that a test waits for.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def say(text: str) -> None:
    print(text, flush=True)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await websocket(scope, receive, send)
    else:
        await PATHS.get(scope["path"], show)(scope, receive, send)


async def lifespan(receive: Receive, send: Send) -> None:
    for _ in range(2):
        kind = (await receive())["type"]
        say(f"{kind} in {os.getpid()}")
        await send({"type": f"{kind}.complete"})


async def answer(send: Send, body: bytes) -> None:
    length = str(len(body)).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
    )
    await send({"type": "http.response.body", "body": body})


async def show(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the process and what it knows of the request."""
    shown = {
        "pid": os.getpid(),
        "host": dict(scope["headers"]).get(b"host", b"").decode(),
        "root_path": scope["root_path"],
        "path": scope["path"],
        "http_version": scope["http_version"],
        "scheme": scope["scheme"],
        "tls": scope["extensions"].get("tls"),
        "client": scope["client"],
        "server": scope["server"],
        "loop": type(asyncio.get_running_loop()).__module__,
        "greeting": os.environ.get("GREETING"),
    }
    await answer(send, json.dumps(shown).encode())


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the request's body."""
    say("entered /echo")
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            say("disconnected")
            return
        body += message["body"]
        if not message["more_body"]:
            break
    await answer(send, body)


async def sleep(scope: Scope, receive: Receive, send: Send) -> None:
    """Never answer."""
    say("entered /sleep")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        say("cancelled /sleep")
        raise


async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
    """Never answer, and swallow the first cancellation."""
    say("entered /stubborn")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Stream until the client is gone, or said to be."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    gone = asyncio.ensure_future(wait_for_disconnect(receive))
    while not gone.done():
        await send({"type": "http.response.body", "body": b"tick", "more_body": True})
        await asyncio.wait([gone], timeout=0.01)
    say("left /stream")


async def wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def blind_stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Stream for ever, without a look at the client."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"tick", "more_body": True})
        await asyncio.sleep(0.01)


async def fields(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the request's fields."""
    shown = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    await answer(send, json.dumps(shown).encode())


async def trailers(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with fields behind the body, in two messages."""
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
    await send({"type": "http.response.body", "body": b"body"})
    first = {"type": "http.response.trailers", "headers": [(b"X-One", b"1")], "more_trailers": True}
    await send(first)
    await send({"type": "http.response.trailers", "headers": [(b"x-two", b"2")]})


async def hints(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer after an early hint."""
    links = [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]
    await send({"type": "http.response.early_hint", "links": links})
    await answer(send, b"hinted")


async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    """Send more than any client wants, and say how much was taken."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    sent = 0
    for _ in range(1000):
        try:
            await asyncio.wait_for(send_piece(send), 1)
        except asyncio.TimeoutError:
            break
        sent += 16384
    say(f"flooded {sent}")


async def send_piece(send: Send) -> None:
    await send({"type": "http.response.body", "body": bytes(16384), "more_body": True})


async def crash(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("crashed on purpose")


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Echo text until the client is gone, or said to be."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
    say(f"left WebSocket with {message['code']}")


PATHS = {
    "/echo": echo,
    "/sleep": sleep,
    "/stubborn": stubborn,
    "/stream": stream,
    "/blind-stream": blind_stream,
    "/fields": fields,
    "/trailers": trailers,
    "/hints": hints,
    "/flood": flood,
    "/crash": crash,
}
