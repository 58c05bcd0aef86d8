"""How WebSocket endpoints of FastAPI applications end: what they, dependencies and logs see."""

import asyncio
import threading

import fastapi
import pytest
from fastapi import Depends, Header, WebSocket, WebSocketDisconnect

from .applications import get
from .test_streams import application
from .test_websockets import HANDSHAKE, frame

GONE = threading.Event()
"""The client has left."""


def noting_sends(seen, app):
    """Note the messages that an application sends and how it ends, as a server gets them."""

    async def noting(scope, receive, send):
        if scope["type"] != "websocket":
            await app(scope, receive, send)
            return

        async def noted(message):
            seen.append(dict(message))
            await send(message)

        try:
            await app(scope, receive, noted)
        except WebSocketDisconnect as error:
            seen.append((type(error).__name__, int(error.code), error.reason))
            raise

    return noting


CLOSES = {
    "1000": [frame(8, b"\x03\xe8")],
    "a reason": [frame(8, b"\x0f\xa1because")],
    "no code": [frame(8)],
    "going away": [frame(8, b"\x03\xe9")],
}


@pytest.mark.parametrize("how", CLOSES)
@pytest.mark.parametrize("method", ["receive_text", "receive_bytes", "receive_json"])
def test_an_endpoint_that_lets_the_disconnect_pass_is_logged(parity, how, method):
    """I116: `WebSocketDisconnect` with the client's code and reason, which nobody handles."""
    first = {"receive_text": frame(1, b"text"), "receive_bytes": frame(2, b"bytes")}

    def make(seen):
        app = fastapi.FastAPI()

        @app.websocket("/ws")
        async def endpoint(websocket: WebSocket):
            await websocket.accept()
            while True:
                await getattr(websocket, method)()

        return noting_sends(seen, app)

    def script(wire):
        wire.send(HANDSHAKE)
        received = wire.response()
        wire.send(first.get(method, frame(1, b"{}")) + b"".join(CLOSES[how]))
        return received + wire.rest()

    outcome = parity(make, script, logged=False)  # the code's own type is each server's
    assert outcome.seen[-1][0] == "WebSocketDisconnect"
    assert len(outcome.log) == 1 and outcome.log[0][0] == "Exception in ASGI application"


@pytest.mark.parametrize("method", ["receive_text", "iter_text", "receive"])
def test_a_client_that_is_lost_is_1005(parity, method):
    """I116: it has sent no close frame; iterators end, methods raise, `receive()` says so."""

    def make(seen):
        app = application(seen)

        @app.websocket("/ws")
        async def endpoint(websocket: WebSocket):
            await websocket.accept()
            await websocket.send_text("begun")
            try:
                if method == "iter_text":
                    async for text in websocket.iter_text():
                        seen.append(text)
                    seen.append("end")
                else:
                    seen.append(await getattr(websocket, method)())
            except WebSocketDisconnect as error:
                seen.append([error.code, error.reason])

        return app

    def script(wire):
        wire.send(HANDSHAKE)
        wire.response()
        assert wire.take(7).endswith(b"begun")
        wire.socket.close()
        wire.reconnect()
        wire.send(get("/noted?count=1"))
        return wire.response()

    parity(make, script)


def test_sending_to_a_client_that_is_gone_raises_1006(parity):
    """I116: `WebSocketDisconnect`, whatever is sent."""

    def make(seen):
        app = application(seen)

        @app.websocket("/ws")
        async def endpoint(websocket: WebSocket):
            await websocket.accept()
            await websocket.send_text("begun")
            while not GONE.is_set():
                await asyncio.sleep(0.001)
            while not seen:
                try:
                    await websocket.send_text("x" * 1000)
                    await asyncio.sleep(0.001)
                except WebSocketDisconnect as error:
                    seen.append([error.code, error.reason])
            for name, value in (("send_json", 1), ("send_bytes", b"x"), ("close", 1000)):
                try:
                    await getattr(websocket, name)(value)
                except Exception as error:
                    seen.append(repr(error))
                else:
                    seen.append(name)

        return app

    def script(wire):
        GONE.clear()
        wire.send(HANDSHAKE)
        wire.response()
        assert wire.take(7).endswith(b"begun")
        wire.socket.close()
        GONE.set()
        wire.reconnect()
        wire.send(get("/noted?count=4"))
        return wire.response()

    assert parity(make, script).seen[0] == [1006, ""]


def test_what_does_not_validate_is_refused_with_1008_and_the_errors(parity):
    """I118, B40: a close before the accept, with the list of errors for a reason."""

    def make(seen):
        app = fastapi.FastAPI()

        @app.websocket("/ws")
        async def endpoint(websocket: WebSocket, a: int, x_token: str = Header(min_length=3)):
            seen.append("called")

        return noting_sends(seen, app)

    def script(wire):
        wire.send(HANDSHAKE[:-2] + b"x-token: ab\r\n\r\n")
        return wire.rest().split(b"\r\n")[0]

    outcome = parity(make, script)
    assert outcome.wire.startswith(b"HTTP/1.1 403 ")
    (close,) = outcome.seen
    assert close["type"] == "websocket.close" and close["code"] == 1008
    assert [list(error["loc"]) for error in close["reason"]] == [
        ["query", "a"],
        ["header", "x-token"],
    ]


def test_a_path_that_nobody_has_is_refused(parity):
    def script(wire):
        wire.send(HANDSHAKE)
        return wire.rest().split(b"\r\n")[0]

    outcome = parity(lambda seen: noting_sends(seen, fastapi.FastAPI()), script)
    assert outcome.wire.startswith(b"HTTP/1.1 403 ")
    assert [(sent["type"], sent["code"]) for sent in outcome.seen] == [("websocket.close", 1000)]


@pytest.mark.parametrize("how", ["returns", "raises", "closes", "leaves"])
@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("scope", ["function", "request"])
def test_dependencies_end_after_the_endpoint(parity, how, kind, scope):
    """I118: those with `yield`: with the endpoint's exception if it had one."""

    def make(seen):
        app = application(seen)

        async def asynchronous():
            seen.append("entered")
            try:
                yield
            except BaseException as error:
                seen.append(type(error).__name__)
                raise
            finally:
                seen.append("left")

        def sync():
            seen.append("entered")
            try:
                yield
            except BaseException as error:
                seen.append(type(error).__name__)
                raise
            finally:
                seen.append("left")

        dependency = Depends(asynchronous if kind == "async" else sync, scope=scope)

        @app.websocket("/ws", dependencies=[dependency])
        async def endpoint(websocket: WebSocket):
            await websocket.accept()
            await websocket.send_text("begun")
            if how == "raises":
                raise ValueError("raised")
            if how == "closes":
                await websocket.close(4000)
            if how == "leaves":
                await websocket.receive_text()
            seen.append("endpoint")

        return app

    def script(wire):
        wire.send(HANDSHAKE)
        received = wire.response() + wire.take(7)
        if how == "leaves":
            wire.send(frame(8, b"\x03\xe8"))
        if how == "closes":
            received += wire.take(4)
            wire.send(frame(8, b"\x0f\xa0"))
        rest = wire.rest()
        wire.socket.close()
        wire.reconnect()
        wire.send(get("/noted?count=3"))
        return received + rest + wire.response()

    outcome = parity(make, script)
    assert outcome.seen[0] == "entered" and outcome.seen[-1] == "left"
