"""WebSocket messages: the handshake, both directions, and every way in which it ends."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import fastapi
import pytest

from conftest import Running, WebSocket, run
from hyperfastapi import _core

Errors = Callable[[], list[str]]
Script = Callable[[WebSocket], Awaitable[Any]]

ACCEPT = {"type": "websocket.accept"}


class Outcome:
    """What an application noted, and what the client's script returned."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.client: Any = None


def converse(body: Callable[..., Awaitable[Any]], script: Script, **settings: Any) -> Outcome:
    """Run `body(receive, send, seen)` as the application against a client's script."""
    outcome = Outcome()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await body(receive, send, outcome.seen)

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            outcome.client = await script(WebSocket(client))
        await running.idle()

    run(app, scenario, **settings)
    return outcome


async def accept(receive: Any, send: Any) -> None:
    assert await receive() == {"type": "websocket.connect"}
    await send(ACCEPT)


async def until_disconnect(receive: Any, seen: list[Any]) -> None:
    while True:
        message = await receive()
        seen.append(message)
        if message["type"] == "websocket.disconnect":
            return


def test_text_and_bytes_are_echoed(kind: str) -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        while (message := await receive())["type"] == "websocket.receive":
            seen.append(message)
            await send({**message, "type": "websocket.send"})

    async def script(ws: WebSocket) -> list[Any]:
        await ws.open()
        ws.text("hällo")
        ws.frame(2, b"\x00\xff")
        ws.frame(2, b"x" * 70_000)
        frames = [await ws.receive() for _ in range(3)]
        ws.close()
        return [*frames, await ws.receive()]

    outcome = converse(body, script, kind=kind)
    assert outcome.client == [
        (1, "hällo".encode()),
        (2, b"\x00\xff"),
        (2, b"x" * 70_000),
        (8, b"\x03\xe8"),
    ]
    assert outcome.seen[:2] == [
        {"type": "websocket.receive", "text": "hällo"},
        {"type": "websocket.receive", "bytes": b"\x00\xff"},
    ]


def test_fragments_are_one_message() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        await until_disconnect(receive, seen)

    async def script(ws: WebSocket) -> None:
        await ws.open()
        ws.frame(1, b"one ", fin=False)
        ws.frame(0, b"two", fin=True)
        ws.close(1001, "bye")
        await ws.receive()

    assert converse(body, script).seen == [
        {"type": "websocket.receive", "text": "one two"},
        {"type": "websocket.disconnect", "code": 1001, "reason": "bye"},
    ]


def test_a_close_without_a_code_is_1005() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        await until_disconnect(receive, seen)

    async def script(ws: WebSocket) -> None:
        await ws.open()
        ws.frame(8)
        await ws.receive()

    assert converse(body, script).seen == [
        {"type": "websocket.disconnect", "code": 1005, "reason": ""}
    ]


def test_a_connection_lost_after_the_accept_is_1005_and_before_1006(kind: str) -> None:
    async def after(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        await until_disconnect(receive, seen)

    async def before(receive: Any, send: Any, seen: list[Any]) -> None:
        await receive()
        await until_disconnect(receive, seen)

    async def open_and_leave(ws: WebSocket) -> None:
        await ws.open()
        ws.client.reset()

    async def leave(ws: WebSocket) -> None:
        opening = asyncio.ensure_future(ws.open())
        await asyncio.sleep(0.02)
        ws.client.reset()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await opening

    assert converse(after, open_and_leave, kind=kind).seen == [
        {"type": "websocket.disconnect", "code": 1005}
    ]
    assert converse(before, leave, kind=kind).seen == [
        {"type": "websocket.disconnect", "code": 1006}
    ]


def test_sending_to_a_client_that_is_gone_raises_an_oserror(errors: Errors) -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        await until_disconnect(receive, seen)
        try:
            await send({"type": "websocket.send", "text": "late"})
        except OSError as error:
            seen.append(type(error))
            raise  # and nobody is told of it

    async def script(ws: WebSocket) -> None:
        await ws.open()
        ws.client.reset()

    assert converse(body, script).seen[-1] is _core.ClientDisconnected
    assert errors() == []


def test_the_applications_close_is_heard_by_its_own_receive() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        await send({"type": "websocket.close", "code": 4000, "reason": "enough"})
        seen.append(await receive())

    async def script(ws: WebSocket) -> Any:
        await ws.open()
        frame = await ws.receive()
        ws.close(4000)
        assert await ws.client.rest() == b""
        return frame

    outcome = converse(body, script)
    assert outcome.client == (8, (4000).to_bytes(2, "big") + b"enough")
    assert outcome.seen == [{"type": "websocket.disconnect", "code": 4000, "reason": "enough"}]


def test_a_close_has_1000_and_no_reason_by_default() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        await send({"type": "websocket.close", "reason": None})
        seen.append(await receive())

    async def script(ws: WebSocket) -> Any:
        await ws.open()
        return await ws.receive()

    outcome = converse(body, script)
    assert outcome.client == (8, b"\x03\xe8")
    assert outcome.seen == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "websocket.close", "code": 1005},
        {"type": "websocket.close", "code": 99},
        {"type": "websocket.close", "code": 70_000},
        {"type": "websocket.close", "reason": "x" * 124},
    ],
)
def test_a_close_that_cannot_be_sent_names_what_is_wrong(message: Any, errors: Errors) -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        await send(message)

    async def script(ws: WebSocket) -> bytes:
        await ws.open()
        return await ws.client.rest()

    assert converse(body, script).client == b""
    assert "a WebSocket cannot be closed with code" in errors()[0]


def test_a_message_that_came_before_the_applications_close_is_still_received() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        seen.append(await receive())
        await asyncio.sleep(0.02)  # the other arrives
        await send({"type": "websocket.close"})
        await until_disconnect(receive, seen)

    async def script(ws: WebSocket) -> None:
        await ws.open()
        for word in ("one", "two"):
            ws.text(word)
        await ws.receive()
        ws.text("too late")
        ws.close()
        await ws.client.rest()

    assert [message.get("text") for message in converse(body, script).seen] == [
        "one",
        "two",
        None,
    ]


def test_accept_carries_subprotocol_and_headers() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await receive()
        await send(
            {**ACCEPT, "subprotocol": "chat", "headers": [(b"X-One", b"1"), (b"x-two", b"2")]}
        )

    async def script(ws: WebSocket) -> Any:
        return await ws.open(extra=b"sec-websocket-protocol: chat\r\n")

    headers = {name.lower(): value for name, value in converse(body, script).client.headers}
    assert headers[b"sec-websocket-protocol"] == b"chat"
    assert (headers[b"x-one"], headers[b"x-two"]) == (b"1", b"2")
    assert headers[b"sec-websocket-accept"] == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_close_before_the_accept_is_a_403() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": ["a", "list"]})
        seen.append(await receive())

    async def script(ws: WebSocket) -> Any:
        response = await ws.open()
        return response.status, response.body, await ws.client.rest()

    outcome = converse(body, script)
    assert outcome.client == (403, b"", b"")
    assert outcome.seen == [{"type": "websocket.disconnect", "code": 1006}]


def test_a_denial_is_a_whole_response() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await receive()
        await send(
            {"type": "websocket.http.response.start", "status": 418, "headers": [(b"x-a", b"b")]}
        )
        await send(
            {"type": "websocket.http.response.body", "body": b"short and ", "more_body": True}
        )
        await send({"type": "websocket.http.response.body", "body": b"stout"})
        seen.append(await receive())

    async def script(ws: WebSocket) -> Any:
        response = await ws.open()
        return response.status, response.body, response.header(b"x-a")

    outcome = converse(body, script)
    assert outcome.client == (418, b"short and stout", b"b")
    assert outcome.seen == [{"type": "websocket.disconnect", "code": 1006}]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (
            [{"type": "websocket.send", "text": "x"}],
            "Expected ASGI message 'websocket.accept', 'websocket.close' or "
            "'websocket.http.response.start' but got 'websocket.send'.",
        ),
        (
            [ACCEPT, ACCEPT],
            "Expected ASGI message 'websocket.send' or 'websocket.close', but got "
            "'websocket.accept'.",
        ),
        (
            [ACCEPT, {"type": "websocket.close"}, {"type": "websocket.send", "text": "x"}],
            "Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.",
        ),
        (
            [{"type": "websocket.http.response.start", "status": 600}],
            "Invalid HTTP status code '600' in response.",
        ),
        (
            [
                {"type": "websocket.http.response.start", "status": 400},
                {"type": "websocket.http.response.start", "status": 400},
            ],
            "Expected ASGI message 'websocket.http.response.body' but got "
            "'websocket.http.response.start'.",
        ),
    ],
)
def test_misuse_has_these_errors(messages: Any, expected: str, errors: Errors) -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await receive()
        for message in messages:
            await send(message)

    async def script(ws: WebSocket) -> None:
        with pytest.raises(asyncio.IncompleteReadError):
            await ws.open()
            while True:
                opcode, _ = await ws.receive()
                if opcode == 8:
                    ws.close()

    converse(body, script)
    assert errors() == [f"Exception in ASGI application | RuntimeError: {expected}"]


def test_an_application_that_returns_without_an_answer_is_told_of(errors: Errors) -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await receive()

    async def script(ws: WebSocket) -> Any:
        response = await ws.open()
        return response.status, response.body

    assert converse(body, script).client == (500, b"Internal Server Error")
    assert errors() == ["ASGI callable returned without completing handshake."]


def test_an_application_that_returns_after_the_accept_ends_the_connection() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)

    async def script(ws: WebSocket) -> bytes:
        await ws.open()
        return await ws.client.rest()

    assert converse(body, script).client == b""


def test_the_handshake_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hyperfastapi.error")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/yes":
            await send(ACCEPT)
        elif scope["path"] == "/no":
            await send({"type": "websocket.close"})
        else:
            await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})

    async def scenario(running: Running) -> None:
        for path in ("/yes?a=1", "/no", "/denied"):
            async with running.connect() as client:
                await WebSocket(client).open(path)

    run(app, scenario)
    lines = [record.getMessage().partition(" - ")[2] for record in caplog.records]
    assert [line for line in lines if line.startswith('"WebSocket')] == [
        '"WebSocket /yes?a=1" [accepted]',
        '"WebSocket /no" 403',
        '"WebSocket /denied" 401',
    ]


def test_pings_are_answered_without_the_application() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        await until_disconnect(receive, seen)

    async def script(ws: WebSocket) -> Any:
        await ws.open()
        ws.frame(9, b"are you there")
        answer = await ws.receive()
        ws.close()
        return answer

    outcome = converse(body, script)
    assert outcome.client == (10, b"are you there")
    assert len(outcome.seen) == 1


def test_several_receives_each_get_a_message() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        waiting = [asyncio.ensure_future(receive()) for _ in range(3)]
        await send({"type": "websocket.send", "text": "ready"})
        seen.extend(message["text"] for message in await asyncio.gather(*waiting))

    async def script(ws: WebSocket) -> None:
        await ws.open()
        await ws.receive()
        for number in range(3):
            ws.text(str(number))
        await ws.client.rest()

    assert converse(body, script).seen == ["0", "1", "2"]


def test_a_receive_that_is_cancelled_loses_no_message() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        for _ in range(20):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(receive(), 0.001)
        await send({"type": "websocket.send", "text": "ready"})
        seen.append(await receive())

    async def script(ws: WebSocket) -> None:
        await ws.open()
        await ws.receive()
        ws.text("kept")
        await ws.client.rest()

    assert converse(body, script).seen == [{"type": "websocket.receive", "text": "kept"}]


def test_send_waits_while_the_client_does_not_read(kind: str) -> None:
    sent: list[int] = []

    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        for number in range(400):
            await send({"type": "websocket.send", "bytes": b"x" * 65536})
            sent.append(number)

    async def script(ws: WebSocket) -> tuple[int, int]:
        await ws.open()
        ws.client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        before = -1
        while before != len(sent):
            before = len(sent)
            await asyncio.sleep(0.05)
        ws.client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        return before, sum([len((await ws.receive())[1]) for _ in range(400)])

    stopped_at, total = converse(body, script, kind=kind).client
    assert stopped_at < 400
    assert total == 400 * 65536


def test_reading_pauses_while_the_application_does_not_receive() -> None:
    proceed: list[asyncio.Event] = []

    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        proceed.append(asyncio.Event())
        await proceed[0].wait()
        for _ in range(3000):
            await receive()

    async def script(ws: WebSocket) -> int:
        await ws.open()
        sent = 0

        async def write() -> None:
            nonlocal sent
            for _ in range(3000):
                ws.frame(2, b"\0" * 8192)
                await ws.client.writer.drain()
                sent += 1

        writing = asyncio.ensure_future(write())
        before = -1
        while before != sent or not proceed:
            before = sent
            await asyncio.sleep(0.05)
        held = sent
        proceed[0].set()
        await writing
        assert await ws.client.rest() == b""
        return held

    assert converse(body, script).client < 3000


def test_large_messages_are_lent_and_given_back() -> None:
    import gc
    import sys

    data = b"x" * 1_000_000
    count = sys.getrefcount(data)

    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        await send({"type": "websocket.send", "bytes": data})
        await receive()

    async def script(ws: WebSocket) -> int:
        await ws.open()
        _, received = await ws.receive()
        ws.close()
        await ws.receive()
        return len(received)

    assert converse(body, script).client == len(data)
    gc.collect()
    assert sys.getrefcount(data) == count


def test_a_message_that_is_too_large_closes_with_1009() -> None:
    async def body(receive: Any, send: Any, seen: list[Any]) -> None:
        await accept(receive, send)
        await until_disconnect(receive, seen)

    async def script(ws: WebSocket) -> Any:
        await ws.open()
        ws.frame(2, b"x" * 2000)
        opcode, data = await ws.receive()
        return opcode, int.from_bytes(data[:2], "big")

    outcome = converse(body, script, ws_max_size=1000)
    assert outcome.client == (8, 1009)
    assert outcome.seen[-1]["code"] == 1009


def test_frameworks_end_quietly_when_the_client_leaves(errors: Errors) -> None:
    from starlette.websockets import WebSocket as StarletteWebSocket
    from starlette.websockets import WebSocketDisconnect

    codes: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = StarletteWebSocket(scope, receive, send)
        await websocket.accept()
        try:
            while True:
                await websocket.send_text("x" * 1000)
                await asyncio.sleep(0)
        except WebSocketDisconnect as disconnect:
            codes.append(disconnect.code)

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            ws = WebSocket(client)
            await ws.open()
            await ws.receive()
            client.reset()
        await running.idle()

    run(app, scenario)
    assert codes == [1006]
    assert errors() == []


def flooding(seen: list[Any], *, compiled: bool) -> Any:
    """An application that sends 400 messages of 64 kB, notes what comes of it, and then says "end".

    In between it waits for the client, or hears that it is gone.
    """
    data = b"x" * 65_000

    async def flood(receive: Any, send: Any) -> None:
        try:
            for number in range(400):
                await send({"type": "websocket.send", "bytes": number.to_bytes(2, "big") + data})
        except OSError as error:
            seen.append(type(error))
        seen.append("flooded")
        seen.append(await receive())
        try:
            await send({"type": "websocket.send", "text": "end"})
        except OSError as error:
            seen.append(type(error))

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        await flood(receive, send)

    if not compiled:
        return asgi
    app = fastapi.FastAPI()

    @app.websocket("/")
    async def endpoint(websocket: fastapi.WebSocket) -> None:
        async def send(message: Any) -> None:
            try:
                if "text" in message:
                    await websocket.send_text(message["text"])
                else:
                    await websocket.send_bytes(message["bytes"])
            except (fastapi.WebSocketDisconnect, RuntimeError):
                raise _core.ClientDisconnected from None

        await websocket.accept()
        await flood(websocket.receive, send)

    return app


async def read_late(ws: WebSocket, seen: list[Any]) -> list[tuple[int, bytes]]:
    """Read nothing until the application has flooded; then everything, up to the end."""
    transport = ws.client.writer.transport
    await ws.open()
    transport.pause_reading()  # type: ignore[attr-defined]
    while "flooded" not in seen:
        await asyncio.sleep(0.01)
    transport.resume_reading()  # type: ignore[attr-defined]
    ws.text("ready")
    received = [await ws.receive()]
    while received[-1][0] == 2:
        received.append(await ws.receive())
    return received


def flood_and_read(policy: str, compiled: bool) -> Outcome:
    outcome = Outcome()

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            outcome.client = await read_late(WebSocket(client), outcome.seen)
        await running.idle()

    run(flooding(outcome.seen, compiled=compiled), scenario, ws_slow_client=policy)
    return outcome


@pytest.mark.parametrize("compiled", [False, True], ids=["asgi", "compiled"])
def test_messages_for_a_slow_client_may_be_dropped(compiled: bool) -> None:
    outcome = flood_and_read("drop", compiled)
    assert outcome.seen == ["flooded", {"type": "websocket.receive", "text": "ready"}]
    *messages, end = outcome.client
    numbers = [int.from_bytes(data[:2], "big") for _, data in messages]
    assert 0 < len(numbers) < 400 and numbers == list(range(len(numbers)))
    assert {len(data) for _, data in messages} == {65_002}
    assert end == (1, b"end")


@pytest.mark.parametrize("compiled", [False, True], ids=["asgi", "compiled"])
def test_a_slow_client_may_be_closed(compiled: bool) -> None:
    outcome = flood_and_read("close", compiled)
    assert outcome.seen == [
        _core.ClientDisconnected,
        "flooded",
        {"type": "websocket.disconnect", "code": 1008, "reason": "client does not keep up"},
        _core.ClientDisconnected,
    ]
    assert outcome.client[-1] == (8, b"\x03\xf0client does not keep up")


def echoing() -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    @app.websocket("/")
    async def endpoint(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    return app


@pytest.mark.parametrize("policy", ["wait", "drop", "close"])
def test_answers_to_messages_that_came_together_are_no_sign_of_a_slow_client(policy: str) -> None:
    """They are gathered, to far more than limit_response_buffer if nothing were sent meanwhile."""
    received: list[tuple[int, bytes]] = []
    texts = [f"{number:06}" * 5 for number in range(2000)]

    async def scenario(running: Running) -> None:
        async with running.connect() as client:
            ws = WebSocket(client)
            await ws.open()
            for text in texts:
                ws.text(text)
            received.extend([await ws.receive() for _ in texts])
        await running.idle()

    run(echoing(), scenario, ws_slow_client=policy, limit_response_buffer=500)
    assert received == [(1, text.encode()) for text in texts]


@pytest.mark.parametrize("together", [False, True], ids=["alone", "after others"])
def test_a_message_leaves_before_its_endpoint_goes_on(kind: str, together: bool) -> None:
    """A client in a thread sees the answer while the endpoint still holds the loop."""
    arrived = threading.Event()
    seen: list[bool] = []
    app = fastapi.FastAPI()

    @app.websocket("/")
    async def endpoint(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        while await websocket.receive_text() != "block":
            await websocket.send_text("on")
        await websocket.send_text("working")
        seen.append(arrived.wait(10))  # blocks the loop
        await websocket.send_text("done")

    def masked(text: bytes) -> bytes:
        return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text

    def client(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(
                b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
                + masked(b"a") * 20 * together + masked(b"block")
            )  # fmt: skip
            data = b""
            while b"working" not in data:
                data += sock.recv(1000)
            arrived.set()
            while b"done" not in data:
                data += sock.recv(1000)

    async def scenario(running: Running) -> None:
        await asyncio.get_running_loop().run_in_executor(None, client, running.port)

    run(app, scenario, kind=kind)
    assert seen == [True]


async def close_first(websocket: fastapi.WebSocket) -> None:
    await websocket._send({"type": "websocket.close"})
    await websocket.accept()


async def accept_first(websocket: fastapi.WebSocket) -> None:
    await websocket._receive()
    await websocket._send({"type": "websocket.accept"})
    await websocket.accept()


async def close_twice(websocket: fastapi.WebSocket) -> None:
    await websocket.accept()
    await websocket._send({"type": "websocket.close"})
    await websocket.close(1001, "again")


async def deny_first(websocket: fastapi.WebSocket) -> None:
    await websocket._send({"type": "websocket.http.response.start", "status": 401})
    try:
        await websocket.close(1001)
    finally:
        await websocket._send({"type": "websocket.http.response.body", "body": b"no"})


async def close_what_is_closed(websocket: fastapi.WebSocket) -> None:
    await websocket.accept()
    with pytest.raises(fastapi.WebSocketDisconnect):
        await websocket.receive_text()
    await websocket.close(1001, "late")


async def close_what_is_lost(websocket: fastapi.WebSocket) -> None:
    await websocket.accept()
    while (await websocket._receive())["type"] != "websocket.disconnect":
        pass
    await asyncio.sleep(0.01)
    await websocket.close()


def closing_with(code: Any, reason: Any = None) -> Callable[[fastapi.WebSocket], Any]:
    async def close_in_an_unusual_way(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        await websocket.close(code, reason)

    return close_in_an_unusual_way


@pytest.mark.parametrize("leaves", ["closes", "resets"])
@pytest.mark.parametrize(
    "steps",
    [
        *(close_first, accept_first, close_twice, deny_first),
        *(close_what_is_closed, close_what_is_lost),
        *(closing_with(code) for code in (True, "1000", None, 1005, 99, 70_000, 1 << 70)),
        *(closing_with(1000, reason) for reason in ("x" * 124, b"why", 5, "\ud800")),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_accept_and_close_do_what_their_messages_would(steps: Any, leaves: str) -> None:
    """The native methods against Starlette's own, which a `send` of the object's brings back."""
    outcomes = []
    for is_native in (True, False):
        app = fastapi.FastAPI()
        seen: list[Any] = []

        @app.websocket("/")
        async def endpoint(websocket: fastapi.WebSocket) -> None:
            if not is_native:  # noqa: B023
                websocket.send = websocket.send  # type: ignore[method-assign]
            try:
                await steps(websocket)
            except Exception as error:
                seen.append((type(error), str(error), type(error.__context__)))  # noqa: B023
            seen.append((websocket.client_state, websocket.application_state))  # noqa: B023

        async def scenario(running: Running) -> None:
            async with running.connect() as client:
                ws = WebSocket(client)
                seen.append((await ws.open()).status)  # noqa: B023
                if leaves == "closes":
                    ws.close(1000)
                    seen.append(await client.rest())  # noqa: B023
                else:
                    client.reset()
            await running.idle()

        run(app, scenario)
        outcomes.append(seen)
    assert outcomes[0] == outcomes[1]
