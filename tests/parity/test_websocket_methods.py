"""The methods of FastAPI's WebSocket object, in each state and with all kinds of arguments."""

from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.responses import JSONResponse

from .test_websockets import HANDSHAKE, frame

MESSAGES = frame(1, b'{"a": [1]}') + frame(2, b'"b"') + frame(1, b"text")


def states(websocket: WebSocket) -> tuple[str, str]:
    return websocket.client_state.name, websocket.application_state.name


async def tried(
    seen: list[Any], websocket: WebSocket, name: str, *args: Any, **kwargs: Any
) -> None:
    """Call a method and note what comes of it, with the states before and after."""
    before = states(websocket)
    try:
        outcome: Any = await getattr(websocket, name)(*args, **kwargs)
    except Exception as error:
        context = type(error.__context__).__mro__[-4:] if error.__context__ else None
        code = getattr(error, "code", None), getattr(error, "reason", None)
        seen.append((name, before, type(error).__name__, str(error), code, context))
    else:
        seen.append((name, before, outcome))
    seen.append(states(websocket))


def applied(steps: list[Any]) -> Any:
    """An application whose endpoint takes steps: a method's name and its arguments."""

    def make(seen: list[Any]) -> Any:
        app = FastAPI()

        @app.websocket("/ws")
        async def endpoint(websocket: WebSocket) -> None:
            for name, *args in steps:
                named = args.pop() if args and isinstance(args[-1], dict) and name != "send" else {}
                await tried(seen, websocket, name, *args, **named)

        return app

    return make


ACCEPT = ("accept",)


@pytest.mark.parametrize(
    "steps",
    [
        [ACCEPT, ("receive_text",), ("receive_bytes",), ("receive_text",), ("receive_text",)],
        [ACCEPT, ("receive_bytes",), ("receive_text",), ("receive_json",), ("receive_json",)],
        [ACCEPT, ("receive",), ("receive_text",), ("receive_bytes",), ("receive",)],
        [
            ACCEPT,
            ("receive_json",),
            ("receive_json", {"mode": "binary"}),
            ("receive_json",),
            ("close",),
        ],
        [ACCEPT, ("receive_json", {"mode": "other"}), ("receive_json", "text"), ("close",)],
        [
            ("receive_text",),
            ("receive_bytes",),
            ("receive_json",),
            ACCEPT,
            ("receive_text",),
            ("close",),
        ],
        [("send_text", "early"), ("send_json", 1), ACCEPT, ("send_text", "é" * 3), ("close",)],
        [ACCEPT, ACCEPT, ("send_text", "still"), ("close", 3001, "why")],
        [ACCEPT, ("close",), ("send_text", "late"), ("send_json", {}), ("close",), ("receive",)],
        [ACCEPT, ("close",), ("receive_text",), ("receive_bytes",)],
        [ACCEPT, ("send_text", b"bytes"), ("close",)],
        [ACCEPT, ("send_bytes", bytearray(b"array")), ("close",)],
        [ACCEPT, ("send_text", None), ("send_bytes", None), ("send_text", "x"), ("close",)],
        [ACCEPT, ("send_text", "\ud800"), ("close",)],
        [ACCEPT, ("send_json", object()), ("send_json", "a", {"mode": "binary"}), ("close",)],
        [
            ACCEPT,
            ("send_json", {"é": [1.5, None, float("nan")]}),
            ("send_json", 1, "x"),
            ("close",),
        ],
        [ACCEPT, ("send_text", {"data": "named"}), ("send_bytes", {"data": b"named"}), ("close",)],
        [ACCEPT, ("send_text",), ("receive_text", 1), ("close",)],
        [ACCEPT, ("close", {"code": 4000})],
        [("close",), ("send_text", "x"), ("receive_text",), ACCEPT],
        [ACCEPT, ("send_denial_response", JSONResponse([])), ("close",)],
        [("send_denial_response", JSONResponse([1], 401)), ("send_text", "x")],
        [ACCEPT, ("send", {"type": "websocket.send", "text": "raw"}), ("close",)],
        [ACCEPT, ("send", {"type": "other"}), ("close",)],
    ],
    ids=lambda steps: "-".join(step[0] for step in steps),
)
def test_methods_in_each_state(parity, steps):
    """I116, I117: what is returned and raised, both states, and what is on the wire."""

    def script(wire):
        wire.send(HANDSHAKE)
        received = wire.response()
        if b" 101 " not in received[:20]:
            return received.split(b"\r\n")[0]  # the fields of a refusal are each server's own
        closes = any(step[0] == "close" for step in steps)
        wire.send(MESSAGES + (b"" if closes else frame(8, b"\x03\xe8")))
        while start := wire.take(2):
            payload = wire.take(start[1])
            received += start + payload
            if start[0] & 15 == 8 and closes:
                wire.send(frame(8, payload[:2]))
        return received

    parity(applied(steps), script, logged=False)
