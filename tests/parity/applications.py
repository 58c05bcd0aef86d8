"""Small raw ASGI applications that the cases are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Headers = Sequence[tuple[bytes, bytes]]


def get(path: str = "/", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body."""
    head = [f"{method} {path} HTTP/{version}", "host: example.org", *fields]
    return "".join(line + "\r\n" for line in [*head, ""]).encode("latin-1")


def post(body: bytes, *fields: str, path: str = "/") -> bytes:
    """A request with a body of known length."""
    return get(path, f"content-length: {len(body)}", *fields, method="POST") + body


def answering(
    *bodies: bytes, status: int = 200, headers: Headers = (), note: Callable[..., Any] | None = None
) -> Callable[[list[Any]], Any]:
    """An application that answers with these body messages."""

    def make(seen: list[Any]) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            if note is not None:
                seen.append(note(scope))
            await send({"type": "http.response.start", "status": status, "headers": list(headers)})
            for index, body in enumerate(bodies or (b"",)):
                more = index + 1 < len(bodies)
                await send({"type": "http.response.body", "body": body, "more_body": more})

        return app

    return make


def sending(*messages: dict[str, Any]) -> Callable[[list[Any]], Any]:
    """An application that sends these messages and notes the first that raises."""

    def make(seen: list[Any]) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            for message in messages:
                try:
                    await send(message)
                except BaseException as exception:
                    seen.append(repr(exception))
                    raise

        return app

    return make


async def read_body(receive: Any) -> bytes:
    """The whole request body."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body
